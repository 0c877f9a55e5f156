"""What the gateway counted, branch by branch, as its statistics frames say it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Answers of one model in one service since its gateway started.

    Attributes
    ----------
    requests, errors : int
        All answers; those that were a failure of the model, time-outs among them.
    bounds_s : tuple of float
        Upper ends of the latency buckets, growing.
    buckets : tuple of int
        Answers in each bucket, not cumulated, and those above the last bound.
    rejected : int
        Requests that the model found wrong.
    """

    requests: int = 0
    errors: int = 0
    bounds_s: tuple[float, ...] = ()
    buckets: tuple[int, ...] = (0,)
    rejected: int = 0

    def since(self, before: Counts) -> Counts:
        """Give what came after ``before``; all of it if the gateway has started anew."""
        restarted = self.requests < before.requests or self.bounds_s != before.bounds_s
        if restarted:
            return self
        return Counts(
            self.requests - before.requests,
            self.errors - before.errors,
            self.bounds_s,
            tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True)),
            self.rejected - before.rejected,
        )

    def slower_than(self, limit_s: float | None) -> int:
        """Count the answers above a limit that is the end of a bucket; None: none."""
        if limit_s is None:
            return 0
        return sum(self.buckets[bisect_right(self.bounds_s, limit_s) :])


@dataclass(frozen=True)
class BranchState:
    """One branch of a service as the gateway runs it now."""

    service: str
    branch: str
    image: str
    pids: tuple[int, ...]
    counts: Counts


def total(counts: Sequence[Counts]) -> Counts:
    """Add counts whose buckets are alike."""
    if not counts:
        return Counts()
    return Counts(
        sum(one.requests for one in counts),
        sum(one.errors for one in counts),
        counts[0].bounds_s,
        tuple(sum(column) for column in zip(*(one.buckets for one in counts), strict=True)),
        sum(one.rejected for one in counts),
    )
