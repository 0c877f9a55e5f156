"""A home of its own for each test, with the embedded host running in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.homes import Home
from tests.servers import postgres_url

MakeHome = Callable[..., Home]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The catalogue's address: SQLite in the home, or an empty PostgreSQL database."""
    return postgres_url() if request.param == "postgresql" else ""


@pytest.fixture
def make_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHome]:
    """Make a running home; it is stopped at the end of the test."""
    with ExitStack() as stack:

        def make(**options: str) -> Home:
            return stack.enter_context(Home(tmp_path / "dur", monkeypatch, **options))

        yield make


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    """A running home on SQLite with the model rentals."""
    return make_home()
