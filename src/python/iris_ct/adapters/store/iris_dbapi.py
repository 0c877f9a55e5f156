"""What both DB-APIs of IRIS have in common: errors with a SQLCODE and no value, and empty texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

Row = tuple[Any, ...]

EMPTY = "\x00"
"""The empty string of SQL as IRIS keeps it; ObjectScript's ``""`` is NULL."""


def received(row: Iterable[Any]) -> Row:
    r"""Give a row with empty texts as Python has them.

    Examples
    --------
    >>> received(["\x00", None, 7])
    ('', None, 7)
    """
    return tuple("" if value == EMPTY else value for value in row)


class Warning(Exception):  # noqa: N818 - the names of PEP 249
    """PEP 249; never raised here."""


class Error(Exception):
    """Base of all errors of this DB-API.

    Parameters
    ----------
    sqlcode : int or None
        IRIS' code, negative; None where IRIS gave none, as when it cannot be reached.
    """

    def __init__(self, text: str, sqlcode: int | None = None) -> None:
        super().__init__(text)
        self.sqlcode = sqlcode


class InterfaceError(Error):
    """The connection or the cursor was used in a way it does not allow."""


class DatabaseError(Error):
    """Anything that IRIS refuses."""


class OperationalError(DatabaseError):
    """IRIS is away, or somebody else holds the row: the same call may succeed later."""


class IntegrityError(DatabaseError):
    """A unique or a foreign key stands against it."""


class DataError(DatabaseError):
    """A value does not fit its column."""


class ProgrammingError(DatabaseError):
    """The statement is wrong, or its user lacks a privilege."""


class InternalError(DatabaseError):
    """PEP 249; never raised here."""


class NotSupportedError(DatabaseError):
    """PEP 249; never raised here."""


# InterSystems documentation, "SQL Error Messages"; ODBC and JDBC clients see them positive.
_BY_CODE: dict[int, type[DatabaseError]] = {
    -110: OperationalError,  # locking conflict in filing
    -114: OperationalError,  # a matching row is locked by another user
    -119: IntegrityError,  # unique, INSERT
    -120: IntegrityError,  # unique, UPDATE
    -121: IntegrityError,  # foreign key, INSERT
    -122: IntegrityError,  # foreign key, UPDATE
    -123: IntegrityError,  # foreign key of another table, UPDATE
    -124: IntegrityError,  # foreign key of another table, DELETE
    -104: DataError,  # a value failed validation, INSERT
    -105: DataError,  # a value failed validation, UPDATE
    -108: DataError,  # a required value is missing
    -450: OperationalError,  # timeout of the request
    -451: OperationalError,  # no answer from the server
    -459: OperationalError,  # the login failed
    -461: OperationalError,  # communication link failure
}
LOST = frozenset({-451, -461})
"""Codes after which a connection is of no use any more."""

# Texts of these codes are about the statement; those of others may quote what is in a row.
_ABOUT_STATEMENTS = range(-99, 0)
_MAX_TEXT = 300


def raise_for(sqlcode: int | None, text: str = "") -> NoReturn:
    """Raise the error of a code, alone: what IRIS itself raised may quote what a row holds.

    IRIS' own text is added only where it is about the statement.

    Parameters
    ----------
    sqlcode : int or None
        As IRIS gives it, negative or (over a network) positive; None: IRIS cannot be reached.
    text : str
        IRIS' text.
    """
    if sqlcode is None:
        raise OperationalError("IRIS cannot be reached") from None
    code = -abs(sqlcode)
    told = f"SQLCODE {code}"
    if code in _ABOUT_STATEMENTS:
        raise ProgrammingError(f"{told}: {' '.join(text.split())[:_MAX_TEXT]}", code) from None
    raise _BY_CODE.get(code, DatabaseError)(told, code) from None
