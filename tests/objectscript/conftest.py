"""A home in which everything has happened once, run by a host, and an instance beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.running import copy_home, ct_up, lived_home
from tests.objectscript.instance import Instance, instance


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no home of another test be meant."""
    for name in ("CT_HOME", "CT_PROCESSES", "CT_REPLAY", "CT_ACTOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions, a drifted batch, held-back rows and a prediction."""
    return copy_home(lived_home(tmp_path_factory), tmp_path_factory.mktemp("lived") / "dur")


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
