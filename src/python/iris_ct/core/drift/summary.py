"""Rows become counts once, at arrival; `merge` adds the counts of batches up to windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from iris_ct.core.dataset.batch import POSITION, ROW
from iris_ct.core.drift.binning import Codes, Floats, Ints
from iris_ct.core.drift.cells import (
    Column,
    Moments,
    Summary,
    layout_of,
    smallest_counts,
    summary_from_bytes,
)
from iris_ct.core.drift.grid import MOMENT_LIMIT, FeatureGrid, Grid, as_floats
from iris_ct.core.drift.merge import merge_summaries
from iris_ct.core.drift.sample import Draw
from iris_ct.core.errors import SchemaMismatchError

__all__ = [
    "Moments",
    "Summary",
    "SummaryBuilder",
    "merge_summaries",
    "summary_from_bytes",
]

MAX_CELLS = 512
"""Cells of one batch at most: above, all cells double their length until there are fewer."""
MIN_CELL_ROWS = 32
"""Mean rows of a cell below which cells double their length, at most `MAX_SPARSE_DOUBLINGS`."""
MAX_SPARSE_DOUBLINGS = 3
# Blocks of this many rows stay in a core's cache with all their intermediate arrays.
_BLOCK_ROWS = 32_768
_INT64 = np.iinfo(np.int64)

Integer = TypeVar("Integer", bound=np.integer[Any])


@dataclass(frozen=True)
class _Block:
    """Rows in the order of their cells: where runs of one cell begin, and that cell's slot."""

    begins: Codes
    slots: Codes
    lengths: Codes
    runs: Codes

    @staticmethod
    def of(cell: Ints, cells: Ints) -> _Block:
        begins = run_starts(cell)
        lengths = np.diff(np.append(begins, len(cell)))
        runs = np.repeat(np.arange(len(begins)), lengths)
        return _Block(begins, np.searchsorted(cells, cell[begins]), lengths, runs)


def run_starts(values: Ints) -> Codes:
    """Give where runs of equal values begin; nothing for no values."""
    return np.flatnonzero(np.append(len(values) > 0, values[1:] != values[:-1]))


class SummaryBuilder:
    """Counts the rows of one batch, chunk by chunk, in bounded memory.

    The result depends on the set of rows alone: not on their order, nor on the chunks. Owned by
    the writer of one batch; one thread at a time.

    Parameters
    ----------
    grid : Grid
        Where to count.
    cell_length : int
        Event positions in one cell: `span_length` of the specification's cell.
    seed : int
        Of the sample's draw.

    Notes
    -----
    Cells lie at multiples of their length. Two rules make them coarser, both by doubling the
    length of all of them: more than `MAX_CELLS` cells, as often as it takes; fewer than
    `MIN_CELL_ROWS` rows in a mean cell, at most `MAX_SPARSE_DOUBLINGS` times.
    """

    def __init__(self, grid: Grid, *, cell_length: int, seed: int) -> None:
        if cell_length < 1:
            raise ValueError(f"cell_length is {cell_length}; expected one event position or more")
        self._grid = grid
        self._layout = layout_of(grid)
        self._n_codes = self._layout.n_codes
        self._cell_length = cell_length
        self._seed = seed
        self._cells = np.empty(0, dtype=np.int64)
        self._first, self._last, self._n_rows = (np.empty(0, dtype=np.int64) for _ in range(3))
        # 32 bits: half the memory of a batch being counted, and enough for any cell of it.
        self._counts = np.empty((0, self._n_codes), dtype=np.uint32)
        self._sums, self._squares = (
            np.empty((0, self._layout.n_numbers), dtype=np.int64) for _ in range(2)
        )
        self._drawn = Draw.empty()

    def add(self, frame: pl.DataFrame) -> None:
        """Count rows.

        Parameters
        ----------
        frame : DataFrame of shape (n, any)
            ``_row``, ``_position``, every declared feature, and the target if there is one;
            other columns are ignored.

        Raises
        ------
        SchemaMismatchError
            If one of these is no column.
        """
        self._check(frame)
        if frame.height == 0:
            return
        names = [c.name for c in self._grid.columns if c.name in frame.columns]
        frame = frame.select(ROW, POSITION, *names)
        position = frame[POSITION].cast(pl.Int64).to_numpy()
        if np.any(position[1:] // self._cell_length < position[:-1] // self._cell_length):
            frame = frame.sort(POSITION)
            position = frame[POSITION].cast(pl.Int64).to_numpy()
        cell = self._make_room(position)
        self._drawn = self._drawn.with_rows(
            frame[ROW].cast(pl.Int64).to_numpy(), position, self._seed
        )
        for start in range(0, frame.height, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            self._count(frame[block], cell[block], position[block])

    def build(self) -> Summary:
        """Give the summary of all rows added, once they all are; without rows it has no cells."""
        self._coarsen_sparse()
        rows, cells = self._drawn.rows, self._drawn.positions // self._cell_length
        return Summary(
            layout=self._layout,
            cell_length=self._cell_length,
            first=self._first.copy(),
            last=self._last.copy(),
            n_rows=self._n_rows.copy(),
            counts=smallest_counts(self._counts),
            sums=self._sums.copy(),
            squares=self._squares.copy(),
            sample_rows=rows,
            sample_cells=np.searchsorted(self._cells, cells).astype(np.int64),
            seed=self._seed,
        )

    def _check(self, frame: pl.DataFrame) -> None:
        wanted = [ROW, POSITION, *(c.name for c in self._grid.columns if c.role == "feature")]
        if missing := [name for name in wanted if name not in frame.columns]:
            raise SchemaMismatchError(
                f"Cannot count rows for drift: {len(missing)} of {len(wanted)} columns are "
                f"missing: {', '.join(missing)}. Expected the columns that the grid was learnt on."
            )

    def _make_room(self, position: Ints) -> Ints:
        """Give each row's cell; add new cells, doubling their length while there are too many."""
        while True:
            cell = position // self._cell_length
            cells = np.union1d(self._cells, cell[run_starts(cell)])
            if len(cells) <= MAX_CELLS:
                break
            self._double()
        if len(cells) > len(self._cells):
            self._regroup(cells, np.searchsorted(cells, self._cells))
        return cell

    def _coarsen_sparse(self) -> None:
        for _ in range(MAX_SPARSE_DOUBLINGS):
            if len(self._cells) < 2 or self._n_rows.sum() >= MIN_CELL_ROWS * len(self._cells):
                return
            self._double()

    def _double(self) -> None:
        cells, into = np.unique(self._cells // 2, return_inverse=True)
        self._cell_length *= 2
        self._regroup(cells, into)

    def _regroup(self, cells: Ints, into: Codes) -> None:
        """Move what was counted in the old cells to places ``into``, rising, among the new ones."""
        begins = run_starts(into)
        slots, n = into[begins], len(cells)

        def move(join: np.ufunc, values: npt.NDArray[Integer], empty: int) -> npt.NDArray[Integer]:
            moved = np.zeros((n, *values.shape[1:]), dtype=values.dtype)
            if empty:
                moved[:] = empty
            if len(slots) == len(values):
                moved[slots] = values
            else:
                moved[slots] = join.reduceat(values, begins, axis=0)
            return moved

        self._cells = cells
        self._first = move(np.minimum, self._first, _INT64.max)
        self._last = move(np.maximum, self._last, _INT64.min)
        self._n_rows = move(np.add, self._n_rows, 0)
        self._counts = move(np.add, self._counts, 0)
        self._sums = move(np.add, self._sums, 0)
        self._squares = move(np.add, self._squares, 0)

    def _count(self, frame: pl.DataFrame, cell: Ints, position: Ints) -> None:
        block = _Block.of(cell, self._cells)
        at = block.slots
        self._n_rows[at] += block.lengths
        self._first[at] = np.minimum(self._first[at], np.minimum.reduceat(position, block.begins))
        self._last[at] = np.maximum(self._last[at], np.maximum.reduceat(position, block.begins))
        for grid, column in zip(self._grid.columns, self._layout.columns, strict=True):
            if column.name in frame.columns:
                codes = self._codes(frame[column.name], grid, column, block)
            else:  # a target that is not known yet
                codes = np.full(len(cell), column.n_codes - 1)
            if len(at) > 1:
                codes += block.runs * column.n_codes
            found = np.bincount(codes, minlength=len(at) * column.n_codes)
            self._counts[at, column.counts] += found.reshape(-1, column.n_codes).astype(np.uint32)

    def _codes(self, values: pl.Series, grid: FeatureGrid, column: Column, block: _Block) -> Codes:
        """Give a new array of codes, and add up the moments of a number on the way."""
        if grid.kind == "boolean":
            codes = values.cast(pl.Boolean).cast(pl.UInt8).fill_null(2).to_numpy()
            return codes.astype(np.intp)
        if grid.kind == "categorical":
            return grid.name_codes.codes(values)
        steps = grid.steps(as_floats(values))
        codes = grid.number_codes(steps)
        self._add_moments(steps, column, block)
        return codes

    def _add_moments(self, steps: Floats, column: Column, block: _Block) -> None:
        """Add whole steps and their squares: 2**15 squares of at most 2**32 stay exact."""
        np.clip(steps, -MOMENT_LIMIT, MOMENT_LIMIT, out=steps)
        np.rint(steps, out=steps)
        if np.isnan(steps.sum()):
            np.copyto(steps, 0.0, where=np.isnan(steps))
        at = block.slots, column.number
        self._sums[at] += np.add.reduceat(steps, block.begins).astype(np.int64)
        steps *= steps
        self._squares[at] += np.add.reduceat(steps, block.begins).astype(np.int64)
