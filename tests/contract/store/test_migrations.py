"""A database is brought to this release, once, and never touched by an older one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.contract.store import children
from tests.contract.store.histories import decision

from iris_ct.adapters.store import SqlStore
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.migrations import MIGRATIONS, Migration, migrate
from iris_ct.core.errors import StoreError

pytestmark = pytest.mark.integration

OPENING = "tell('open')"


def query(url: str, statement: str) -> list[object]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        found = list(result.scalars()) if result.returns_rows else []
    engine.dispose()
    return found


def test_a_fresh_store_has_every_number(store: SqlStore, url: str) -> None:
    numbers = [step.number for step in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert query(url, "SELECT number FROM ct_migration ORDER BY number") == numbers
    assert store.migrate() == []


def test_opening_again_keeps_what_is_there(opened: Callable[[], SqlStore]) -> None:
    first = opened()
    told = first.decisions.record(decision("d1"))
    first.close()
    assert opened().decisions.get("d1") == told


def test_an_older_store_gets_the_missing_steps_only(store: SqlStore, url: str) -> None:
    """The steps are applied in their order, in one transaction."""
    newest = len(MIGRATIONS)
    added = [
        Migration(newest + 1, "add a table", lambda c: _run(c, "CREATE TABLE ct_new (a INTEGER)")),
        Migration(newest + 2, "fill it", lambda c: _run(c, "INSERT INTO ct_new VALUES (7)")),
    ]
    database = Database(url)
    try:
        assert migrate(database, (*MIGRATIONS, *added)) == [newest + 1, newest + 2]
        assert migrate(database, (*MIGRATIONS, *added)) == []
        assert query(url, "SELECT a FROM ct_new") == [7]
    finally:
        database.close()


def test_a_step_that_fails_leaves_the_store_as_it_was(store: SqlStore, url: str) -> None:
    newest = len(MIGRATIONS)
    added = [
        Migration(newest + 1, "add a table", lambda c: _run(c, "CREATE TABLE ct_new (a INTEGER)")),
        Migration(newest + 2, "fail", lambda c: _run(c, "INSERT INTO ct_nowhere VALUES (7)")),
    ]
    database = Database(url)
    try:
        with pytest.raises(StoreError):
            migrate(database, (*MIGRATIONS, *added))
    finally:
        database.close()
    assert query(url, "SELECT max(number) FROM ct_migration") == [newest]
    assert store.migrate() == []


def test_a_newer_store_is_refused_untouched(
    store: SqlStore, opened: Callable[[], SqlStore], url: str
) -> None:
    query(url, "INSERT INTO ct_migration VALUES (99, 'from the future', 'then')")
    with pytest.raises(StoreError, match="schema version 99, this release knows versions up to"):
        opened()
    assert query(url, "SELECT max(number) FROM ct_migration") == [99]


def test_the_tables_of_the_host_are_left_alone(url: str, opened: Callable[[], SqlStore]) -> None:
    query(url, "CREATE TABLE host_message (a INTEGER)")
    query(url, "INSERT INTO host_message VALUES (7)")
    opened()
    assert query(url, "SELECT a FROM host_message") == [7]


def test_every_table_has_the_prefix(store: SqlStore, url: str) -> None:
    engine = sa.create_engine(url)
    names = sa.inspect(engine).get_table_names()
    engine.dispose()
    assert len(names) > 10
    assert all(name.startswith("ct_") for name in names)


def test_several_processes_can_open_a_fresh_store_at_once(url: str, tmp_path: Path) -> None:
    crowd = [children.start(url, tmp_path / "home", OPENING) for _ in range(3)]
    assert [children.hear(child) for child in crowd] == ["open"] * 3
    assert [children.end(child) for child in crowd] == [0] * 3


def _run(connection: sa.Connection, statement: str) -> None:
    connection.execute(sa.text(statement))
