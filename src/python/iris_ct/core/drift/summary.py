"""Rows become counts once, at arrival; counts of many batches become one window by addition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from iris_ct.core.dataset.batch import POSITION, ROW
from iris_ct.core.drift.binning import Codes, Floats, Ints
from iris_ct.core.drift.cells import (
    Column,
    Layout,
    Moments,
    Summary,
    add_cells,
    layout_of,
    smallest_counts,
    summary_from_bytes,
)
from iris_ct.core.drift.grid import MOMENT_LIMIT, FeatureGrid, Grid, as_floats
from iris_ct.core.errors import IntegrityError, SchemaMismatchError

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
SAMPLE_ROWS = 256
"""Row ordinals that a summary keeps."""
# Blocks of this many rows stay in a core's cache with all their intermediate arrays.
_BLOCK_ROWS = 32_768


def draw_numbers(rows: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """Give each row ordinal its number in the draw: splitmix64 of ordinal and seed.

    The rows with the smallest numbers are the sample, whatever the order they come in.
    Source: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
    """
    start = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = rows.astype(np.uint64) + np.uint64(start)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


@dataclass
class _Block:
    """Rows in the order of their cells: which cell of the builder each run belongs to."""

    slots: Codes
    begins: Codes
    offsets: Codes


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
        self._counts = np.empty((0, self._n_codes), dtype=np.int64)
        self._sums, self._squares = (
            np.empty((0, self._layout.n_numbers), dtype=np.int64) for _ in range(2)
        )
        self._drawn = _Draw.empty()

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
        self._make_room(position)
        cell = position // self._cell_length
        self._drawn = self._drawn.with_rows(
            frame[ROW].cast(pl.Int64).to_numpy(), position, self._seed
        )
        for start in range(0, frame.height, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            self._count(frame[block], cell[block], position[block])

    def build(self) -> Summary:
        """Give the summary of all rows added so far; without rows it has no cells."""
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

    def _make_room(self, position: Ints) -> None:
        """Add the cells of these positions, doubling the cell length while there are too many."""
        cells = np.union1d(self._cells, position // self._cell_length)
        while len(cells) > MAX_CELLS:
            self._double()
            cells = np.union1d(self._cells, position // self._cell_length)
        if len(cells) > len(self._cells):
            self._regroup(cells, np.searchsorted(cells, self._cells))

    def _coarsen_sparse(self) -> None:
        for _ in range(MAX_SPARSE_DOUBLINGS):
            if len(self._cells) < 2 or self._n_rows.sum() >= MIN_CELL_ROWS * len(self._cells):
                return
            self._double()

    def _double(self) -> None:
        cells, places = np.unique(self._cells // 2, return_inverse=True)
        self._cell_length *= 2
        self._regroup(cells, places)

    def _regroup(self, cells: Ints, places: Codes) -> None:
        """Move what was counted in old cells to ``places`` among new ones."""
        n = len(cells)
        top = np.iinfo(np.int64).max
        first, last = np.full(n, top), np.full(n, -top - 1)
        np.minimum.at(first, places, self._first)
        np.maximum.at(last, places, self._last)
        self._first, self._last, self._cells = first, last, cells
        self._n_rows = _add_at(self._n_rows, places, n)
        self._counts = _add_at(self._counts, places, n)
        self._sums = _add_at(self._sums, places, n)
        self._squares = _add_at(self._squares, places, n)

    def _count(self, frame: pl.DataFrame, cell: Ints, position: Ints) -> None:
        changes = np.flatnonzero(cell[1:] != cell[:-1]) + 1
        begins = np.concatenate([[0], changes])
        lengths = np.diff(np.append(begins, len(cell)))
        block = _Block(np.searchsorted(self._cells, cell[begins]), begins, lengths)
        self._n_rows[block.slots] += lengths
        np.minimum.at(self._first, block.slots, np.minimum.reduceat(position, begins))
        np.maximum.at(self._last, block.slots, np.maximum.reduceat(position, begins))
        runs = np.repeat(np.arange(len(begins)), lengths)
        for grid, column in zip(self._grid.columns, self._layout.columns, strict=True):
            if column.name in frame.columns:
                codes = self._codes(frame[column.name], grid, column, block)
            else:
                codes = np.full(len(cell), column.n_codes - 1)
            if len(begins) > 1:
                codes = codes + runs * column.n_codes
            found = np.bincount(codes, minlength=len(begins) * column.n_codes)
            self._counts[block.slots, column.counts] += found.reshape(-1, column.n_codes)

    def _codes(self, values: pl.Series, grid: FeatureGrid, column: Column, block: _Block) -> Codes:
        if grid.kind == "boolean":
            codes = values.cast(pl.Boolean).cast(pl.UInt8).fill_null(2).to_numpy()
            return codes.astype(np.intp)
        if grid.kind == "categorical":
            return grid.name_codes.codes(values)
        # Plus the negative centre, so that -0.0 becomes 0.0 and both fall in one cell.
        centred = as_floats(values, grid.kind) + (0.0 - grid.centre)
        self._add_moments(centred, column, block)
        with np.errstate(over="ignore"):
            narrow = centred.astype(np.float32)
        place = narrow.view(np.uint32) >> np.uint32(16)
        return np.take(grid.table, place, mode="clip")

    def _add_moments(self, centred: Floats, column: Column, block: _Block) -> None:
        """Add whole steps and their squares; 32,768 squares of at most 2**32 are exact."""
        steps = centred * (1.0 / column.unit)
        np.clip(steps, -MOMENT_LIMIT, MOMENT_LIMIT, out=steps)
        np.rint(steps, out=steps)
        if np.isnan(steps.sum()):
            np.copyto(steps, 0.0, where=np.isnan(steps))
        at = block.slots, column.number
        self._sums[at] += np.add.reduceat(steps, block.begins).astype(np.int64)
        steps *= steps
        self._squares[at] += np.add.reduceat(steps, block.begins).astype(np.int64)


def _add_at(values: Ints, places: Codes, n: int) -> Ints:
    added = np.zeros((n, *values.shape[1:]), dtype=np.int64)
    np.add.at(added, places, values)
    return added


@dataclass(frozen=True)
class _Draw:
    """The `SAMPLE_ROWS` rows with the smallest numbers so far, smallest first."""

    numbers: npt.NDArray[np.uint64]
    rows: Ints
    positions: Ints

    @staticmethod
    def empty() -> _Draw:
        none = np.empty(0, dtype=np.int64)
        return _Draw(none.astype(np.uint64), none, none)

    def with_rows(self, rows: Ints, positions: Ints, seed: int) -> _Draw:
        numbers = draw_numbers(rows, seed)
        if len(self.numbers) == SAMPLE_ROWS:
            chosen = np.flatnonzero(numbers < self.numbers[-1])
            numbers, rows, positions = numbers[chosen], rows[chosen], positions[chosen]
        elif len(numbers) > SAMPLE_ROWS:
            chosen = np.argpartition(numbers, SAMPLE_ROWS)[:SAMPLE_ROWS]
            numbers, rows, positions = numbers[chosen], rows[chosen], positions[chosen]
        return _Draw(
            np.concatenate([self.numbers, numbers]),
            np.concatenate([self.rows, rows]),
            np.concatenate([self.positions, positions]),
        ).smallest()

    def smallest(self) -> _Draw:
        order = np.lexsort((self.rows, self.numbers))[:SAMPLE_ROWS]
        return _Draw(self.numbers[order], self.rows[order], self.positions[order])


def merge_summaries(
    summaries: Sequence[Summary | bytes],
    *,
    from_position: int | None = None,
    to_position: int | None = None,
) -> Summary:
    """Add summaries of batches up to the summary of one window, in a single cell.

    Parameters
    ----------
    summaries : sequence of Summary or bytes
        Of one grid, at least one; their order does not matter.
    from_position, to_position : int, optional
        Only cells whose rows lie in ``from_position <= p <= to_position`` by the middle of
        their span are added: windows that touch share no row, and none is lost between them.

    Returns
    -------
    Summary
        With one cell, or none if no cell lies in the window.

    Raises
    ------
    ValueError
        If there is no summary.
    IntegrityError
        If they were counted on different grids, or a stored one is damaged.
    """
    if not summaries:
        raise ValueError("Nothing to merge: expected at least one summary, found none.")
    read = [s if isinstance(s, Summary) else summary_from_bytes(s) for s in summaries]
    _check_grids([summary.layout for summary in read])
    chosen = [_within(summary, from_position, to_position) for summary in read]
    return _one_cell([summary for summary in chosen if summary.n_cells] or chosen[:1])


def _check_grids(layouts: list[Layout]) -> None:
    digests = {layout.grid_digest for layout in layouts}
    if len(digests) > 1:
        raise IntegrityError(
            f"Drift summaries of {len(digests)} different grids cannot be merged; expected one. "
            "After a change of the features, take the summaries again from the stored rows."
        )


def _within(summary: Summary, from_position: int | None, to_position: int | None) -> Summary:
    if from_position is None and to_position is None:
        return summary
    middle = summary.first + (summary.last - summary.first) // 2
    inside = np.ones(summary.n_cells, dtype=bool)
    if from_position is not None:
        inside &= middle >= from_position
    if to_position is not None:
        inside &= middle <= to_position
    if inside.all():
        return summary
    sampled = inside[summary.sample_cells]
    return replace(
        summary,
        first=summary.first[inside],
        last=summary.last[inside],
        n_rows=summary.n_rows[inside],
        counts=summary.counts[inside],
        sums=summary.sums[inside],
        squares=summary.squares[inside],
        sample_rows=summary.sample_rows[sampled],
        sample_cells=(np.cumsum(inside) - 1)[summary.sample_cells[sampled]],
    )


def _one_cell(summaries: list[Summary]) -> Summary:
    head = summaries[0]
    if not head.n_cells:
        return head
    totals = np.zeros(head.counts.shape[1], dtype=np.int64)
    for summary in summaries:
        totals += add_cells(summary.counts)
    first = min(int(s.first.min()) for s in summaries)
    last = max(int(s.last.max()) for s in summaries)
    rows = np.unique(np.concatenate([s.sample_rows for s in summaries]))
    numbers = draw_numbers(rows, head.seed)
    drawn = rows[np.lexsort((rows, numbers))[:SAMPLE_ROWS]]
    return Summary(
        layout=head.layout,
        cell_length=max(s.cell_length for s in summaries),
        first=np.array([first]),
        last=np.array([last]),
        n_rows=np.array([sum(s.total_rows for s in summaries)]),
        counts=smallest_counts(totals[None, :]),
        sums=_total([s.sums for s in summaries]),
        squares=_total([s.squares for s in summaries]),
        sample_rows=drawn,
        sample_cells=np.zeros(len(drawn), dtype=np.int64),
        seed=head.seed,
    )


def _total(parts: list[Ints]) -> Ints:
    total: Ints = np.concatenate(parts).sum(axis=0, keepdims=True)
    return total
