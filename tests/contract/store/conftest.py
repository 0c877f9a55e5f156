"""A store on SQLite, on PostgreSQL and through the DB-API inside IRIS, each test with an empty one.

The third runs the statements for IRIS on PostgreSQL; what that shows, `tests.iris_process` says.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.iris_process import IrisProcess
from tests.servers import postgres_url
from tests.sql import golden
from tests.sql.listening import listening

from iris_ct.adapters.store import SqlStore, iris_embedded

_schemas = itertools.count(1)
# What InterSystems IRIS or its dialect does not have, or drops without a word.
_NOT_PLAIN = re.compile(
    r"\b(RETURNING|ON CONFLICT|ON DUPLICATE|MERGE|LIMIT|OFFSET|FOR UPDATE)\b|\)\s*,\s*\(%",
    re.IGNORECASE,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the databases: tests that need the address or threads cannot be inside IRIS."""
    if "url" not in metafunc.fixturenames:
        return
    asked = inspect.signature(metafunc.function).parameters
    # No IRIS has a database of an earlier release.
    outside = (
        not {"url", "released"}.isdisjoint(asked)
        or metafunc.definition.get_closest_marker("threads") is not None
    )
    databases = ["sqlite", "postgresql"] if outside else ["sqlite", "postgresql", "iris"]
    metafunc.parametrize("url", databases, indirect=True)


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
def reviewed() -> set[str]:
    """Give the statements for IRIS that somebody has read."""
    return set(golden.statements("statements.sql"))


@pytest.fixture(autouse=True)
def reviewed_sql(request: pytest.FixtureRequest, reviewed: set[str]) -> Iterator[None]:
    """Hold every statement of every test to the reviewed ones, unless they are just gathered."""
    if "CT_STATEMENTS" in os.environ or not golden.is_gathered(request.node):
        yield
        return
    with listening() as heard:
        yield
    assert {golden.tidy(said) for said in heard} - reviewed == set(), golden.ANEW


@pytest.fixture(scope="session")
def postgres_database() -> str:
    """Make one database for all tests of this folder; each gets a schema in it."""
    return postgres_url()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ct.db'}"
        return
    if request.param == "iris":
        yield "iris+emb:///IRISAPP"
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
def iris_database(postgres_database: str) -> str:
    """Give the address of a database whose schemas are those of a fresh IRIS."""
    address = sa.make_url(postgres_database).set(drivername="postgresql")
    engine = sa.create_engine(postgres_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS ct, ct_store CASCADE")
    engine.dispose()
    return address.render_as_string(hide_password=False)


@pytest.fixture
def connect(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[[], Any] | None]:
    """Give what opens DB-API connections where the address does not say it all: inside IRIS."""
    if not url.startswith("iris"):
        yield None
        return
    process = IrisProcess(request.getfixturevalue("iris_database"))
    yield lambda: iris_embedded.connect("IRISAPP", process)
    assert process.tlevel() == 0
    process.end()


@pytest.fixture
def opened(
    url: str, connect: Callable[[], Any] | None, tmp_path: Path
) -> Iterator[Callable[[], SqlStore]]:
    """Open stores on the same database and home, as several processes would."""
    stores: list[SqlStore] = []

    def open_store() -> SqlStore:
        stores.append(SqlStore(url, tmp_path / "home", synchronous="OFF", connect=connect))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], SqlStore]) -> SqlStore:
    """Open one store."""
    return opened()
