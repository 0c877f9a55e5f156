"""A summary: counts of one batch's rows on a grid, per cell of event time; bytes and back.

No value of a row is in it: counts, whole-number moments, and row ordinals of a small sample.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from iris_ct.core.canonical import canonical_json
from iris_ct.core.drift.binning import Ints
from iris_ct.core.drift.grid import Grid, Role
from iris_ct.core.errors import IntegrityError
from iris_ct.core.specification import FeatureKind

Counts = npt.NDArray[np.unsignedinteger[Any]]

_MAGIC = b"CTDS\x01\x00\x00\x00"
# magic, layout bytes, cells, bytes a count, counts kept (-1: all of them), sample rows, seed,
# cell length
_HEADER = struct.Struct("<8sqqqqqqq")
_COUNT_TYPES: tuple[type[np.unsignedinteger[Any]], ...] = (
    np.uint8,
    np.uint16,
    np.uint32,
    np.uint64,
)


@dataclass(frozen=True)
class Column:
    """What a reader of counts must know of one counted column: no edge and no category name.

    Attributes
    ----------
    first, n_codes : int
        Its counts are ``counts[:, first : first + n_codes]``; the last one is what is missing,
        the `N_OTHER` ones before it are unknown names in a categorical column.
    number : int
        Place among the columns with moments, or -1.
    centre, unit : float
        See `FeatureGrid`.
    """

    name: str
    role: Role
    kind: FeatureKind
    first: int
    n_codes: int
    number: int
    centre: float
    unit: float

    @property
    def counts(self) -> slice:
        """Where its counts are, missing ones included."""
        return slice(self.first, self.first + self.n_codes)


@dataclass(frozen=True)
class Layout:
    """How the counts of a grid lie side by side; equal layouts can be merged and compared."""

    grid_digest: str
    columns: tuple[Column, ...]

    @property
    def n_codes(self) -> int:
        """Counts in one cell of event time."""
        return sum(column.n_codes for column in self.columns)

    @property
    def n_numbers(self) -> int:
        """Columns with moments."""
        return sum(column.number >= 0 for column in self.columns)

    def to_bytes(self) -> bytes:
        """Write the layout as canonical JSON, padded with blanks to a multiple of 8."""
        content = {
            "grid": self.grid_digest,
            "columns": [
                [c.name, c.role, c.kind, c.n_codes, c.centre, c.unit] for c in self.columns
            ],
        }
        text = canonical_json(content).encode()
        return text + b" " * (-len(text) % 8)


def layout_of(grid: Grid) -> Layout:
    """Lay the columns of a grid side by side."""
    return _layout(
        grid.digest, [(c.name, c.role, c.kind, c.n_codes, c.centre, c.unit) for c in grid.columns]
    )


def _layout(grid_digest: str, described: list[tuple[Any, ...]]) -> Layout:
    columns, first, number = [], 0, 0
    for name, role, kind, n_codes, centre, unit in described:
        is_number = kind in ("numeric", "datetime")
        place = number if is_number else -1
        columns.append(Column(name, role, kind, first, n_codes, place, centre, unit))
        first, number = first + n_codes, number + is_number
    return Layout(grid_digest, tuple(columns))


# Summaries of one model share their layout, so a check parses it once and not once a batch.
@lru_cache(maxsize=64)
def _layout_from_bytes(content: bytes) -> tuple[Layout, int, int]:
    said = json.loads(content)
    layout = _layout(said["grid"], said["columns"])
    return layout, layout.n_codes, layout.n_numbers


@dataclass(frozen=True)
class Moments:
    """Mean and spread of the values of one numeric column.

    Attributes
    ----------
    n : int
        Values that were not missing.
    mean, deviation : float
        NaN without values, or with fewer than two (n - 1 in the denominator). Each value is
        rounded to a step of the grid, 1/2048 of the feature's span or less, and counts as
        `MOMENT_LIMIT` steps from the centre, 16 spans or more, if it lies farther out.
    """

    n: int
    mean: float
    deviation: float


@dataclass(frozen=True, eq=False)
class Summary:
    """Counts of rows on a grid, per cell of event time. Immutable; its arrays are read-only.

    Attributes
    ----------
    layout : Layout
    cell_length : int
        Event positions (microseconds, or rows) in one cell, after coarsening.
    first, last : ndarray of shape (n_cells,)
        Event positions of the first and the last row of each cell, rising.
    n_rows : ndarray of shape (n_cells,)
    counts : ndarray of shape (n_cells, layout.n_codes)
        Rows by cell and code, in the smallest unsigned type that holds them.
    sums, squares : ndarray of shape (n_cells, layout.n_numbers)
        Sums of whole steps from the centre, and of their squares: exact, so that they merge by
        addition in any grouping.
    sample_rows, sample_cells : ndarray of shape (n_sample,)
        ``_row`` ordinals drawn without regard to content, in the order of their draw, and the
        cell each lies in.
    seed : int
        Of the draw.
    """

    layout: Layout
    cell_length: int
    first: Ints
    last: Ints
    n_rows: Ints
    counts: Counts
    sums: Ints
    squares: Ints
    sample_rows: Ints
    sample_cells: Ints
    seed: int

    @property
    def n_cells(self) -> int:
        """Cells that hold a row."""
        return len(self.n_rows)

    @property
    def total_rows(self) -> int:
        """Rows in all cells."""
        return int(self.n_rows.sum())

    @cached_property
    def totals(self) -> Ints:
        """Counts over all cells, of shape (layout.n_codes,)."""
        return add_cells(self.counts)

    def moments(self, name: str) -> Moments:
        """Give mean and spread of a numeric column over all cells; KeyError for any other."""
        column = next((c for c in self.layout.columns if c.name == name and c.number >= 0), None)
        if column is None:
            raise KeyError(name)
        counts = self.totals[column.counts]
        n = int(counts[:-1].sum())
        if n == 0:
            return Moments(0, math.nan, math.nan)
        # Whole numbers of any size: no digit is lost before the one division.
        total = int(self.sums[:, column.number].sum())
        squares = sum(map(int, self.squares[:, column.number]))
        mean = column.centre + column.unit * (total / n)
        if n == 1:
            return Moments(1, mean, math.nan)
        variance = (squares * n - total * total) / (n * (n - 1))
        return Moments(n, mean, column.unit * math.sqrt(variance))

    def to_bytes(self) -> bytes:
        """Write the summary: header, layout, then little-endian arrays on 8-byte borders.

        Counts are written whole, or as places and counts where most are zero, whichever is
        shorter. Equal summaries have equal bytes.
        """
        counts = self.counts
        kept = np.flatnonzero(counts)
        size = counts.dtype.itemsize
        sparse = len(kept) * (4 + size) < counts.size * size
        layout = self.layout.to_bytes()
        header = _HEADER.pack(
            _MAGIC,
            len(layout),
            self.n_cells,
            size,
            len(kept) if sparse else -1,
            len(self.sample_rows),
            self.seed,
            self.cell_length,
        )
        arrays: list[npt.NDArray[Any]] = [
            self.first,
            self.last,
            self.n_rows,
            self.sums,
            self.squares,
            self.sample_rows,
            self.sample_cells,
        ]
        if sparse:
            arrays += [kept.astype("<u4"), counts.reshape(-1)[kept]]
        else:
            arrays.append(counts)
        return b"".join([header, layout, *map(_padded, arrays)])


def _padded(array: npt.NDArray[Any]) -> bytes:
    content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return content + b"\0" * (_padded_size(len(content)) - len(content))


def _padded_size(n_bytes: int) -> int:
    return n_bytes + -n_bytes % 8


def smallest_counts(counts: npt.NDArray[np.integer[Any]]) -> Counts:
    """Keep counts in the smallest unsigned type that holds the largest of them."""
    largest = int(counts.max(initial=0))
    smallest = next(t for t in _COUNT_TYPES if largest <= np.iinfo(t).max)
    return counts.astype(smallest)


def add_cells(counts: Counts) -> Ints:
    """Add the counts of all cells; 32-bit sums, three times as fast, where they are enough."""
    if len(counts) == 1:
        only: Ints = counts[0].astype(np.int64)
        return only
    narrow = counts.dtype.itemsize <= 2 and len(counts) <= 1 << 15
    totals: Ints = counts.sum(axis=0, dtype=np.uint32 if narrow else np.int64).astype(np.int64)
    return totals


def summary_from_bytes(content: bytes) -> Summary:
    """Read a summary back, without copying its arrays.

    Raises
    ------
    IntegrityError
        If the bytes are no summary, or not all of it.
    """
    try:
        return _read(content)
    except (ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise IntegrityError(
            f"Stored drift summary of {len(content)} bytes is damaged: expected a header, a "
            "layout and arrays of the lengths it names. Restore the store from its backup."
        ) from error


def _read(content: bytes) -> Summary:
    magic, n_layout, n_cells, size, n_kept, n_sample, seed, cell_length = _HEADER.unpack_from(
        content
    )
    if magic != _MAGIC or min(n_layout, n_cells, n_sample) < 0:
        raise ValueError("not a summary")
    at = _HEADER.size + n_layout
    layout, n_codes, n_numbers = _layout_from_bytes(content[_HEADER.size : at])
    # One run of 8-byte numbers, cut into its parts.
    lengths = (n_cells,) * 3 + (n_cells * n_numbers,) * 2 + (n_sample,) * 2
    numbers = np.frombuffer(content, "<i8", sum(lengths), at)
    at += numbers.nbytes
    parts, begin = [], 0
    for length in lengths:
        parts.append(numbers[begin : begin + length])
        begin += length
    first, last, n_rows, sums, squares, sample_rows, sample_cells = parts
    shape = (n_cells, n_codes)
    kind = f"<u{size}"
    if n_kept < 0:
        counts = np.frombuffer(content, kind, n_cells * n_codes, at).reshape(shape)
        at += _padded_size(counts.nbytes)
    else:
        kept = np.frombuffer(content, "<u4", n_kept, at)
        at += _padded_size(kept.nbytes)
        flat = np.zeros(n_cells * n_codes, dtype=kind)
        flat[kept] = np.frombuffer(content, kind, n_kept, at)
        at += _padded_size(n_kept * size)
        counts = flat.reshape(shape)
    if at != len(content):
        raise ValueError("cut off or too long")
    return Summary(
        layout,
        cell_length,
        first,
        last,
        n_rows,
        counts,
        sums.reshape(n_cells, n_numbers),
        squares.reshape(n_cells, n_numbers),
        sample_rows,
        sample_cells,
        seed,
    )
