"""Live rate and latency: differences between what the gateway counted then and now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from iris_ct.control.counts import BranchState, Counts, total

# A rate is of the last seconds; a high quantile needs more answers than those bring.
RATE_S = 10.0
LATENCY_S = 60.0
# Statistics come each second; without any for so long nothing is known of now.
_STALE_S = 10.0

Recent = Sequence[tuple[float, list[BranchState]]]
"""What was counted, oldest first, each with its age in seconds."""


@dataclass(frozen=True)
class Live:
    """How answers go now.

    Attributes
    ----------
    rate, errors : float or None
        Answers a second, and failures among them; None: not known yet.
    p50_s, p99_s : float or None
        Seconds that half, and 99 in 100, of the last minute's answers took at most; None: there
        was none; infinity: longer than the last bucket.
    pids : tuple of int
        The processes that answer.
    """

    rate: float | None = None
    errors: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    pids: tuple[int, ...] = ()


Place = tuple[str, str, str]
"""Service, branch and image."""

Wanted = Callable[[BranchState], bool]


@dataclass(frozen=True)
class Gauge:
    """Reads live numbers from what was counted of late."""

    recent: Recent = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Whether the gateway has told anything just now."""
        return bool(self.recent) and self.recent[-1][0] <= _STALE_S

    def read(self, wanted: Wanted) -> Live:
        """Give the numbers of all branches that are wanted, together."""
        if not self.is_known:
            return Live()
        age_s, newest = self.recent[-1]
        now = [state for state in newest if wanted(state)]
        pids = tuple(pid for state in now for pid in state.pids)
        if not now:
            return Live(pids=pids)
        elapsed_s, counted = self._since(now, RATE_S + age_s)
        if elapsed_s <= 0.0:
            return Live(pids=pids)
        _, timed = self._since(now, LATENCY_S + age_s)
        return Live(
            rate=counted.requests / elapsed_s,
            errors=counted.errors / elapsed_s,
            p50_s=quantile(timed, 0.5),
            p99_s=quantile(timed, 0.99),
            pids=pids,
        )

    def _since(self, now: Iterable[BranchState], age_s: float) -> tuple[float, Counts]:
        """Give the seconds from the first look that is not older to now, and what came since."""
        looks = [look for look in self.recent if look[0] <= age_s]
        # The first time that a branch is seen: its counts go on when it comes back.
        before = {_place(state): state.counts for _, look in reversed(looks) for state in look}
        came = [state.counts.since(before[_place(state)]) for state in now]
        return looks[0][0] - self.recent[-1][0], total(came)


def quantile(counts: Counts, share: float) -> float | None:
    """Give the seconds that a share of the answers took at most.

    Inside a bucket answers count as evenly spread, as Prometheus' ``histogram_quantile`` has it.

    Examples
    --------
    >>> quantile(Counts(4, 0, (0.1, 0.2), (2, 2, 0)), 0.5)
    0.1
    >>> quantile(Counts(4, 0, (0.1, 0.2), (2, 2, 0)), 0.75)
    0.15000000000000002
    """
    n = sum(counts.buckets)
    if n == 0:
        return None
    rank, below, lower = share * n, 0, 0.0
    for upper, inside in zip(counts.bounds_s, counts.buckets, strict=False):
        if inside and below + inside >= rank:
            return lower + (upper - lower) * (rank - below) / inside
        below, lower = below + inside, upper
    return float("inf")


def _place(state: BranchState) -> Place:
    return state.service, state.branch, state.image
