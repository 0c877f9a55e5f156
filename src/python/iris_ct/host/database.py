"""The connection to the store: pragmas, short transactions, one writer at a time in SQLite.

Nothing here knows what a message is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from iris_ct.host.errors import HostStoppedError, StoreError

Synchronous = Literal["NORMAL", "FULL"]

# Other processes may hold SQLite's only write lock; longer than any sane transaction of theirs.
_BUSY_TIMEOUT_MS = 60_000


def utc_now() -> str:
    """Return the present instant as ISO 8601 text of fixed width, UTC."""
    return to_text(datetime.now(UTC))


def to_text(instant: datetime) -> str:
    """Write an aware instant as the store keeps it: UTC, microseconds, fixed width."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


class Database:
    """Short read and write transactions on one store.

    Owned by one process; its methods may be called from any thread. In SQLite writers of one
    process queue at a lock of their own, because the database's own waiting sleeps and is unfair.
    """

    def __init__(self, url: str, synchronous: Synchronous = "NORMAL") -> None:
        self.engine = _engine(url, synchronous)
        self.dialect = self.engine.dialect.name
        self._writers = self.engine.execution_options(host_begin="BEGIN IMMEDIATE")
        self._closed = False
        self._write_lock = threading.Lock() if self.dialect == "sqlite" else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a short transaction that changes rows.

        Raises
        ------
        HostStoppedError
            If the database was closed, for handlers that outlive their host.
        """
        self._check_open()
        if self._write_lock is None:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._write_lock, self._writers.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a short transaction that only reads; raises as `write` does."""
        self._check_open()
        with self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections, for good."""
        self._closed = True
        self.engine.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise HostStoppedError(
                "The message store was closed: its host or client has stopped. A handler that was "
                "running on is run again after the next start."
            )


def _engine(url: str, synchronous: Synchronous) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(
            f"The store address is not a database URL: {error}. Expected for example "
            "sqlite:////var/ct/ct.sqlite or postgresql+psycopg://user@machine/name."
        ) from error
    dialect = parsed.get_backend_name()
    if dialect not in {"sqlite", "postgresql"}:
        raise StoreError(
            f"The embedded host keeps its messages in SQLite or PostgreSQL, not in {dialect!r}. "
            "Give a URL that starts with sqlite:/// or postgresql+psycopg://."
        )
    if dialect == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise StoreError(
            "An SQLite store in memory does not survive the process. Give the path of a file, "
            "for example sqlite:////var/ct/ct.sqlite."
        )
    if dialect == "postgresql":
        return create_engine(parsed, pool_size=5, max_overflow=60, pool_pre_ping=True)
    engine = create_engine(parsed, pool_size=0, connect_args={"check_same_thread": False})
    _listen(engine, synchronous)
    return engine


def _listen(engine: Engine, synchronous: Synchronous) -> None:
    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        # SQLAlchemy writes the BEGIN, not the driver, which would never say IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("host_begin", "BEGIN"))
