"""Foreign errors become the product's, and say whether trying again may help."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from iris_ct.adapters.store.engine import Database, translated
from iris_ct.core.errors import ConflictError, StoreError, StoreUnavailableError


def raise_translated(error: BaseException) -> None:
    with translated():
        raise error


def sqlite_error(code: int) -> sa.exc.OperationalError:
    original = sqlite3.OperationalError("secret")
    original.sqlite_errorcode = code
    return sa.exc.OperationalError("SELECT 'secret'", {"a": "secret"}, original)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'deep' / 'ct.db'}", synchronous="OFF")


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR | (3 << 8)]
)
def test_a_busy_or_full_database_is_transient(code: int) -> None:
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        raise_translated(sqlite_error(code))


def test_a_wrong_statement_is_not_transient() -> None:
    with pytest.raises(StoreError, match="refused a statement"):
        raise_translated(sqlite_error(sqlite3.SQLITE_ERROR))


def test_a_unique_violation_is_a_conflict() -> None:
    error = sa.exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("secret"))
    with pytest.raises(ConflictError, match="different record under the same name"):
        raise_translated(error)


def test_messages_hold_neither_statements_nor_parameters() -> None:
    for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_ERROR):
        with pytest.raises((StoreError, StoreUnavailableError)) as caught:
            raise_translated(sqlite_error(code))
        assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_transient() -> None:
    """Port 1 of this machine answers nobody."""
    database = Database("postgresql+psycopg://ct@127.0.0.1:1/ct")
    with pytest.raises(StoreUnavailableError), database.reading():
        pass
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="needs a database file"):
        Database(url)


def test_a_wrong_address_is_told() -> None:
    with pytest.raises(StoreError, match="address"):
        Database("no address")


def test_a_missing_driver_is_told() -> None:
    with pytest.raises(StoreError, match=r"oracledb for .* is not installed"):
        Database("oracle+oracledb://ct@127.0.0.1/ct")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match="The disk refused"):
        Database(f"sqlite:///{tmp_path / 'file' / 'ct.db'}")


def test_sqlite_is_set_up_as_promised(database: Database) -> None:
    with database.reading() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {
        "journal_mode": "wal",
        "synchronous": 0,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    database.close()


def test_writers_wait_for_each_other(database: Database) -> None:
    """A deferred transaction would fail at once where an immediate one waits."""
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")

    def count() -> None:
        for _ in range(20):
            with database.begin() as connection:
                n = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                connection.exec_driver_sql(f"UPDATE counter SET n = {n + 1}")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 80
    database.close()


def test_callbacks_follow_the_end_of_the_outermost_transaction(database: Database) -> None:
    told: list[str] = []

    def work(*, fails: bool) -> None:
        with database.begin():
            with database.begin():
                database.when_done(
                    committed=lambda: told.append("committed"),
                    rolled_back=lambda: told.append("rolled back"),
                )
            assert told == []
            if fails:
                raise KeyError

    work(fails=False)
    assert told == ["committed"]
    told.clear()
    with pytest.raises(KeyError):
        work(fails=True)
    assert told == ["rolled back"]
    database.close()
