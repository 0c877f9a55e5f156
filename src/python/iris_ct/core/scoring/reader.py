"""Reading rows quickly: cells in, the matrix that the model sees out.

One row goes through readers that were made for its columns beforehand; many rows go column by
column, numbers at once. Anything unusual raises `UnsureError` for the whole request, which then
goes the careful way (`checked`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.scoring.cells import (
    NAN,
    Numbers,
    UnsureError,
    category_codes,
    key_reader,
    reader_of,
)
from iris_ct.core.scoring.signature import Column, Signature

Matrix = NDArray[np.float64]
Cells = Sequence[Any] | NDArray[Any]

_NUMBERS = frozenset({int, float, bool, type(None)})
_LIKE_NUMBERS = (int, float, bool, type(None), np.number, np.bool_)


class RowReader:
    """Reads single rows of one model; immutable, usable from any thread."""

    def __init__(self, signature: Signature) -> None:
        self.names = signature.names
        self._readers = [reader_of(c, signature.time_zone) for c in signature.columns]
        self._is_plain = all(c.kind == "numeric" for c in signature.columns)
        self._limits = tuple(
            (place, *_limits(column))
            for place, column in enumerate(signature.columns)
            if column.minimum is not None or column.maximum is not None
        )
        self._features: Callable[[Mapping[str, Any]], tuple[Any, ...]] = (
            itemgetter(*self.names)
            if len(self.names) > 1
            else lambda values: (values[self.names[0]],)
        )

    def read_named(self, values: Mapping[str, Any], fill: Callable[..., None]) -> None:
        """Fill in a row whose cells are named; features that are not named are missing."""
        try:
            cells = self._features(values)
        except KeyError:
            cells = tuple([values.get(name) for name in self.names])
        self.read(cells, fill)

    def read(self, cells: Sequence[Any], fill: Callable[..., None]) -> None:
        """Fill in a row.

        Parameters
        ----------
        cells : sequence
            One for each feature, in their order.
        fill : callable
            `RowPredictor.fill`.

        Raises
        ------
        UnsureError
            If the row is for the careful way.
        """
        if self._is_plain:
            try:
                # Takes numbers alone, as many as there are columns, all of them in one call.
                fill(*cells)
                total = sum(cells)
            except (struct.error, TypeError, OverflowError):
                pass
            else:
                # A sum finds NaN and the infinities; it may overflow without being wrong.
                if total - total == 0.0 and (not self._limits or self._are_within(cells)):
                    return
        if len(cells) != len(self._readers):
            raise UnsureError
        numbers: list[float] = []
        for read, cell in zip(self._readers, cells, strict=True):
            numbers += read(cell)
        fill(*numbers)

    def _are_within(self, cells: Sequence[Any]) -> bool:
        return all(low <= cells[place] <= high for place, low, high in self._limits)


class BatchReader:
    """Reads many rows of one model; immutable, usable from any thread."""

    def __init__(self, signature: Signature) -> None:
        self._columns = signature.columns
        self._width = len(signature.matrix_columns)
        self._readers = [reader_of(c, signature.time_zone) for c in signature.columns]
        self._codes = [category_codes(column) for column in signature.columns]
        self._is_plain = all(column.kind == "numeric" for column in signature.columns)

    def read_rows(self, rows: Sequence[Sequence[Any]]) -> Matrix:
        """Read rows whose cells are the features in their order.

        Raises
        ------
        UnsureError
            If a row is for the careful way.
        """
        if self._is_plain and (matrix := _numbers(rows)) is not None:
            return self.read_matrix(matrix)
        try:
            columns = list(zip(*rows, strict=True))
        except (TypeError, ValueError):
            raise UnsureError from None
        if len(columns) != len(self._columns):
            raise UnsureError
        return self.read_columns(columns, len(rows))

    def read_matrix(self, matrix: NDArray[Any]) -> Matrix:
        """Read an array of numbers, of shape (n, n_features), the features in their order."""
        if matrix.ndim != 2 or matrix.shape[1] != len(self._columns):
            raise UnsureError
        if not self._is_plain:
            return self.read_columns(list(matrix.T), len(matrix))
        numbers = np.asarray(matrix, dtype=np.float64)
        if np.isinf(numbers).any():
            raise UnsureError
        for column, cells in zip(self._columns, numbers.T, strict=True):
            _check(column, cells)
        return numbers

    def read_columns(self, columns: Sequence[Cells | None], n_rows: int) -> Matrix:
        """Read the columns of the features in their order; None: missing in every row."""
        matrix = np.empty((n_rows, self._width), dtype=np.float64)
        place = 0
        for number, (column, cells) in enumerate(zip(self._columns, columns, strict=True)):
            width = len(column.parts) or 1
            if cells is None:
                cells = [None] * n_rows
            if len(cells) != n_rows:
                raise UnsureError
            matrix[:, place : place + width] = self._column(number, cells)
            place += width
        return matrix

    def _column(self, number: int, cells: Cells) -> Matrix:
        column, read = self._columns[number], self._readers[number]
        if isinstance(cells, np.ndarray):
            if cells.ndim != 1:
                raise UnsureError
            if column.kind == "numeric" and cells.dtype.kind in "fiub":
                return _checked(column, cells.astype(np.float64))[:, None]
            if column.kind != "datetime" and cells.dtype.kind in "fiub":
                return _of_distinct(read, cells)
            cells = list(cells.tolist())
        if column.kind == "numeric":
            # Others than numbers would be read by other rules than ours.
            if _NUMBERS.issuperset(map(type, cells)):
                try:
                    return _checked(column, np.array(cells, dtype=np.float64))[:, None]
                except OverflowError:
                    raise UnsureError from None
        elif column.kind == "categorical":
            return _coded(self._codes[number], read, cells)
        numbers = np.array([read(cell) for cell in cells], dtype=np.float64)
        return numbers.reshape(len(cells), len(column.parts) or 1)


class KeyReader:
    r"""Spells the keys of rows as the store does; several columns joined by ``|``."""

    def __init__(self, signature: Signature) -> None:
        self.columns = signature.key
        times = {c.name for c in signature.columns if c.kind == "datetime"}
        times.add(signature.event_time or "")
        self._readers = [
            key_reader(is_time=name in times, time_zone=signature.time_zone)
            for name in signature.key
        ]
        self._features = frozenset(signature.names)

    def is_given(self, names: Collection[str]) -> bool:
        """Tell whether rows with these names have keys.

        A key column that is no feature says so; features alone only if they are the whole key.
        """
        if not self.columns:
            return False
        return all(name in names for name in self.columns) or any(
            name in names and name not in self._features for name in self.columns
        )

    def read(self, cells: Sequence[Any]) -> str:
        """Read the key of one row from the cells of the key columns."""
        parts = [read(cell) for read, cell in zip(self._readers, cells, strict=True)]
        if len(parts) == 1:
            return parts[0]
        return "|".join([part.replace("\\", "\\\\").replace("|", "\\|") for part in parts])


def _numbers(rows: Sequence[Sequence[Any]]) -> NDArray[Any] | None:
    """Give rows as an array, if they are numbers and nothing else."""
    try:
        kinds: set[type] = set()
        for row in rows:
            kinds.update(map(type, row))
        # Of texts among them an array would have as many places of the longest one's width.
        if not all(issubclass(kind, _LIKE_NUMBERS) for kind in kinds):
            return None
        found = np.array(rows)
        if found.dtype.kind in "fiub":
            return found
        return np.array(rows, dtype=np.float64) if kinds <= _NUMBERS else None
    except (ValueError, TypeError, OverflowError):
        return None


def _limits(column: Column) -> tuple[float, float]:
    low = -math.inf if column.minimum is None else column.minimum
    return low, math.inf if column.maximum is None else column.maximum


def _checked(column: Column, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.isinf(cells).any():
        raise UnsureError
    _check(column, cells)
    return cells


def _check(column: Column, cells: NDArray[np.float64]) -> None:
    """Hold finite numbers and NaN against what the column allows."""
    if not column.nullable and np.isnan(cells).any():
        raise UnsureError
    if column.minimum is not None and (cells < column.minimum).any():
        raise UnsureError
    if column.maximum is not None and (cells > column.maximum).any():
        raise UnsureError


def _of_distinct(read: Numbers, cells: NDArray[Any]) -> Matrix:
    """Read an array in which few numbers occur often."""
    found, places = np.unique(cells, return_inverse=True)
    numbers = np.array([read(cell) for cell in found.tolist()], dtype=np.float64)
    return numbers.reshape(len(found), 1)[places]


def _coded(codes: Mapping[str, float], read: Numbers, cells: Cells) -> Matrix:
    """Look categories up; what is not found so goes through the reader."""
    try:
        found = [codes.get(cell) for cell in cells]
    except TypeError:
        raise UnsureError from None
    numbers = [
        read(cell)[0] if code is None else code for code, cell in zip(found, cells, strict=True)
    ]
    return np.array(numbers, dtype=np.float64)[:, None]


__all__ = ["NAN", "BatchReader", "Cells", "KeyReader", "RowReader", "UnsureError"]
