"""The queue between whoever predicts and the log of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from iris_ct.core.scoring.record import Entry, Segment, SegmentContent


class JournalWriter(Protocol):
    """One end of the queue."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries, all or none; `JournalFullError` if they cannot be."""
        ...


class Journal(Protocol):
    """The other end: segments wait until they are in the log."""

    def folding(self) -> AbstractContextManager[None]:
        """Be the only one who folds; waits for another one to end."""
        ...

    def segments(self) -> list[Segment]:
        """List what waits, oldest first."""
        ...

    def begun(self) -> dict[str, list[str]]:
        """Give the folds that were begun and not finished: segment names by the fold's id."""
        ...

    def begin(self, names: Sequence[str]) -> str:
        """Seal segments, so that nothing is added to them, and plan to fold them; give an id."""
        ...

    def read(self, name: str) -> SegmentContent | None:
        """Read a segment; None if it is gone."""
        ...

    def hand_over_labels(self, model: str, name: str, content: bytes) -> None:
        """Put a CSV file of labels where labels arrive; the same name again changes nothing."""
        ...

    def finish(self, fold_id: str, *, kept: Sequence[str] = ()) -> None:
        """Remove the segments of a fold, then its plan; ``kept`` ones are set aside instead."""
        ...
