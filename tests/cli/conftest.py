"""A home in which everything has happened once, and copies of it to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import copy_home, lived_home


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command's home outlive its test."""
    for name in ("CT_HOME", "CT_PROCESSES", "CT_REPLAY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions, a drifted batch, held-back rows and a prediction."""
    made = lived_home(tmp_path_factory)
    # With the files beside it, that were handed over.
    return copy_home(made.parent, tmp_path_factory.mktemp("lived") / "all") / made.name


@pytest.fixture
def copied(lived: Path, tmp_path: Path) -> Path:
    """A copy of that home, to change."""
    return copy_home(lived, tmp_path / "dur")
