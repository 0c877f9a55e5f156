"""What was predicted, and how inputs moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Outcomes:
    """Predictions whose truth is known, in order of event position."""

    position: Any  # int64 array of shape (n,)
    truth: Any  # float64 or str array of shape (n,)
    predictions: pl.DataFrame  # columns as PredictionLog.record got them
    version: Any  # int64 array of shape (n,)


class PredictionLog(Protocol):
    """What was predicted, by which version, when; scored when labels come."""

    def record(
        self,
        specification: Specification,
        *,
        request_id: str,
        version: int,
        frame: pl.DataFrame | Iterable[pl.DataFrame],
        at: datetime,
        batch_id: str | None = None,
    ) -> None:
        """Keep predictions: one frame, or many that are written as they come.

        A request is recorded whole or not at all; many frames of one request need as much memory
        as a few of them. ``_key``, ``_position`` (null outside a batch), ``prediction`` and ``probability``
        (binary) or ``probability_<class>`` columns (multiclass).
        """
        ...

    def outcomes(
        self,
        specification: Specification,
        *,
        as_of_seq: int,
        from_position: int | None = None,
        to_position: int | None = None,
        version: int | None = None,
        batch_id: str | None = None,
    ) -> Outcomes:
        """Join logged predictions of arrived rows with their newest known truth.

        The first prediction of a row counts.
        """
        ...

    def counts(self, model: str) -> dict[int, int]:
        """Count logged predictions by version."""
        ...


class SummaryStore(Protocol):
    """Drift summaries, the grids they are counted on, and drift reports."""

    def grid(self, model: str, spec_digest: str) -> bytes | None:
        """Give the grid on which this specification's rows are counted."""
        ...

    def save_grid(self, model: str, spec_digest: str, grid: bytes) -> None:
        """Keep the grid; the first one wins."""
        ...

    def overlapping(
        self, model: str, *, from_position: int, to_position: int, as_of_seq: int
    ) -> list[bytes]:
        """Give the summaries of batches that overlap the window, in order of arrival."""
        ...

    def save_reference(self, model: str, version: int, summary: bytes) -> None:
        """Keep the merged summary of a version's training window."""
        ...

    def reference(self, model: str, version: int) -> bytes | None:
        """Give it back."""
        ...

    def save_report(self, model: str, report_id: str, batch_id: str, content: str) -> None:
        """Keep a drift report as canonical JSON."""
        ...

    def reports(self, model: str, *, newest: int = 1) -> list[str]:
        """Give the newest reports as JSON, newest first."""
        ...
