"""A home in which everything has happened once, its console, and a gateway that tells of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import copy_home
from tests.control.console.gateway import Gateway, write_state
from tests.control.console.pages import Pages

from iris_ct.adapters.gateway_lock import only_gateway
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.core.service import ModelRef, make_service


@pytest.fixture(scope="session")
def served_home(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A copy with two services, one of them in a rollout; nothing of it is changed by a test."""
    home = copy_home(lived, tmp_path_factory.mktemp("console") / "dur")
    parts = build(load_settings(home))
    models = [ModelRef("rentals", "1"), ModelRef("rentals", "2")]
    pair = make_service("pair", models, weights=[0.8, 0.2])
    parts.store.services.create(pair, owner="eva", at=parts.clock.now())
    write_state(home)
    rollout = {
        "service": "rentals",
        "stable": "rentals:1",
        "candidate": "rentals:2",
        "stage": 1,
        "state": "running",
        "began_at": "2026-11-21T10:00:00+00:00",
        "before": {},
    }
    (home / "serving" / "rollouts.json").write_text(json.dumps({"rentals": rollout}))
    with only_gateway(home):
        yield parts
    parts.store.close()


@pytest.fixture
def gateway(served_home: Parts) -> Gateway:
    """A gateway that answers 20 requests a second for a minute: service pair, three quarters a."""
    gateway = Gateway(served_home.home)
    for _ in range(60):
        gateway.second({"a": 15, "b": 5}, bucket=3)
    return gateway


@pytest.fixture
def pages(served_home: Parts, gateway: Gateway) -> Pages:
    """The pages of that home."""
    return Pages(served_home, gateway.board)
