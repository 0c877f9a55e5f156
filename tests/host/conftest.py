"""Fixtures of the host's tests: a store on each database, and hosts in each way to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.host import productions
from tests.servers import postgres_url

from iris_ct.host import Host

MakeHost = Callable[..., Host]


@pytest.fixture(autouse=True)
def notes_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the components of this test a file for their notes."""
    path = tmp_path / "notes"
    monkeypatch.setenv(productions.NOTES, str(path))
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def store_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """The same test on each database."""
    return postgres_url() if request.param == "postgresql" else sqlite_url


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    return tmp_path / "host.lock"


@pytest.fixture
def make_host(store_url: str, lock_path: Path) -> Iterator[MakeHost]:
    """Start a host in threads, by the name of a production; stopped at the end of the test."""
    hosts: list[Host] = []

    def make(name: str | Any = "standard", **options: Any) -> Host:
        production = f"tests.host.productions:{name}" if isinstance(name, str) else name
        host = Host(production, store_url=store_url, lock_path=lock_path, **options)
        hosts.append(host)
        host.start()
        return host

    yield make
    for host in hosts:
        host.stop(drain_timeout_s=0.0)
