"""A DB-API on ``iris.sql``, for Python that runs inside an IRIS process; not yet run on IRIS.

The process is the connection: it has one transaction, in which every `Connection` of it takes
part, and IRIS is called by one thread only. Used are ``iris.sql.prepare``, ``tstart``,
``tcommit``, ``trollback``, ``trollbackone``, ``tlevel``, ``lock``, ``unlock``,
``system.Process.SetNamespace`` and, of class ``%SQL.Statement``, ``%Prepare`` and ``%Metadata``;
nothing else of IRIS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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
threadsafety = 0
paramstyle = "qmark"

_TABLES_LOCK = "^CT.Store.Tables"
# Making all tables compiles as many classes, which takes IRIS a while.
_TABLES_LOCK_S = 120
_CHANGES = ("INSERT", "UPDATE", "DELETE")


def connect(namespace: str = "", iris: Any = None) -> Connection:
    """Give a connection of this process.

    Parameters
    ----------
    namespace : str
        Namespace to work in; empty: where the process is.
    iris : module, optional
        The module ``iris``, where a test has one of its own.

    Raises
    ------
    OperationalError
        If this Python does not run inside an IRIS process.
    """
    iris = _instance() if iris is None else iris
    # Outside IRIS the packages of that name give an error or, worse, an object that says yes to all.
    if type(getattr(iris, "tlevel", lambda: None)()) is not int:
        raise OperationalError("this Python does not run inside an IRIS process")
    if namespace:
        iris.system.Process.SetNamespace(namespace)
    return Connection(iris)


def _instance() -> Any:
    try:
        import iris
    except ImportError as error:
        raise OperationalError("this Python has no module iris") from error
    return iris


class Connection:
    """The SQL of the process; a transaction starts with its first INSERT, UPDATE or DELETE.

    If the process is in a transaction already (a client called a procedure in one of its own), ours
    nests: it is undone alone and becomes durable with the outer one.
    """

    def __init__(self, iris: Any) -> None:
        self.iris = iris
        self._is_open = False

    def cursor(self) -> Cursor:
        """Make a cursor."""
        return Cursor(self)

    def begin(self) -> None:
        """Start a transaction, unless this connection has started one."""
        if not self._is_open:
            self.iris.tstart()
            self._is_open = True

    def commit(self) -> None:
        """Commit what this connection has changed."""
        if self._is_open:
            self._is_open = False
            self.iris.tcommit()

    def rollback(self) -> None:
        """Undo what this connection has changed."""
        if self._is_open:
            self._is_open = False
            if self.iris.tlevel() > 1:
                self.iris.trollbackone()
            elif self.iris.tlevel() == 1:
                self.iris.trollback()

    def close(self) -> None:
        """Undo what is not committed."""
        self.rollback()

    @contextmanager
    def alone_with_tables(self) -> Iterator[None]:
        """Be the only process that changes the store's tables."""
        taken = self.iris.lock([_TABLES_LOCK], _TABLES_LOCK_S, "")
        # What it gives when it was taken is not documented; that it was not taken would be false.
        if taken is not None and not taken:
            raise OperationalError("another process is changing the store's tables", -110)
        try:
            yield
        finally:
            self.iris.unlock([_TABLES_LOCK])


class Cursor:
    """Runs statements; rows come one by one as they are fetched.

    Attributes
    ----------
    expected : sequence of str
        Names of the columns that the next statement will give; set by the dialect where it has
        compiled it. Otherwise a SELECT is prepared once more to ask for them, as ``iris.sql`` has
        no documented way to.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: Iterator[Any] = iter(())
        self.expected: Sequence[str] = ()
        self.description: tuple[Row, ...] | None = None
        self.arraysize = 1
        # How many rows a statement changed is not documented for iris.sql; nobody may ask.
        self.rowcount = -1

    def execute(self, operation: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement."""
        self._rows = iter(())
        rows = self._run(self._prepared(operation), parameters)
        names, self.expected = self.expected or self._names(operation), ()
        self.description = None
        if names:
            self.description = tuple((name, *[None] * 6) for name in names)
            self._rows = iter(rows)

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each set of parameters; it is prepared once."""
        self._rows, self.description, self.expected = iter(()), None, ()
        statement = self._prepared(operation)
        for parameters in seq_of_parameters:
            self._run(statement, parameters)

    def fetchone(self) -> Row | None:
        """Give the next row, or None after the last."""
        try:
            row = next(self._rows, None)
        except Exception as error:  # noqa: BLE001 - the type of SQLError is not importable outside
            _raise_for(error)
        return None if row is None else received(row)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Give the next rows."""
        rows: list[Row] = []
        while len(rows) < (size or self.arraysize) and (row := self.fetchone()) is not None:
            rows.append(row)
        return rows

    def fetchall(self) -> list[Row]:
        """Give all rows that are left."""
        rows: list[Row] = []
        while (row := self.fetchone()) is not None:
            rows.append(row)
        return rows

    def close(self) -> None:
        """Let go of the rows that were not fetched."""
        self._rows = iter(())

    def setinputsizes(self, sizes: Any) -> None:
        """PEP 249; does nothing."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """PEP 249; does nothing."""

    def _prepared(self, operation: str) -> Any:
        if operation.lstrip()[:6].upper() in _CHANGES:
            self._connection.begin()
        try:
            return self._connection.iris.sql.prepare(operation)
        except Exception as error:  # noqa: BLE001 - as in fetchone
            _raise_for(error)

    def _names(self, operation: str) -> Sequence[str]:
        """Ask for the columns of a SELECT that nobody has compiled, such as a customer's query."""
        if operation.lstrip()[:6].upper() != "SELECT":
            return ()
        statement = self._connection.iris.cls("%SQL.Statement")._New()
        if statement._Prepare(operation) != 1:
            raise ProgrammingError("the columns of a query cannot be told")
        columns = statement._Metadata.columns
        count = int(statement._Metadata.columnCount)
        return [str(columns.GetAt(place).colName) for place in range(1, count + 1)]

    @staticmethod
    def _run(statement: Any, parameters: Sequence[Any]) -> Any:
        try:
            return statement.execute(*parameters)
        except Exception as error:  # noqa: BLE001 - as in fetchone
            _raise_for(error)


def _raise_for(error: Exception) -> Any:
    """Raise our error instead of IRIS', whose text may quote a row, also not as its cause."""
    code = getattr(error, "sqlcode", None)
    if code is None:
        raise DatabaseError(f"iris.sql raised {type(error).__name__}") from None
    raise_for(int(code), str(getattr(error, "message", "")))
