"""A home in which everything has happened once, and copies of it to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import MODEL, copy_home, csv, ct, make_home
from tests.factories import day, rentals


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command's home outlive its test."""
    for name in ("CT_HOME", "CT_PROCESSES", "CT_REPLAY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions, a drifted batch, held-back rows and a prediction; read only."""
    folder = tmp_path_factory.mktemp("lived")
    home = make_home(folder / "dur")
    first = csv(folder / "first.csv", rentals(day(0), 30))
    moved = rentals(day(30), 20, level=1.6, warmth=9)
    moved[3, "temperature"] = 99.0
    assert ct(home, "ingest", MODEL, first, csv(folder / "moved.csv", moved)).code == 0
    rows = csv(folder / "tomorrow.csv", rentals(day(50), 1).drop("hires"))
    assert ct(home, "predict", MODEL, "--in", rows, "--out", folder / "predicted.csv").code == 0
    return home


@pytest.fixture
def copied(lived: Path, tmp_path: Path) -> Path:
    """A copy of that home, to change."""
    return copy_home(lived, tmp_path / "dur")
