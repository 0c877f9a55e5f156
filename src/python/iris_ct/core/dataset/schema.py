"""Columns of a file against the columns of a specification."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from iris_ct.core.dataset.batch import KEY, POSITION, ROW
from iris_ct.core.errors import SchemaMismatchError
from iris_ct.core.specification import Specification

COLUMNS_OF_THE_PRODUCT = (ROW, POSITION, KEY, "_place", "_reasons", "_ragged")
"""Columns that a file may hold without being asked, such as an export of the quarantine."""

Fits = Callable[[pl.DataType], bool]


def target_type(specification: Specification) -> pl.DataType:
    """Give the stored type of the target: a number, or the class as text."""
    return pl.Float64() if specification.task == "regression" else pl.String()


def check_columns(
    schema: Mapping[str, pl.DataType],
    specification: Specification,
    *,
    required: Sequence[str],
    fits: Mapping[str, Fits],
    source: str,
) -> None:
    """Check that a file has the columns it needs, of types that can be read.

    Parameters
    ----------
    schema : mapping
        Column names and types of the file; text for CSV.
    required : sequence of str
        Columns that must be there.
    fits : mapping
        For each column, what tells whether a type can be read as declared.
    source : str
        Name of the file, for the message.

    Raises
    ------
    SchemaMismatchError
        With all missing and all unfit columns.
    """
    name = specification.name
    missing = [column for column in required if column not in schema]
    unfit = [
        f"{column} ({schema[column]})"
        for column, fit in fits.items()
        if column in schema and not fit(schema[column])
    ]
    if not missing and not unfit:
        return
    said = []
    if missing:
        said.append(
            f'{source} lacks {len(missing)} of {len(required)} columns of model "{name}": '
            f"{', '.join(missing)}.{_resembling(missing, list(schema))}"
        )
    if unfit:
        said.append(f"{source} holds types that cannot be read as declared: {', '.join(unfit)}.")
    raise SchemaMismatchError(
        "\n".join(said) + f"\nExpected the columns of models/{name}.toml. Fix the export, or "
        f"declare the columns it has in models/{name}.toml."
    )


def _resembling(missing: Sequence[str], found: Sequence[str]) -> str:
    """Name columns that were perhaps meant."""
    folded = {column.casefold(): column for column in found}
    pairs = []
    for column in missing:
        if close := difflib.get_close_matches(column.casefold(), list(folded), n=1, cutoff=0.8):
            pairs.append(f"{folded[close[0]]} for {column}")
    return f" The file has {', '.join(pairs)}." if pairs else ""
