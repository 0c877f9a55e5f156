"""The route table: which services there are, and who answers in them. Read, never written here.

The control process writes ``<home>/serving/routes.json`` and sends the same text as a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from iris_ct.core.errors import ConfigError

Runtime = Literal["native", "seldon", "pyfunc"]

# Weights are sums of decimal numbers that people wrote.
_WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class BranchRoute:
    """One model version that answers in a service, or looks on as a shadow.

    Attributes
    ----------
    branch
        Its place in the service, such as ``a``.
    model, version, image
        What it is; ``image`` is what answers say.
    bundle
        Folder of the model below the home.
    runtime, python, allow_pickle
        How it runs; the interpreter of a foreign model; whether it may be unpickled.
    weight
        Share of the requests, 0 to 1; a shadow has none.
    instances
        Worker processes.
    shadow
        Gets a copy of each request and never answers.
    log
        Whether its predictions go into the prediction log.
    stateful
        It keeps the state of sessions.
    """

    branch: str
    model: str
    version: str
    bundle: str
    image: str = ""
    runtime: Runtime = "native"
    python: str | None = None
    weight: float = 1.0
    instances: int = 1
    shadow: bool = False
    log: bool = True
    allow_pickle: bool = False
    stateful: bool = False

    @property
    def process(self) -> tuple[str, str, str, str, bool]:
        """What must stay the same for a running worker to be kept."""
        return self.branch, self.bundle, self.runtime, self.python or "", self.allow_pickle


@dataclass(frozen=True)
class ServiceRoute:
    """One service, its seconds to answer, and its branches."""

    name: str
    branches: list[BranchRoute]
    domain: str = "default"
    owner: str = ""
    timeout_s: float | None = None


@dataclass(frozen=True)
class RouteTable:
    """All services; a table of a higher revision replaces one of a lower."""

    revision: int = 0
    services: list[ServiceRoute] = field(default_factory=list)


def read_routes(path: Path) -> RouteTable:
    """Read the route file; an empty table if there is none yet.

    Raises
    ------
    ConfigError
        If it is no route file.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return RouteTable()
    return parse_routes(text, source=str(path))


def parse_routes(text: bytes, *, source: str) -> RouteTable:
    """Read a route table.

    Raises
    ------
    ConfigError
        Naming the source, the place in it, what was expected and found.
    """
    try:
        table = msgspec.json.decode(text, type=RouteTable)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{source} is no route table: {error}.") from error
    names = [service.name for service in table.services]
    for service in table.services:
        _check_service(service, source)
        if names.count(service.name) > 1:
            raise ConfigError(f"{source}: service {service.name!r} is there twice.")
    return table


def _check_service(service: ServiceRoute, source: str) -> None:
    where = f"{source}: service {service.name!r}"
    if not _is_one_name(service.name):
        raise ConfigError(f"{where}: expected a name that can be one part of a path.")
    answering = [branch for branch in service.branches if not branch.shadow]
    if not answering:
        raise ConfigError(f"{where} has no branch that answers.")
    if len({branch.branch for branch in service.branches}) < len(service.branches):
        raise ConfigError(f"{where} has two branches of the same name.")
    if service.timeout_s is not None and service.timeout_s <= 0:
        raise ConfigError(f"{where}: timeout_s is {service.timeout_s}; expected more than 0.")
    weight = sum(branch.weight for branch in answering)
    if abs(weight - 1) > _WEIGHT_TOLERANCE or any(branch.weight < 0 for branch in answering):
        raise ConfigError(f"{where}: weights {[b.weight for b in answering]} do not make 1.")
    for branch in service.branches:
        _check_branch(branch, f"{where}, branch {branch.branch!r}")


def _check_branch(branch: BranchRoute, where: str) -> None:
    if not _is_one_name(branch.branch):
        raise ConfigError(f"{where}: expected a name that can be part of a file's.")
    bundle = PurePosixPath(branch.bundle)
    if bundle.is_absolute() or ".." in bundle.parts or not bundle.parts:
        raise ConfigError(f"{where}: bundle {branch.bundle!r} is no path below the home.")
    if branch.stateful and not _is_one_name(branch.model):
        raise ConfigError(f"{where}: model {branch.model!r} can be no part of a file's name.")
    if branch.instances < 0 or (branch.instances == 0 and not branch.shadow):
        raise ConfigError(f"{where}: instances is {branch.instances}; expected 1 or more.")


def _is_one_name(text: str) -> bool:
    return (
        text not in {"", ".", ".."}
        and text.isprintable()
        and not any(c in text for c in '/\\%?#"')
    )
