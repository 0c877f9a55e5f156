"""Rows out of the forms in which JSON can hold them.

Names no protocol. Refusals name the row, the place in it and the reason, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.scoring.inputs import Inputs
from iris_ct.core.wire.json_text import Cell
from iris_ct.core.wire.refusal import WireError

# Whole numbers up to this are the same as float64; beyond it rows stay as they were sent.
_LARGEST_WHOLE = 2.0**53
# Cells of a table that nobody sent: of each one that was, and at all.
_MOST_SPARSE, _MOST_EMPTY = 16, 1 << 20
_CELLS = frozenset({int, float, str, bool, type(None)})


class Table(NamedTuple):
    """Rows and how they were written, so that the answer can be written alike.

    Attributes
    ----------
    shape : str
        ``object`` (one row by name), ``objects``, ``table`` (names and rows), ``rows``, ``row``,
        ``csv_row`` (one line of values), ``csv`` (with a line of names) or ``npy``.
    """

    inputs: Inputs
    n_rows: int
    shape: str


def from_rows(rows: Sequence[Sequence[Cell]], names: Sequence[str] | None, what: str) -> Inputs:
    """Take rows of cells as they are.

    Parameters
    ----------
    rows : sequence of n sequences of k cells
        At least one row.
    names : sequence of k str, or None
        Names of the cells; None or empty: the features in their declared order.
    what : str
        What holds the rows, such as ``data.ndarray``.

    Raises
    ------
    WireError
        400 if there is no row, if rows differ in length, or if names do not fit or repeat.
    """
    check_widths(rows, names, what)
    return Inputs(names=tuple(names) if names else None, rows=rows)


def from_numbers(
    rows: Sequence[Sequence[float | None]], names: Sequence[str] | None, what: str
) -> Inputs | None:
    """Take rows that hold nothing but numbers and null as one matrix.

    Returns
    -------
    Inputs or None
        None if float64 cannot hold one of the numbers exactly; the rows must be read as cells.
    """
    check_widths(rows, names, what)
    # None becomes NaN, which is missing.
    matrix = np.array(rows, dtype=np.float64)
    if not exact(matrix):
        return None
    return Inputs(names=tuple(names) if names else None, matrix=matrix)


def exact(matrix: NDArray[np.float64]) -> bool:
    """Tell whether every whole number in a matrix is sure to be the one that was written."""
    return not bool((np.abs(matrix) > _LARGEST_WHOLE).any())


def from_array(values: NDArray[Any], names: Sequence[str] | None) -> Inputs:
    """Take an array of shape (n, k); as rows of cells if float64 cannot hold its numbers."""
    named = tuple(names) if names else None
    matrix = values.astype(np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and not exact(matrix):
        return Inputs(names=named, rows=values.tolist())
    return Inputs(names=named, matrix=matrix)


def check_widths(rows: Sequence[Sequence[Any]], names: Sequence[str] | None, what: str) -> None:
    """Refuse no rows, rows of different lengths, and names that do not fit them.

    Raises
    ------
    WireError
        400, with the first row that does not fit.
    """
    if not rows:
        raise WireError(400, f"{what} holds no row. Send at least one.")
    if len(rows) == 1 and not names and rows[0]:
        return
    expected = len(names) if names else len(rows[0])
    widths = set(map(len, rows))
    if widths != {expected}:
        number, width = next(
            (i, len(row)) for i, row in enumerate(rows, 1) if len(row) != expected
        )
        reason = "as there are names" if names else "as row 1 has"
        raise WireError(
            400, f"Row {number} of {what} has {width} values, expected {expected}, {reason}."
        )
    if not expected:
        raise WireError(400, f"The rows of {what} hold no value. Send one for every feature.")
    if names:
        check_names(names, what)


def check_names_fit(width: int, names: Sequence[str] | None, what: str) -> None:
    """Refuse names of columns that are more or fewer than the columns, or that repeat.

    Raises
    ------
    WireError
        400; no names at all are fine.
    """
    if not names:
        return
    if len(names) != width:
        raise WireError(
            400, f"{what} has {width} columns and {len(names)} names; expected as many."
        )
    check_names(names, what)


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse a name that is given twice, told by its places.

    Raises
    ------
    WireError
        400.
    """
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name in first:
            raise WireError(
                400,
                f"Names {first[name]} and {place} of {what} are the same. "
                "Every column has one name of its own.",
            )
        first[name] = place


def from_json(value: Any, what: str) -> Table:
    """Take rows out of a JSON value of any of the forms that are read.

    Parameters
    ----------
    value : Any
        An object (one row by name), a list of objects, an object of ``names`` and ``ndarray``,
        a list of lists (rows), or a list of cells (one row).
    what : str
        What holds the value, such as ``jsonData``.

    Raises
    ------
    WireError
        400 for any other form, and as `from_rows`.
    """
    if isinstance(value, dict):
        if "ndarray" in value and set(value) <= {"names", "ndarray"}:
            return _named_rows(value, what)
        check_cells([list(value.values())], what)
        return Table(from_rows([list(value.values())], tuple(value), what), 1, "object")
    if not isinstance(value, list) or not value:
        raise WireError(
            400, f"{what} holds no row. Expected an object, a list of objects or a list of rows."
        )
    if isinstance(value[0], dict):
        return from_records(value, what)
    if isinstance(value[0], list):
        check_rows(value, what)
        return Table(from_rows(value, None, what), len(value), "rows")
    check_cells([value], what)
    return Table(from_rows([value], None, what), 1, "row")


def _named_rows(value: Mapping[str, Any], what: str) -> Table:
    names, rows = value.get("names"), value["ndarray"]
    if names is not None and not _is_texts(names):
        raise WireError(400, f"names of {what} must be a list of texts.")
    if not isinstance(rows, list):
        raise WireError(400, f"ndarray of {what} must be a list of rows.")
    if rows and not isinstance(rows[0], list):
        rows = [rows]
    check_rows(rows, what)
    return Table(from_rows(rows, names, what), len(rows), "table")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def from_records(records: Sequence[Any], what: str) -> Table:
    """Take a list of objects, one a row; a name that an object lacks is missing in its row.

    Raises
    ------
    WireError
        400 if there is none, or one is no object or holds more than cells.
    """
    if not records:
        raise WireError(400, f"{what} holds no row. Send at least one.")
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise WireError(
                400,
                f"Row {number} of {what} is {kind_of(record)}, expected an object like row 1.",
            )
    names, rows = _rows_by_name(records)
    check_cells(rows, what)
    return Table(from_rows(rows, names, what), len(rows), "objects")


def _rows_by_name(
    records: Sequence[dict[str, Any]],
) -> tuple[tuple[str, ...], Sequence[Sequence[Any]]]:
    names = tuple(records[0])
    keys = records[0].keys()
    if len(names) > 1 and all(record.keys() == keys for record in records):
        return names, list(map(itemgetter(*names), records))
    # In the order in which they first occur, as a table of the records would have them.
    names = tuple(dict.fromkeys(name for record in records for name in record))
    _check_filled(len(records) * len(names), sum(map(len, records)))
    return names, [[record.get(name) for name in names] for record in records]


def _check_filled(n_cells: int, n_said: int) -> None:
    """Refuse objects that have hardly a name in common: their table would fill the memory."""
    if n_cells > _MOST_EMPTY + _MOST_SPARSE * n_said:
        raise WireError(
            400,
            f"The objects name so many different columns that a table of them has {n_cells} "
            f"cells, of which {n_said} were sent. Send rows that name the same columns.",
        )


def check_rows(rows: list[Any], what: str) -> list[list[Cell]]:
    """Refuse anything but lists of cells; give them as they are.

    Raises
    ------
    WireError
        400, with the first row or cell that is not one.
    """
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list):
            raise WireError(400, f"Row {number} of {what} is {kind_of(row)}, expected a list.")
    check_cells(rows, what)
    return rows


def check_cells(rows: Sequence[Sequence[Any]], what: str) -> None:
    """Refuse lists and objects where a number, a text, true, false or null belongs.

    Raises
    ------
    WireError
        400, with the first such place.
    """
    if _CELLS.issuperset(map(type, chain.from_iterable(rows))):
        return
    for number, row in enumerate(rows, 1):
        for place, cell in enumerate(row, 1):
            if type(cell) not in _CELLS:
                raise WireError(
                    400,
                    f"Value {place} of row {number} of {what} is {kind_of(cell)}, "
                    "expected a number, a text, true, false or null.",
                )


def kind_of(value: Any) -> str:
    """Name the kind of a JSON value, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"
