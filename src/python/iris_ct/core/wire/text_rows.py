"""Rows out of text and bytes that travel inside a message: JSON, CSV and NPY."""

from __future__ import annotations

import ast
import csv
import io
import operator
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.wire.json_text import decode_json
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.table import Table, from_array, from_json, from_rows

NPY_MAGIC = b"\x93NUMPY"
# numpy.save writes some hundred; more is no header of numbers.
_MAX_NPY_HEADER = 10_000
_ANY = msgspec.json.Decoder(Any)


def from_csv(text: str, what: str, *, has_names: bool) -> Table:
    """Take the lines of a CSV text; an empty cell is missing, a first column without name is left out.

    Parameters
    ----------
    text : str
        Comma separated, quoted where needed, one row a line.
    what : str
        What holds the text, such as ``strData``.
    has_names : bool
        Whether the first line names the columns.

    Raises
    ------
    WireError
        400 if there is no row, and as `from_rows`.
    """
    lines = _csv_lines(text, what)
    names = lines.pop(0) if has_names and lines else None
    # What pandas writes without being asked: the number of each row, under no name.
    if names and names[0] == "" and len(names) > 1:
        names = names[1:]
        lines = [line[1:] for line in lines]
    rows: list[list[str | None]] = [[cell or None for cell in line] for line in lines]
    if names is not None and not rows:
        raise WireError(400, f"{what} has a line of names and no row. Send at least one.")
    inputs = from_rows(rows, names, what)
    return Table(inputs, len(rows), "csv" if has_names else "csv_row")


def _csv_lines(text: str, what: str) -> list[list[str]]:
    try:
        return list(_full_lines(text))
    except csv.Error:
        raise WireError(
            400, f'{what} is no CSV: expected values between commas, quoted with ".'
        ) from None


def _full_lines(text: str) -> Iterator[list[str]]:
    # An empty line is no row, as for everyone who reads CSV.
    return (line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line)


def from_text(text: str, what: str) -> Table:
    """Take rows out of a text: JSON if it begins with a bracket, else CSV.

    One line of CSV is one row of values in the features' order; of two or more lines the first
    names the columns.

    Raises
    ------
    WireError
        400, as `from_json` and `from_csv`.
    """
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        return from_json(decode_json(_ANY, stripped.encode(), what), what)
    if not stripped:
        raise WireError(400, f"{what} is empty. Expected rows as JSON or CSV.")
    return from_csv(stripped, what, has_names="\n" in stripped)


def from_bytes(data: bytes, what: str) -> Table:
    """Take rows out of bytes: NPY if they begin as NPY does, else UTF-8 text as `from_text` has it.

    Parameters
    ----------
    data : bytes
        NPY: numbers or bools of shape (n, k), or (k,) for one row; no objects.

    Raises
    ------
    WireError
        400, as `from_text`, or if the bytes are damaged or hold anything but numbers.
    """
    if data.startswith(NPY_MAGIC):
        return _from_npy(data, what)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError(
            400, f"{what} is neither NPY nor UTF-8 text. Send NPY, JSON or CSV."
        ) from None
    return from_text(text, what)


def _from_npy(data: bytes, what: str) -> Table:
    array = _read_npy(data, what)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2) or not array.size:
        raise WireError(
            400,
            f"{what} is NPY with {array.ndim} dimensions and {array.size} values, expected "
            "numbers with 2 dimensions (rows and columns) or 1 (one row).",
        )
    values = np.atleast_2d(array)
    return Table(from_array(values, None), len(values), "npy")


def _read_npy(data: bytes, what: str) -> NDArray[Any]:
    """Read what numpy.save writes, without its way of making room for what is not there."""
    start = 10 if data[6:7] == b"\x01" else 12
    length = int.from_bytes(data[8:start], "little")
    header = data[start : start + min(length, _MAX_NPY_HEADER)]
    try:
        said = ast.literal_eval(header.decode("utf-8"))
        dtype, shape = np.dtype(said["descr"]), tuple(map(operator.index, said["shape"]))
        if dtype.hasobject or min(shape, default=1) < 0:
            raise ValueError  # noqa: TRY301 - told below like every other damage
        values = np.frombuffer(data, dtype, offset=start + length)
        return values.reshape(shape, order="F" if said["fortran_order"] else "C")
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError):
        raise WireError(
            400, f"{what} is damaged NPY, or NPY of objects. Send numbers saved by numpy.save."
        ) from None
