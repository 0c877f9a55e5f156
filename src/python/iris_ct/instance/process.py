"""An IRIS process from inside: its module ``iris``, its user, and plain SQL in its namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iris_ct.core.errors import ConfigError


def this_process() -> Any:
    """Give the module ``iris`` of an IRIS process.

    Raises
    ------
    ConfigError
        If this Python does not run inside one; a driver of the same name does not do.
    """
    try:
        import iris
    except ImportError as error:
        raise ConfigError(_ELSEWHERE) from error
    # Elsewhere the driver has no `sql`, and the wrapper that iop brings gives a mock for it.
    sql = getattr(iris, "sql", None)
    if sql is None or type(sql).__module__ == "unittest.mock":
        raise ConfigError(_ELSEWHERE)
    return iris


def user_of(iris: Any) -> str:
    """Name the user of this process, as IRIS knows it."""
    return str(iris.execute("return $username"))


def select(iris: Any, text: str, *given: Any) -> Iterator[list[Any]]:
    """Give the rows of a SELECT; NULL is None."""
    for row in iris.sql.prepare(text).execute(*given):
        yield list(row)


_ELSEWHERE = (
    "This Python does not run inside an IRIS process: its module 'iris' has no 'iris.sql'. "
    "Outside of IRIS use 'ct', or set CT_STORE_URL to another store than iris+emb."
)
