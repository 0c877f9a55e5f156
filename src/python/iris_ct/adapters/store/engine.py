"""The database behind the store: connections, transactions, locks and foreign errors.

SQLite (WAL), PostgreSQL and InterSystems IRIS behave alike here: a writing transaction that names
a model is alone with that model until it ends, in all threads and processes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from iris_ct.adapters.store.files import disk_error
from iris_ct.adapters.store.tables import lock
from iris_ct.core.errors import ConflictError, CTError, StoreError, StoreUnavailableError

Synchronous = Literal["OFF", "NORMAL", "FULL"]

# Longer than any transaction of the product, shorter than an operator's patience.
BUSY_TIMEOUT_S = 30
_TRANSIENT_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
}
_WRITES = "ct_writes"
# Connections to an IRIS that one process keeps, and opens at most besides: Community Edition has
# eight for everybody, and a thread holds one or two.
_IRIS_KEPT, _IRIS_MORE = 2, 2
# Any number that no one else locks: "ct" and the year it was chosen.
_PG_LOCK = 99_116_2026

Callback = Callable[[], None]


class _Ambient(threading.local):
    """The transaction of one thread, which all stores of that thread join."""

    connection: sa.Connection | None = None
    after_commit: list[Callback]
    after_rollback: list[Callback]


class Database:
    """One database; owned by one `SqlStore`, used by any number of threads.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, ``sqlite:////path/ct.db``, ``postgresql+psycopg://...``,
        ``iris://user@host:1972/NAMESPACE`` or, inside an IRIS process, ``iris+emb:///NAMESPACE``.
    synchronous : str
        SQLite's ``PRAGMA synchronous``; ``OFF`` only where losing the data is no loss.
    password : str, optional
        Password of the address, which then holds none.
    connect : callable, optional
        Gives the DB-API connections instead of the driver that the address names.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Synchronous = "NORMAL",
        password: str | None = None,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self._ambient = _Ambient()
        with translated():
            address = sa.make_url(url)
            if password is not None:
                address = address.set(password=password)
            self.is_sqlite = address.get_backend_name() == "sqlite"
            self.is_iris = address.get_backend_name() == "iris"
            if self.is_sqlite:
                self.engine = _sqlite_engine(address, synchronous)
            elif self.is_iris:
                self.engine = _iris_engine(address, connect)
            else:
                self.engine = _server_engine(address)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a writing transaction of this thread, or join the one that is open."""
        if self._ambient.connection is not None:
            with translated():
                yield self._ambient.connection
            return
        with translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin() as transaction:
                self._ambient.connection = connection
                self._ambient.after_commit, self._ambient.after_rollback = [], []
                try:
                    yield connection
                except BaseException:
                    transaction.rollback()
                    self._call(self._ambient.after_rollback)
                    raise
                finally:
                    self._ambient.connection = None
        self._call(self._ambient.after_commit)

    @contextmanager
    def writing(self, model: str) -> Iterator[sa.Connection]:
        """Open or join a writing transaction that is alone with this model until it ends."""
        with self.begin() as connection:
            self._lock(connection, model)
            yield connection

    @contextmanager
    def changing_tables(self) -> Iterator[sa.Connection]:
        """Open a writing transaction that is alone with the tables themselves until it ends.

        On IRIS statements that make tables are no part of it: they must be such that they can be
        repeated.
        """
        if self.is_iris:
            with translated(), self.engine.connect() as holder:
                driver: Any = holder.connection.dbapi_connection
                # Bound to the process, and let go when the transaction has ended.
                with driver.alone_with_tables(), self.begin() as connection:
                    yield connection
            return
        with self.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PG_LOCK)))
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a reading transaction, or join the open one of this thread."""
        with translated():
            if self._ambient.connection is not None:
                yield self._ambient.connection
                return
            with self.engine.connect() as connection, connection.begin():
                yield connection

    def when_done(
        self, *, committed: Callback | None = None, rolled_back: Callback | None = None
    ) -> None:
        """Call back once the open transaction of this thread is committed, or rolled back.

        Neither is called if the commit itself fails: nobody knows then which one it was.
        """
        if committed is not None:
            self._ambient.after_commit.append(committed)
        if rolled_back is not None:
            self._ambient.after_rollback.append(rolled_back)

    @staticmethod
    def _call(callbacks: list[Callback]) -> None:
        for callback in callbacks:
            callback()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _lock(self, connection: sa.Connection, model: str) -> None:
        """Wait for the row that stands for the model; SQLite has one writer at a time anyway."""
        if self.is_sqlite:
            return
        mine = lock.c.name == model
        if connection.scalar(sa.select(lock.c.name).where(mine)) is None:
            row = sa.insert(lock).values(name=model, turns=0)
            # If someone else makes the row in this moment, that is as good.
            with suppress(exc.IntegrityError):
                if self.is_iris:
                    # A process has one transaction, in which a refused statement undoes itself.
                    connection.execute(row)
                else:
                    with self.engine.begin() as other:
                        other.execute(row)
        # Last, when the row is there for certain: only an UPDATE that meets it waits for it.
        connection.execute(sa.update(lock).where(mine).values(turns=lock.c.turns + 1))


@contextmanager
def translated() -> Iterator[None]:
    """Raise the product's errors instead of the database's."""
    try:
        yield
    except CTError:
        raise
    except exc.IntegrityError as error:
        raise ConflictError(
            "The store holds a different record under the same name already "
            f"({type(error.orig).__name__}). Read it again and repeat the step."
        ) from error
    except (exc.DBAPIError, exc.TimeoutError) as error:
        if _is_transient(error):
            raise StoreUnavailableError(
                f"The database does not answer ({_reason(error)}). "
                "The same call may succeed later; see whether it runs and has room."
            ) from error
        raise StoreError(f"The database refused a statement ({_reason(error)}).") from error
    except exc.SQLAlchemyError as error:
        if isinstance(said := getattr(error, "orig", None), CTError):
            # A value was refused before it reached the database, in words of our own.
            raise said from error
        raise StoreError(
            f"The store's address or a statement is wrong ({type(error).__name__}); "
            "see CT_STORE_URL."
        ) from error


def _is_transient(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    if isinstance(error, exc.TimeoutError):
        return True
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _TRANSIENT_SQLITE
    return isinstance(error, exc.OperationalError | exc.InterfaceError)


def _reason(error: exc.DBAPIError | exc.TimeoutError) -> str:
    """Name the cause without the statement's parameters, which may hold customers' data."""
    original = getattr(error, "orig", None) or error
    states = ("sqlite_errorname", "sqlstate", "sqlcode")
    state = next(filter(None, (getattr(original, name, None) for name in states)), "")
    return f"{type(original).__name__} {state}".rstrip()


def _server_engine(address: sa.URL) -> sa.Engine:
    try:
        # psycopg prepares what it has seen five times, and PostgreSQL then plans a list of keys
        # without knowing them: it read the whole table for each list, 70 times slower.
        unprepared = {"prepare_threshold": None} if address.get_driver_name() == "psycopg" else {}
        # A lock is waited for, then the newest committed rows are read: nothing stricter.
        return sa.create_engine(
            address,
            connect_args=unprepared,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The driver {error.name} for {address.drivername} is not installed; "
            "for PostgreSQL install iris-ct[postgresql]."
        ) from error


def _iris_engine(address: sa.URL, connect: Callable[[], Any] | None) -> sa.Engine:
    # SQLAlchemy finds the dialect by its name; other databases need not load it.
    from iris_ct.adapters.store import iris_dialect

    iris_dialect.register()
    embedded = address.get_driver_name() == "emb"
    how: dict[str, Any] = {} if connect is None else {"creator": connect}
    if not embedded:
        how |= {"pool_pre_ping": True, "pool_size": _IRIS_KEPT, "max_overflow": _IRIS_MORE}
    return sa.create_engine(address, hide_parameters=True, **how)


def _sqlite_engine(address: sa.URL, synchronous: Synchronous) -> sa.Engine:
    if not address.database or address.database == ":memory:":
        raise StoreError(
            "The store needs a database file that processes can share, found a SQLite address "
            "without one. Use sqlite:////path/ct.db or leave CT_STORE_URL empty."
        )
    folder = Path(address.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    engine = sa.create_engine(
        address, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S}
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver must not open transactions by itself: it knows no BEGIN IMMEDIATE.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        # A deferred transaction that starts to write may fail at once instead of waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class SqlTransactions:
    """`ports.Transactions` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Open a transaction that all stores of this thread join; nested ones join the outer."""
        with self._database.begin():
            yield
