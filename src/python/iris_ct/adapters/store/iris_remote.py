"""The official DB-API driver of IRIS, for Python outside; not yet run against an IRIS.

What is added: errors with their SQLCODE and without IRIS' text, rows as tuples, and
chunks of what is written many times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from iris_ct.adapters.store.iris_dbapi import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Row,
    Warning,
    raise_for,
    received,
)
from iris_ct.core.errors import StoreError

__all__ = [
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"

TIMEOUT_S = 10
# Rows sent at once: few enough that one message stays small, whatever a row holds.
CHUNK = 500
# "[SQLCODE: <-119>:<...>]" is how the driver writes it.
_SQLCODE = re.compile(r"SQLCODE:\s*<?(-?\d+)")


def connect(
    *,
    hostname: str,
    port: int,
    namespace: str,
    username: str,
    password: str,
    timeout: int = TIMEOUT_S,
    driver: Any = None,
) -> Connection:
    """Open a connection to an IRIS.

    Parameters
    ----------
    timeout : int
        Seconds after which it is given up.
    driver : module, optional
        The module ``iris.dbapi``, where a test has one of its own.

    Raises
    ------
    OperationalError
        If IRIS cannot be reached or does not let the user in.
    """
    driver = _official() if driver is None else driver
    with _errors():
        connection = driver.connect(
            hostname=hostname,
            port=port,
            namespace=namespace,
            username=username,
            password=password,
            timeout=timeout,
            # The driver would try shared memory for localhost, which containers do not share.
            sharedmemory=False,
            autoCommit=False,
        )
    return Connection(connection)


def _official() -> Any:
    # Loads a library of 50 megabytes, which nobody needs who is not connected.
    from iris import dbapi

    return dbapi


class Connection:
    """A connection of the driver; one thread at a time may use it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def cursor(self) -> Cursor:
        """Make a cursor."""
        with _errors():
            return Cursor(self._connection.cursor())

    def commit(self) -> None:
        """Commit."""
        with _errors():
            self._connection.commit()

    def rollback(self) -> None:
        """Undo what is not committed."""
        with _errors():
            self._connection.rollback()

    def close(self) -> None:
        """Close it."""
        with _errors():
            self._connection.close()

    def alone_with_tables(self) -> NoReturn:
        """Refuse: tables are made by the instance itself, as a user who may do so."""
        raise StoreError(
            "The store's tables in this IRIS are not those of this release. They are made inside "
            "the instance: install this release there, or run do ##class(CT.Setup).Store() in its "
            "terminal."
        )


class Cursor:
    """A cursor of the driver."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """The columns of the rows to fetch, or None."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows the driver says were changed; the store does not ask."""
        return int(self._cursor.rowcount)

    def execute(self, operation: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement."""
        with _errors():
            self._cursor.execute(operation, list(parameters))

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each set of parameters, in chunks."""
        with _errors():
            for start in range(0, len(seq_of_parameters), CHUNK):
                chunk = seq_of_parameters[start : start + CHUNK]
                self._cursor.executemany(operation, [tuple(row) for row in chunk])

    def fetchone(self) -> Row | None:
        """Give the next row, or None after the last."""
        with _errors():
            row = self._cursor.fetchone()
            return None if row is None else received(row)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Give the next rows."""
        with _errors():
            return [received(row) for row in self._cursor.fetchmany(size or self.arraysize)]

    def fetchall(self) -> list[Row]:
        """Give all rows that are left."""
        with _errors():
            return [received(row) for row in self._cursor.fetchall()]

    def close(self) -> None:
        """Close it."""
        with _errors():
            self._cursor.close()

    def setinputsizes(self, sizes: Any) -> None:
        """PEP 249; does nothing."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """PEP 249; does nothing."""


@contextmanager
def _errors() -> Iterator[None]:
    """Raise our errors instead of the driver's, whose texts may quote a row, also not as a cause."""
    try:
        yield
    except (TypeError, AttributeError, Error):
        raise
    except Exception as error:  # noqa: BLE001 - the driver raises RuntimeError and its own classes
        text = str(error)
        found = _SQLCODE.search(text)
        if found is not None:
            raise_for(int(found[1]), text)
        if "COMMUNICATION" in text or type(error).__name__ in (
            "OperationalError",
            "InterfaceError",
        ):
            raise_for(None)
        raise DatabaseError(f"the driver raised {type(error).__name__}") from None
