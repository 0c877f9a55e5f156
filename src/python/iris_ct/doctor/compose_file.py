"""Reads docker-compose.yml as far as the doctor asks: variables, ports, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iris_ct.core.errors import ConfigError

# ${NAME}, ${NAME:-default}, ${NAME:?text} and their forms without the colon.
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:?)([-?])([^{}]*))?\}")
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


@dataclass(frozen=True)
class Variable:
    """A variable of the file; ``default`` is None where the file has none."""

    name: str
    default: str | None
    required: bool


@dataclass(frozen=True)
class Service:
    """What one service takes of the machine.

    Attributes
    ----------
    ports : tuple of (str, int)
        Address and port on the machine.
    cpus : float
        Processors it may use; 0 without a limit.
    cpuset : str
        Which ones; empty for all.
    memory_bytes : int
        Memory it may use; 0 without a limit.
    """

    name: str
    ports: tuple[tuple[str, int], ...]
    cpus: float
    cpuset: str
    memory_bytes: int


def variables(text: str) -> dict[str, Variable]:
    """Find the variables of a compose file.

    Examples
    --------
    >>> variables("a: ${PORT:-80}, b: ${PASSWORD:?set it}")["PASSWORD"].required
    True
    """
    return {
        name: Variable(name, word if sign == "-" else None, required=sign == "?")
        for name, _, sign, word in _VARIABLE.findall(text)
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put values and defaults in the places of variables.

    Examples
    --------
    >>> filled("${A:-1} ${B:-2} ${C-3}", {"A": "", "B": "5", "C": ""})
    '1 5 '
    """

    def value(found: re.Match[str]) -> str:
        name, colon, sign, word = found.groups(default="")
        given = values.get(name)
        if given is None or (colon and not given):
            return word if sign == "-" else ""
        return given

    return _VARIABLE.sub(value, text)


def services(text: str, values: Mapping[str, str]) -> list[Service]:
    """Read what each service takes.

    Raises
    ------
    ConfigError
        If a value is no number of the kind that stands there, or the file cannot be read as YAML.
    """
    import yaml

    try:
        document = yaml.safe_load(filled(text, values))
    except yaml.YAMLError as error:
        raise ConfigError(f"docker-compose.yml cannot be read: {error}") from error
    return [_service(name, said) for name, said in document["services"].items()]


def read(path: Path) -> str:
    """Read the file.

    Raises
    ------
    ConfigError
        If it is not there.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Run this in the project's directory."
        ) from error


def n_bytes(size: str) -> int:
    """Read a size such as 512m.

    Raises
    ------
    ConfigError
        If it is none.

    Examples
    --------
    >>> n_bytes("2g") == 2 * 1024**3
    True
    """
    match = re.fullmatch(r"(\d+)([bkmg]?)b?", size.strip().lower())
    if match is None:
        raise ConfigError(f"{size!r} is no size: expected a number and k, m or g, such as 512m")
    return int(match[1]) * _UNITS[match[2]]


def _service(name: str, said: Mapping[str, Any]) -> Service:
    return Service(
        name,
        tuple(_port(name, str(line)) for line in said.get("ports", [])),
        _cpus(name, str(said.get("cpus", 0))),
        str(said.get("cpuset") or ""),
        n_bytes(str(said.get("mem_limit", 0))),
    )


def _port(service: str, line: str) -> tuple[str, int]:
    *address, outside, _ = line.split(":")
    if not outside.isdecimal() or not 0 < int(outside) < 2**16:
        raise ConfigError(f"{service}: port {outside!r}: expected a number from 1 to 65535")
    return ":".join(address).strip("[]"), int(outside)


def _cpus(service: str, said: str) -> float:
    try:
        return float(said)
    except ValueError as error:
        raise ConfigError(f"{service}: {said!r} processors: expected a number") from error
