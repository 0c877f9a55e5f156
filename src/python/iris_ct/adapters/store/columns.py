"""Which columns a stored file has, and how a frame is brought to them without changing a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_ct.core.dataset.batch import KEY, POSITION, ROW, BatchKind
from iris_ct.core.errors import SchemaMismatchError
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Columns = dict[str, str]
"""Name to kind: ``int``, ``numeric``, ``categorical``, ``boolean`` or ``datetime``."""


def row_columns(specification: Specification) -> Columns:
    """Give the columns of stored rows: ordinal, position, key, group, features, target."""
    return {ROW: "int", POSITION: "int", KEY: "key", **learned_columns(specification)}


def learned_columns(specification: Specification) -> Columns:
    """Give group, features and target: what a snapshot holds beside ``_row`` and ``_position``."""
    columns: Columns = {}
    if specification.group is not None:
        columns[specification.group] = "categorical"
    columns.update({feature.name: feature.kind for feature in specification.features})
    columns[specification.target] = target_kind(specification)
    return columns


def label_columns(specification: Specification) -> Columns:
    """Give the columns of stored labels: place in the file, key, target."""
    return {ROW: "int", KEY: "key", specification.target: target_kind(specification)}


def stored_columns(specification: Specification, kind: BatchKind) -> Columns:
    """Give the columns of a stored file of that kind."""
    return row_columns(specification) if kind == "rows" else label_columns(specification)


def target_kind(specification: Specification) -> str:
    """Give the target's kind: a number for regression, else a class name."""
    return "numeric" if specification.task == "regression" else "categorical"


def arrow_schema(columns: Columns) -> pa.Schema:
    """Give the Arrow schema of such columns."""
    import pyarrow as pa

    types = {
        "int": pa.int64(),
        "key": pa.string(),
        "numeric": pa.float64(),
        "categorical": pa.string(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(name, types[kind]) for name, kind in columns.items()])


def conform(frame: pl.DataFrame, columns: Columns, *, may_lack: str | None = None) -> pl.DataFrame:
    """Pick and order the columns, and cast what can be cast without loss.

    Parameters
    ----------
    may_lack : str, optional
        Column that becomes null where the frame has none: the target.

    Raises
    ------
    SchemaMismatchError
        If columns are missing or a cast would lose values; names columns, never values.
    """
    import polars as pl

    wanted: dict[str, pl.DataType | type[pl.DataType]] = {
        "int": pl.Int64,
        "key": pl.String,
        "numeric": pl.Float64,
        "categorical": pl.String,
        "boolean": pl.Boolean,
        "datetime": pl.Datetime("us", "UTC"),
    }
    missing = [n for n in columns if n not in frame.columns and n != may_lack]
    if missing:
        raise SchemaMismatchError(
            f"The rows to store lack {len(missing)} of {len(columns)} columns: "
            f"{', '.join(missing)}."
        )
    series = []
    for name, kind in columns.items():
        if name not in frame.columns:
            series.append(pl.Series(name, [None] * frame.height, dtype=wanted[kind]))
            continue
        column = frame.get_column(name)
        if column.dtype != wanted[kind]:
            cast = column.cast(wanted[kind], strict=False)
            lost = cast.null_count() - column.null_count()
            if lost:
                raise SchemaMismatchError(
                    f"Column {name} is {kind}, but {lost} of {frame.height} rows to store hold "
                    f"something else (found the type {column.dtype})."
                )
            column = cast
        series.append(column)
    return pl.DataFrame(series)
