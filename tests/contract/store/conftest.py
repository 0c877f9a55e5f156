"""A store on SQLite and on PostgreSQL, each test with an empty one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers import postgres_url

from iris_ct.adapters.store import SqlStore

_schemas = itertools.count(1)
# What InterSystems IRIS or its dialect does not have, or drops without a word.
_NOT_PLAIN = re.compile(
    r"\b(RETURNING|ON CONFLICT|ON DUPLICATE|MERGE|LIMIT|OFFSET|FOR UPDATE)\b|\)\s*,\s*\(%",
    re.IGNORECASE,
)


@pytest.fixture(autouse=True)
def plain_sql() -> Iterator[None]:
    """Hold every statement of every test to the SQL that all databases have in common."""
    found: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "ct_" in statement and "CREATE" not in statement and _NOT_PLAIN.search(statement):
            found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", look)
    assert found == []


@pytest.fixture(scope="session")
def postgres_database() -> str:
    """Make one database for all tests of this folder; each gets a schema in it."""
    return postgres_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ct.db'}"
        return
    server: str = request.getfixturevalue("postgres_database")
    schema = f"test_{next(_schemas)}"
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield f"{server}?options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Callable[[], SqlStore]]:
    """Open stores on the same database and home, as several processes would."""
    stores: list[SqlStore] = []

    def open_store() -> SqlStore:
        stores.append(SqlStore(url, tmp_path / "home", synchronous="OFF"))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], SqlStore]) -> SqlStore:
    """Open one store."""
    return opened()
