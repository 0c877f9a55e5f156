"""What the gateway's control process last wrote of itself: ``<home>/serving/state.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iris_ct.adapters.gateway_lock import gateway_of

STATUSES = ("creating", "running", "error")
STATE = Path("serving") / "state.json"


@dataclass(frozen=True)
class ServingState:
    """A gateway, if one serves this home.

    Attributes
    ----------
    address : str
        Where it listens, for example ``http://127.0.0.1:8080``; empty if none serves.
    services : mapping
        By name of a service what is said of it: ``status``, ``instances``, ``started``.
    """

    address: str = ""
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether a gateway serves this home."""
        return bool(self.address)

    def status(self, name: str) -> str:
        """Give the status of a service; what no gateway runs is still to be created."""
        said = str(self.services.get(name, {}).get("status", ""))
        return said if self.serves and said in STATUSES else STATUSES[0]

    def endpoint(self, name: str) -> str:
        """Give where a service is asked."""
        return f"{self.address}/model-endpoints/{name}"


def read_state(home: Path) -> ServingState:
    """Read the state of the gateway of a home; of one that has ended nothing is believed."""
    try:
        said = json.loads((home / STATE).read_text("utf-8"))
    except FileNotFoundError:
        return ServingState()
    gateway = gateway_of(home)
    if gateway is None or said.get("pid") != gateway:
        return ServingState()
    services = said.get("services") or {}
    if isinstance(services, list):
        services = {one["name"]: one for one in services}
    return ServingState(str(said.get("address") or "").rstrip("/"), services)
