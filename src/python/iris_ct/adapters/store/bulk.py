"""Inserting many rows whose values are there column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import sqlalchemy as sa


def insert_columns(
    connection: sa.Connection,
    table: sa.Table,
    shared: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
) -> None:
    """Insert rows with one statement, as ``connection.execute(sa.insert(table), rows)`` does.

    That makes a mapping of each row, and copies it, which takes longer than SQLite itself.

    Parameters
    ----------
    shared : mapping
        Values that all rows have, by column.
    columns : mapping
        The other values, by column; the same number of each, at least one.
    """
    dialect = connection.dialect
    statement = sa.insert(table)
    compiled = statement.compile(dialect=dialect, column_keys=[*shared, *columns])
    if compiled.positiontup is None:
        # A driver that wants its parameters named.
        rows = zip(*columns.values(), strict=True)
        named = [{**shared, **dict(zip(columns, row, strict=True))} for row in rows]
        connection.execute(statement, named)
        return
    n_rows = len(next(iter(columns.values())))
    cells = [
        _written(table.c[name], columns[name], dialect)
        if name in columns
        else repeat(next(iter(_written(table.c[name], [shared[name]], dialect))), n_rows)
        for name in compiled.positiontup
    ]
    connection.exec_driver_sql(str(compiled), list(zip(*cells, strict=True)))


def _written(column: sa.Column[Any], values: Sequence[Any], dialect: sa.Dialect) -> Iterable[Any]:
    """Give values as the driver takes them."""
    write = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if write is None else map(write, values)
