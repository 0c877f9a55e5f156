"""The official driver's module ``iris.dbapi`` as `iris_remote` calls it, whose SQL runs on PostgreSQL.

It stands for an IRIS at ``iris:1972``. Values cross the border under the rules of
`tests.iris_process`; a statement that fails undoes itself only. Who logs in is a role of the database
server, so that the grants of `iris_ct.instance.privileges` are heeded. It shows that another process
than IRIS' own gets along with the store's statements and with these rights; it does not show that IRIS
has these rules.

Environment: ``CT_TEST_IRIS_URL`` is the database, ``CT_TEST_IRIS_ACCOUNT`` a file with the account's
password as IRIS knows it, ``CT_TEST_IRIS_AWAY`` a file that is there while IRIS is away.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from tests.iris_process import CODES, ISOLATION, know, limited, sent
from tests.sql.scanner import findings

_NO_PRIVILEGE, _NO_LOGIN, _FAILED = -99, -459, -400
_TABLE_STATEMENTS = ("CREATE", "DROP", "ALTER")


def connect(
    *,
    hostname: str,
    port: int,
    namespace: str,
    username: str,
    password: str,
    timeout: int,
    **how: bool,
) -> Connection:
    """Log in."""
    know((hostname, port, namespace) == ("iris", 1972, "IRISAPP"), f"an IRIS at {hostname}")
    know(how == {"sharedmemory": False, "autoCommit": False} and timeout > 0, f"{how}")
    _answer()
    if password != Path(os.environ["CT_TEST_IRIS_ACCOUNT"]).read_text().strip():
        _fail(_NO_LOGIN, "Access Denied")
    address = make_conninfo(os.environ["CT_TEST_IRIS_URL"], user=username)
    return Connection(psycopg.connect(address))


class Connection:
    """One connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self._connection)

    def commit(self) -> None:
        _answer()
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


class Cursor:
    """One cursor."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._rows: list[list[Any]] = []
        self.description: Any = None
        self.rowcount = -1

    def execute(self, operation: str, parameters: Sequence[Any]) -> None:
        _answer()
        if operation == ISOLATION:
            return
        know(findings(operation) == [], f"{findings(operation)} in {operation}")
        know(not operation.startswith(_TABLE_STATEMENTS), "a table is made from outside")
        know(operation.count("?") == len(parameters), "a parameter has no value")
        values = [sent(value) for value in parameters]
        if "INFORMATION_SCHEMA" in operation:
            values = [value.lower() if isinstance(value, str) else value for value in values]
        self._run(limited(operation).replace("%", "%%").replace("?", "%s"), values)

    def executemany(self, operation: str, parameters: Sequence[Sequence[Any]]) -> None:
        for row in parameters:
            self.execute(operation, row)

    def fetchone(self) -> list[Any] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int) -> list[list[Any]]:
        found, self._rows = self._rows[:size], self._rows[size:]
        return found

    def fetchall(self) -> list[list[Any]]:
        found, self._rows = self._rows, []
        return found

    def close(self) -> None:
        self._rows = []

    def _run(self, text: str, values: list[Any]) -> None:
        self._connection.execute("SAVEPOINT statement")
        try:
            cursor = self._connection.execute(text, values)
        except psycopg.Error as error:
            self._connection.execute("ROLLBACK TO SAVEPOINT statement")
            code = next((code for kind, code in CODES if isinstance(error, kind)), _FAILED)
            if isinstance(error, errors.InsufficientPrivilege):
                code = _NO_PRIVILEGE
            _fail(code, str(error))
        self._connection.execute("RELEASE SAVEPOINT statement")
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self._rows = (
            [["\x00" if value == "" else value for value in row] for row in cursor.fetchall()]
            if cursor.description is not None
            else []
        )


def _answer() -> None:
    if Path(os.environ["CT_TEST_IRIS_AWAY"]).exists():
        raise RuntimeError("<COMMUNICATION LINK ERROR> Failed to connect to server")


def _fail(code: int, text: str) -> NoReturn:
    raise RuntimeError(f"[SQLCODE: <{code}>:<{text}>]")
