"""A home in which everything has happened once, run by a host, and an instance beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.running import MODEL, copy_home, csv, ct, ct_up, make_home
from tests.factories import day, rentals
from tests.objectscript.instance import Instance, instance


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no home of another test be meant."""
    for name in ("CT_HOME", "CT_PROCESSES", "CT_REPLAY", "CT_ACTOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions, a drifted batch and held-back rows; read only."""
    folder = tmp_path_factory.mktemp("lived")
    home = make_home(folder / "dur")
    first = csv(folder / "first.csv", rentals(day(0), 30))
    moved = rentals(day(30), 20, level=1.6, warmth=9)
    moved[3, "temperature"] = 99.0
    assert ct(home, "ingest", MODEL, first, csv(folder / "moved.csv", moved)).code == 0
    return home


@contextmanager
def both(home: Path) -> Iterator[Instance]:
    """Run a home's host, and a process of an instance beside it."""
    with ct_up(home), instance(home) as process:
        yield process


@pytest.fixture(scope="session")
def asked(
    lived: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Instance]]:
    """A copy of that home with its host and an instance, for questions that change nothing."""
    home = copy_home(lived, tmp_path_factory.mktemp("asked") / "dur")
    with both(home) as process:
        yield home, process
