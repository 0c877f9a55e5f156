"""What is to be served: services and their models, resolved to files and numbers of processes.

A service's wish says "the champion of bikes"; a plan says which version that is now, where its
bundle lies and how many processes answer. Plans are values: the gateway changes its routes only
when the plan differs from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Runtime = Literal["native", "seldon", "pyfunc"]


@dataclass(frozen=True)
class Served:
    """One version of a model that can be served.

    Attributes
    ----------
    model, version : str
        As clients see them; a model trained here has the versions 1, 2, 3 ...
    bundle : str
        Directory of its files, relative to the home; its name is their digest.
    python : str or None
        Interpreter of its own virtual environment.
    stateful : bool
        It keeps the state of sessions.
    """

    model: str
    version: str
    runtime: Runtime
    bundle: str
    python: str | None = None
    stateful: bool = False

    @property
    def image(self) -> str:
        """Its name in answers, metrics and records."""
        return f"{self.model}:{self.version}"


@dataclass(frozen=True)
class PlannedBranch:
    """One model of a service: its share of the requests and its processes."""

    branch: str
    served: Served
    weight: float
    instances: int
    shadow: bool = False

    def content(self, *, allow_pickle: bool) -> dict[str, Any]:
        """Give the branch as the route file says it."""
        return {
            "branch": self.branch,
            **asdict(self.served),
            "image": self.served.image,
            "weight": self.weight,
            "instances": self.instances,
            "shadow": self.shadow,
            # What is not ours has neither a key nor a number for the log of predictions.
            "log": self.served.runtime == "native",
            "allow_pickle": allow_pickle,
        }


@dataclass(frozen=True)
class PlannedService:
    """One service as the gateway is to run it."""

    name: str
    domain: str
    owner: str
    branches: tuple[PlannedBranch, ...]


def route_table(
    services: Sequence[PlannedService], *, revision: int, timeout_s: float, allow_pickle: bool
) -> dict[str, Any]:
    """Give the content of the route file; its keys are in docs/serving.md."""
    return {
        "revision": revision,
        "services": [
            {
                "name": service.name,
                "domain": service.domain,
                "owner": service.owner,
                "timeout_s": timeout_s,
                "branches": [
                    branch.content(allow_pickle=allow_pickle) for branch in service.branches
                ],
            }
            for service in services
        ],
    }
