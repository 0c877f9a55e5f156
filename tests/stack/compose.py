"""Reads docker-compose.yml as an engine would: one service's command, environment and mounts.

No engine is asked. What differs outside containers (host names, ports, paths) is replaced by the
caller, and nothing else, so that tests run what the file says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from iris_ct.doctor.compose_file import filled

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@dataclass(frozen=True)
class Service:
    """What a container of the service would run.

    Attributes
    ----------
    command : tuple of str
        Entry point and command.
    healthcheck : tuple of str
        The command that says with 0 that all is well; empty without one.
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


def read_service(name: str) -> Service:
    """Read one service with the defaults of all variables."""
    said = declared(name)
    return Service(
        command=(*map(str, said.get("entrypoint", [])), *map(str, said.get("command", []))),
        environment={key: str(value) for key, value in said.get("environment", {}).items()},
        healthcheck=_health(said.get("healthcheck", {}).get("test", [])),
        mounts=_mounts(said.get("volumes", [])),
    )


def declared(name: str) -> dict[str, Any]:
    """Give what the file says of a service, with the defaults of all variables."""
    # A dollar that is meant for the container is written twice.
    text = filled(COMPOSE.read_text(), {}).replace("$$", "$")
    service: dict[str, Any] = yaml.safe_load(text)["services"][name]
    return service


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


def _health(test: list[str]) -> tuple[str, ...]:
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
