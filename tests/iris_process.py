"""A module ``iris`` as one IRIS process has it, whose SQL runs on PostgreSQL.

It stands for what `iris_ct.adapters.store.iris_embedded` may know about IRIS, and raises on
anything else. What it shows is that the store's statements for IRIS mean what they should on a real
database, that nothing undocumented of ``iris`` is used, and what becomes of NULL, the empty text,
case, transactions and errors under the rules written here. It does not show that IRIS has these
rules, nor that its parser takes the statements.

Rules, with their source: ``"" `` is NULL and character 0 the empty string (InterSystems SQL, "NULL
and the Empty String"); texts without COLLATE compare without case (same, "Collation"); the default
isolation reads what is not committed, so it must be set (same, "SET TRANSACTION"); transactions nest
(``tstart`` ... in "Embedded Python core API"); a statement that fails undoes itself only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg
from psycopg import errors
from tests.sql.scanner import findings

CODES: list[tuple[type[psycopg.Error], int]] = [
    (errors.UniqueViolation, -119),
    (errors.ForeignKeyViolation, -121),
    (errors.NotNullViolation, -108),
    (errors.StringDataRightTruncation, -104),
    (errors.NumericValueOutOfRange, -104),
    (errors.LockNotAvailable, -110),
    (errors.DeadlockDetected, -110),
    (errors.UndefinedTable, -30),
    (errors.UndefinedColumn, -29),
    (errors.DuplicateTable, -201),
    (errors.SyntaxError, -1),
]
ISOLATION = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"


class NotAFactError(BaseException):
    """The store relies on something nobody knows of IRIS; nothing that it catches."""


def know(claim: bool, what: str) -> None:
    """Stop the test unless the claim holds."""
    if not claim:
        raise NotAFactError(what)


class SQLError(Exception):
    """What ``iris.sql`` raises; ``message`` quotes values, as IRIS does."""

    def __init__(self, sqlcode: int, message: str) -> None:
        super().__init__(message)
        self.sqlcode = sqlcode
        self.message = message


class IrisProcess:
    """One process; the thread that makes it is its only one.

    Parameters
    ----------
    url : str
        Address of a PostgreSQL database, ``postgresql://...``.
    empty_text : str
        How the empty string is read: the documentation lets it be ``""`` or character 0.
    """

    def __init__(self, url: str, *, empty_text: str = "\x00") -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        # Two that make the same schema at once get in each other's way.
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(1)")
            self._connection.execute("CREATE SCHEMA IF NOT EXISTS ct_store")
            self._connection.execute("CREATE SCHEMA IF NOT EXISTS ct")
            self._connection.execute(
                "CREATE COLLATION IF NOT EXISTS public.sqlupper "
                "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
        self._connection.execute("SET lock_timeout = '10s'")
        self._thread = threading.get_ident()
        self._level = 0
        self._isolated = False
        self._empty_text = empty_text
        self.sql = _Sql(self)
        self.system = _System()
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> NoReturn:
        raise NotAFactError(f"iris.{name}")

    def cls(self, name: str) -> _Statement:
        self._mine()
        know(name == "%SQL.Statement", f"class {name}")
        return _Statement(self)

    def tstart(self) -> None:
        self._mine()
        know(self._isolated, "a transaction begins that may read what is not committed")
        self._connection.execute("BEGIN" if self._level == 0 else f"SAVEPOINT level_{self._level}")
        self._level += 1

    def tcommit(self) -> None:
        self._mine()
        know(self._level > 0, "there is no transaction to commit")
        self._level -= 1
        self._connection.execute(
            "COMMIT" if self._level == 0 else f"RELEASE SAVEPOINT level_{self._level}"
        )

    def trollback(self) -> None:
        self._mine()
        self._level = 0
        self._connection.execute("ROLLBACK")

    def trollbackone(self) -> None:
        self._mine()
        know(self._level > 1, "there is no nested transaction to undo")
        self._level -= 1
        self._connection.execute(f"ROLLBACK TO SAVEPOINT level_{self._level}")

    def tlevel(self) -> int:
        self._mine()
        return self._level

    def lock(self, names: list[str], timeout_s: int, kind: str) -> None:
        self._mine()
        know(kind == "", "a lock of another kind")
        for name in names:
            self._connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])

    def unlock(self, names: list[str]) -> None:
        self._mine()
        for name in names:
            self._connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])

    def end(self) -> None:
        """End the process."""
        self._connection.close()

    def _mine(self) -> None:
        know(threading.get_ident() == self._thread, "IRIS is called by a second thread")

    def _run(self, statement: str, parameters: tuple[Any, ...]) -> Iterator[list[Any]]:
        self._mine()
        if statement == ISOLATION:
            self._isolated = True
            return iter(())
        know(findings(statement) == [], f"{findings(statement)} in {statement}")
        self.statements.append(statement)
        is_ddl = statement.split(None, 1)[0].upper() in ("CREATE", "DROP", "ALTER")
        know(not (is_ddl and self._level), "a table is made in a transaction")
        values = [sent(value) for value in parameters]
        if "INFORMATION_SCHEMA" in statement:
            values = [value.lower() if isinstance(value, str) else value for value in values]
        try:
            return self._rows(translated(statement) if is_ddl else limited(statement), values)
        except psycopg.Error as error:
            code = next((code for kind, code in CODES if isinstance(error, kind)), -400)
            if code == -119 and statement.startswith("UPDATE"):
                code = -120
            raise SQLError(code, f"{error} with {values}") from None

    def _rows(self, statement: str, values: list[Any]) -> Iterator[list[Any]]:
        text = statement.replace("%", "%%").replace("?", "%s")
        undo = self._level > 0
        if undo:
            self._connection.execute("SAVEPOINT statement")
        try:
            cursor = self._connection.execute(text, values)
        except psycopg.Error:
            if undo:
                self._connection.execute("ROLLBACK TO SAVEPOINT statement")
            raise
        if undo:
            self._connection.execute("RELEASE SAVEPOINT statement")
        if cursor.description is None:
            return iter(())
        return iter([[self._received(value) for value in row] for row in cursor.fetchall()])

    def _received(self, value: Any) -> Any:
        return self._empty_text if value == "" else value


class _Sql:
    def __init__(self, process: IrisProcess) -> None:
        self._process = process

    def prepare(self, statement: str) -> _Prepared:
        return _Prepared(self._process, statement)

    def exec(self, statement: str, *parameters: Any) -> Iterator[list[Any]]:
        return self._process._run(statement, parameters)


class _Prepared:
    def __init__(self, process: IrisProcess, statement: str) -> None:
        self._process, self._statement = process, statement

    def execute(self, *parameters: Any) -> Iterator[list[Any]]:
        know(len(parameters) == self._statement.count("?"), "a parameter has no value")
        return self._process._run(self._statement, parameters)


class _Statement:
    """Class ``%SQL.Statement`` as far as "Dynamic SQL: SQL Metadata" of the documentation shows it."""

    def __init__(self, process: IrisProcess) -> None:
        self._process = process
        self._names: list[str] = []

    def _New(self) -> _Statement:
        return self

    def _Prepare(self, statement: str) -> int:
        asked = limited(statement.replace("?", "NULL"))
        nothing = f"SELECT * FROM ({asked}) AS said WHERE 1 = 0"
        cursor = self._process._connection.execute(nothing.encode())
        self._names = [column.name for column in cursor.description or ()]
        return 1

    @property
    def _Metadata(self) -> _Statement:
        return self

    @property
    def columns(self) -> _Statement:
        return self

    @property
    def columnCount(self) -> int:
        return len(self._names)

    def GetAt(self, place: int) -> _Column:
        return _Column(self._names[place - 1])


class _Column:
    def __init__(self, name: str) -> None:
        self.colName = name


class _System:
    class Process:
        @staticmethod
        def SetNamespace(name: str) -> str:
            know(name == "IRISAPP", f"a namespace {name}")
            return name


def sent(value: Any) -> Any:
    """Let a value cross the border from Python to ObjectScript to SQL."""
    know(value is None or type(value) in (str, int, float), f"a {type(value)} crosses the border")
    if value is None or value == "":
        return None
    return "" if value == "\x00" else value


def translated(statement: str) -> str:
    """Say what IRIS' words for tables mean in PostgreSQL's."""
    exact = re.sub(r"COLLATE %EXACT", 'COLLATE "C"', statement)
    text = re.sub(r"(VARCHAR\(\d+\))(?! COLLATE)", r"\1 COLLATE public.sqlupper", exact)
    return re.sub(r"\bDOUBLE\b", "DOUBLE PRECISION", text)


def limited(statement: str) -> str:
    """Say what ``SELECT TOP n`` means in PostgreSQL's words."""
    return re.sub(r"^SELECT TOP (\d+) (.*)$", r"SELECT \2 LIMIT \1", statement, flags=re.DOTALL)
