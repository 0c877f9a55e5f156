"""A table of orders on SQLite and on PostgreSQL, and a model that reads it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.source.orders import Orders
from tests.servers import postgres_url

_schemas = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_database() -> str:
    """Make one database for all tests of this folder; each gets a schema in it."""
    return postgres_url()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ct.db'}"
        return
    server: str = request.getfixturevalue("postgres_database")
    schema = f"source_{next(_schemas)}"
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield f"{server}?options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture
def make_orders(url: str, tmp_path: Path) -> Iterator[Callable[..., Orders]]:
    """Make the table and its reader; ``source`` are lines of ``[source]``."""
    made: list[Orders] = []

    def make(**options: str) -> Orders:
        made.append(Orders(url, tmp_path / "home", **options))
        return made[-1]

    yield make
    for orders in made:
        orders.close()


@pytest.fixture
def orders(make_orders: Callable[..., Orders]) -> Orders:
    """Make the table with the defaults, and no column that says when a row was changed."""
    return make_orders()
