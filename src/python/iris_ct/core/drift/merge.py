"""Counts of many batches become one window by addition, in a time that no row adds to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from iris_ct.core.drift.binning import Ints
from iris_ct.core.drift.cells import (
    Counts,
    Layout,
    Summary,
    add_cells,
    smallest_counts,
    summary_from_bytes,
)
from iris_ct.core.drift.sample import smallest_rows
from iris_ct.core.errors import IntegrityError

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
    for counts in _stacks([s.counts for s in summaries]):
        totals += add_cells(counts)
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


def _stacks(parts: list[Counts]) -> Iterator[Counts]:
    """Put cells on stacks of some hundred: few long additions instead of many short ones."""
    stack: list[Counts] = []
    n_cells = 0
    for part in parts:
        stack.append(part)
        n_cells += len(part)
        if n_cells >= _STACK_CELLS:
            yield np.concatenate(stack) if len(stack) > 1 else part
            stack, n_cells = [], 0
    if stack:
        yield np.concatenate(stack)


def _total(parts: list[Ints]) -> Ints:
    total: Ints = np.concatenate(parts).sum(axis=0, keepdims=True)
    return total
