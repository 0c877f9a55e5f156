"""Who trains and who judges: roles of a snapshot's rows, split by event time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.policy import GatePolicy

UNUSED, TRAIN, VALIDATE, JUDGE = 0, 1, 2, 3
"""Roles: not used; may train; validates the window choice, then trains; judges."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Roles of all rows of a snapshot.

    Attributes
    ----------
    roles : ndarray of int8, shape (n_rows,)
        0 unused, 1 may train, 2 validates the window choice and then trains, 3 judges.
    n_fresh : int
        Rows newer than anything the champion was fitted on.
    n_holdout : int
        Rows that judge; 0 when there are too few.
    holdout_first, holdout_last : int or None
        Smallest and largest event position that judges.
    reused : bool
        The holdout holds rows that an earlier gate has used.
    needed : int
        Further fresh rows that a gate would need; 0 when there is a holdout.
    """

    roles: NDArray[np.int8]
    n_fresh: int
    n_holdout: int
    holdout_first: int | None
    holdout_last: int | None
    reused: bool
    needed: int


def assign_roles(
    positions: Positions,
    *,
    groups: NDArray[Any] | None = None,
    fresh_after: int | None,
    spent: Sequence[tuple[int, int]] = (),
    policy: GatePolicy,
    first: bool,
    accept_reused: bool = False,
) -> Split:
    """Split a snapshot's rows by event time.

    The newest share of the fresh rows judges, all older rows may train, and of these a block
    just before the holdout compares training windows before it trains as well. Rows of one
    position stand on one side, unless every row has the same position: then arrival decides.
    A group stands on one side; groups are ordered by their newest position.

    Parameters
    ----------
    positions : ndarray of shape (n_rows,)
        Event positions, ascending; ties are in order of arrival.
    groups : ndarray of shape (n_rows,), optional
        Group of each row; rows of one group are never split apart.
    fresh_after : int or None
        Newest position that the champion was fitted on; None when there is no champion.
    spent : sequence of (first, last)
        Position spans that earlier gates used. Only rows newer than all of them judge without
        being marked as reused, so that no gate trains on rows newer than its judges.
    policy : GatePolicy
        Shares and the smallest holdout.
    first : bool
        A first model: `GatePolicy.first_holdout_share` counts until rows have been spent.
    accept_reused : bool
        A person allowed spent rows to judge. Without that they judge only when nothing newer
        has arrived: a few new rows wait until they are enough, instead of being spent bit by
        bit in gates that cannot promote.

    Returns
    -------
    Split
        With ``n_holdout`` 0 and ``needed`` above 0 when there are too few fresh rows; then all
        rows may train.
    """
    # After a first model was refused, plenty of rows train already: the newer ones may judge.
    share = policy.first_holdout_share if first and not spent else policy.holdout_share
    after = _lowest if fresh_after is None else fresh_after
    unspent_after = max([after, *(last for _, last in spent)])
    units = _Rows(positions) if groups is None else _Groups(positions, groups)
    fresh = units.newer_than(after)
    unspent = units.newer_than(unspent_after)
    reused = False
    judges = units.newest(unspent, share, policy.min_holdout_rows)
    may_reuse = accept_reused or not unspent.any()
    if judges is None and may_reuse and unspent_after > after:
        judges = units.newest(fresh, share, policy.min_holdout_rows)
        reused = judges is not None
    roles = np.full(positions.size, TRAIN, dtype=np.int8)
    if judges is None:
        missing = math.ceil(policy.min_holdout_rows / share) - int(unspent.sum())
        return Split(roles, int(fresh.sum()), 0, None, None, False, max(1, missing))
    roles[judges] = JUDGE
    n_holdout = int(judges.sum())
    rest = ~judges
    n_block = min(n_holdout, int(policy.validation_share * int(rest.sum())))
    block = units.newest_block(rest, n_block)
    roles[block] = VALIDATE
    held = positions[judges]
    return Split(roles, int(fresh.sum()), n_holdout, int(held.min()), int(held.max()), reused, 0)


_lowest = np.iinfo(np.int64).min


class _Rows:
    """Rows that stand alone; cut by position."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.n = positions.size

    def newer_than(self, position: int) -> NDArray[np.bool_]:
        return self.positions > position

    def newest(
        self, pool: NDArray[np.bool_], share: float, at_least: int
    ) -> NDArray[np.bool_] | None:
        """Mark the newest share of the pool, a suffix; None if it would be too small."""
        n_pool = int(pool.sum())
        wanted = int(share * n_pool + 1e-9)
        if wanted < at_least:
            return None
        cut = self.n - wanted
        return self._from(self._untied(cut, oldest=max(1, self.n - n_pool), at_least=at_least))

    def newest_block(self, pool: NDArray[np.bool_], wanted: int) -> NDArray[np.bool_]:
        """Mark about the newest ``wanted`` rows of the pool, a prefix; some rows stay before."""
        n_pool = int(pool.sum())
        if wanted == 0 or n_pool < 2:
            return np.zeros(self.n, dtype=bool)
        head = _Rows(self.positions[:n_pool])
        cut = head._untied(n_pool - wanted, oldest=1, at_least=1)
        marked = np.zeros(self.n, dtype=bool)
        if cut is not None:
            marked[cut:n_pool] = True
        return marked

    def _from(self, cut: int | None) -> NDArray[np.bool_] | None:
        return None if cut is None else np.arange(self.n) >= cut

    def _untied(self, cut: int, *, oldest: int, at_least: int) -> int | None:
        """Move a cut off a tie: to the nearer end that leaves enough rows on both sides."""
        tied = self.positions[cut]
        if tied == self.positions[0] and tied == self.positions[-1]:
            return cut
        start = int(np.searchsorted(self.positions, tied, side="left"))
        stop = int(np.searchsorted(self.positions, tied, side="right"))
        ends = [c for c in (start, stop) if oldest <= c <= self.n - at_least]
        return min(ends, key=lambda c: abs(c - cut)) if ends else None


class _Groups:
    """Rows that stand together; whole groups, ordered by their newest position."""

    def __init__(self, positions: Positions, groups: NDArray[Any]) -> None:
        _, self.group = np.unique(groups, return_inverse=True)
        self.sizes = np.bincount(self.group)
        n_groups = self.sizes.size
        self.oldest = np.full(n_groups, np.iinfo(np.int64).max)
        newest = np.full(n_groups, _lowest)
        last_row = np.zeros(n_groups, dtype=np.int64)
        np.minimum.at(self.oldest, self.group, positions)
        np.maximum.at(newest, self.group, positions)
        np.maximum.at(last_row, self.group, np.arange(positions.size))
        self.order = np.lexsort((last_row, newest))[::-1]

    def newer_than(self, position: int) -> NDArray[np.bool_]:
        """Mark rows of groups of which every row is newer."""
        marked: NDArray[np.bool_] = self.oldest[self.group] > position
        return marked

    def newest(
        self, pool: NDArray[np.bool_], share: float, at_least: int
    ) -> NDArray[np.bool_] | None:
        """Mark the newest groups of the pool that hold its share; None if too small."""
        wanted = int(share * int(pool.sum()) + 1e-9)
        if wanted < at_least:
            return None
        marked = self._take(pool, wanted)
        return None if marked.all() else marked

    def newest_block(self, pool: NDArray[np.bool_], wanted: int) -> NDArray[np.bool_]:
        """Mark the newest groups of the pool with about so many rows; some groups stay."""
        marked = self._take(pool, wanted)
        return marked if marked.sum() < pool.sum() else np.zeros(marked.size, dtype=bool)

    def _take(self, pool: NDArray[np.bool_], wanted: int) -> NDArray[np.bool_]:
        """Mark whole groups of the pool, newest first, until so many rows are marked."""
        order = self.order[np.isin(self.order, np.unique(self.group[pool]))]
        reached = np.cumsum(self.sizes[order])
        n_taken = int(np.searchsorted(reached, wanted, side="left")) + 1 if wanted > 0 else 0
        marked: NDArray[np.bool_] = np.isin(self.group, order[:n_taken])
        return marked
