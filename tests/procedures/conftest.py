"""The home of the command line's tests, and a copy of it whose production runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.conftest import copied, lived

from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.embedded import HostDoor, open_door

__all__ = ["copied", "lived"]


@dataclass(frozen=True)
class Running:
    """A home whose production runs in this process."""

    parts: Parts
    door: HostDoor


@pytest.fixture
def parts(lived: Path) -> Iterator[Parts]:
    """The home, to ask and to predict."""
    opened = build(load_settings(lived))
    yield opened
    opened.store.close()


@pytest.fixture
def running(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A copy of the home, to change."""
    monkeypatch.setenv("CT_HOME", str(copied))
    opened = build(load_settings())
    with open_door(opened) as door:
        yield Running(opened, door)
    opened.store.close()
