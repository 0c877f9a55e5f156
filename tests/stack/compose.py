"""Reads docker-compose.yml as an engine would: one service's command, environment and mounts.

No engine is asked. What differs outside containers (host names, ports, paths, secrets) is
replaced by the caller, and nothing else, so that tests run what the file says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"

# ${NAME}, ${NAME:-default}, ${NAME:?text} and their forms without the colon, innermost first.
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?+])([^{}]*))?\}|\$([A-Za-z_]\w*)")
_DOLLAR = "\0"


class MissingVariableError(KeyError):
    """A variable that the file demands is not set."""


@dataclass(frozen=True)
class Service:
    """What a container of the service would run.

    Attributes
    ----------
    command : tuple of str
        Entry point and command.
    environment : dict of str to str
    mounts : dict of str to str
        Paths inside the container, and what of the compose file's directory is seen there.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    healthcheck: tuple[str, ...]
    mounts: dict[str, str]

    def replacing(self, others: Mapping[str, str]) -> Service:
        """Give the service with texts replaced in command, environment and health check."""
        return replace(
            self,
            command=tuple(replaced(word, others) for word in self.command),
            environment={name: replaced(said, others) for name, said in self.environment.items()},
            healthcheck=tuple(replaced(word, others) for word in self.healthcheck),
        )


def replaced(text: str, others: Mapping[str, str]) -> str:
    """Put other texts in place of whole words; nothing is replaced twice.

    Examples
    --------
    >>> replaced("--port 5000 of 50001", {"5000": "7"})
    '--port 7 of 50001'
    """
    longest_first = sorted(others, key=len, reverse=True)
    words = "|".join(re.escape(word) for word in longest_first)
    return re.sub(rf"(?<!\w)({words})(?!\w)", lambda found: others[found[1]], text)


def read_service(name: str, variables: Mapping[str, str], *, path: Path = COMPOSE) -> Service:
    """Read one service, with ``${...}`` filled from ``variables`` and no other environment."""
    document = yaml.safe_load(path.read_text())
    service = _filled(document["services"][name], variables)
    return Service(
        command=(*_words(service.get("entrypoint")), *_words(service.get("command"))),
        environment=_environment(service.get("environment")),
        healthcheck=_health(service.get("healthcheck")),
        mounts=_mounts(service.get("volumes", [])),
    )


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill ``${...}`` of a compose file's text.

    Examples
    --------
    >>> interpolate("${A:-one} ${B-} $$HOME ${C:-${A:-two}}", {"B": "b"})
    'one b $HOME two'
    """
    text = text.replace("$$", _DOLLAR)
    while found := _VARIABLE.search(text):
        text = text[: found.start()] + _value(found, variables) + text[found.end() :]
    return text.replace(_DOLLAR, "$")


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, operator, word = found[1] or found[4], found[2] or "", found[3] or ""
    said = variables.get(name)
    # With a colon an empty value counts as none.
    is_set = bool(said) if operator.startswith(":") else said is not None
    match operator[-1:]:
        case "-":
            return said if is_set and said is not None else word
        case "+":
            return word if is_set else ""
        case "?" if not is_set:
            raise MissingVariableError(f"{name}: {word}")
    return said or ""


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(inner, variables) for key, inner in node.items()}
    if isinstance(node, list):
        return [_filled(inner, variables) for inner in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def _words(command: Any) -> list[str]:
    if command is None:
        return []
    if isinstance(command, str):
        raise TypeError(f"Write the command as a list; a shell would split this: {command}")
    return [str(word) for word in command]


def _environment(said: Any) -> dict[str, str]:
    if isinstance(said, list):
        said = dict(line.partition("=")[::2] for line in said)
    return {name: "" if word is None else str(word) for name, word in (said or {}).items()}


def _health(said: Any) -> tuple[str, ...]:
    test = (said or {}).get("test", [])
    if isinstance(test, str):
        return ("sh", "-c", test)
    match test:
        case ["CMD", *words]:
            return tuple(words)
        case ["CMD-SHELL", line]:
            return ("sh", "-c", line)
    return ()


def _mounts(volumes: list[str]) -> dict[str, str]:
    """Read the short form, ``./source:/target:ro``; named volumes have no place here."""
    parts = [volume.split(":") for volume in volumes]
    return {part[1]: part[0] for part in parts if part[0].startswith("./")}
