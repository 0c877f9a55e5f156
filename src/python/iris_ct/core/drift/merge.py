"""Counts of many batches become one window by addition, in a time that no row adds to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iris_ct.core.drift.binning import Ints
from iris_ct.core.drift.cells import (
    Summary,
    add_cells,
    smallest_counts,
    summary_from_bytes,
)
from iris_ct.core.drift.sample import smallest_rows
from iris_ct.core.errors import IntegrityError

# Cells that are held before they are added up; more would not be faster.
_STACK_CELLS = 256


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
    # Added up as they are read, so that memory does not grow with the number of batches.
    stack: list[Summary] = []
    n_cells = 0
    for stored in summaries:
        summary = stored if isinstance(stored, Summary) else summary_from_bytes(stored)
        _check_grid(summary, stack)
        stack.append(_within(summary, from_position, to_position))
        n_cells += stack[-1].n_cells
        if n_cells >= _STACK_CELLS:
            stack, n_cells = [_one_cell(stack)], 1
    return _one_cell(stack)


def _check_grid(summary: Summary, others: list[Summary]) -> None:
    if others and summary.layout.grid_digest != others[0].layout.grid_digest:
        raise IntegrityError(
            "Drift summaries of different grids cannot be merged; expected one grid. After a "
            "change of the features, take the summaries again from the stored rows."
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


def _one_cell(stack: list[Summary]) -> Summary:
    summaries = [summary for summary in stack if summary.n_cells]
    if not summaries:
        return stack[0]
    head = summaries[0]
    # One long addition instead of many short ones.
    counts = [s.counts for s in summaries]
    totals = add_cells(np.concatenate(counts) if len(counts) > 1 else counts[0])
    drawn = smallest_rows(np.concatenate([s.sample_rows for s in summaries]), head.seed)
    return Summary(
        layout=head.layout,
        cell_length=max(s.cell_length for s in summaries),
        first=np.concatenate([s.first for s in summaries]).min(keepdims=True),
        last=np.concatenate([s.last for s in summaries]).max(keepdims=True),
        n_rows=_total([s.n_rows for s in summaries]),
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
