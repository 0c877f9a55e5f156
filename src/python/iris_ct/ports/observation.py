"""What was predicted, and how inputs moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl

# Columns of a frame that holds the predictions of many requests.
PUID = "_puid"
PLACE_IN_REQUEST = "_place"
PREDICTED_AT = "_predicted_at"


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
        shadow: bool = False,
    ) -> None:
        """Keep predictions: one frame, or many that are written as they come.

        A request is recorded whole or not at all; many frames of one request need as much memory
        as a few of them. ``_key``, ``_position`` (null outside a batch), ``prediction`` and ``probability``
        (binary) or ``probability_<class>`` columns (multiclass). What a journal has gathered also
        has ``_puid``, ``_place`` (of the row in that request) and ``_predicted_at``; ``at`` is
        then the last of these times. ``shadow`` marks answers that nobody was given.
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
        shadow: bool = False,
    ) -> Outcomes:
        """Join logged predictions of arrived rows with their newest known truth.

        The first prediction of a row counts. With ``shadow`` those are joined that nobody was
        given, else those that somebody was.
        """
        ...

    def find(self, model: str, puids: Collection[str], *, shadow: bool = False) -> pl.DataFrame:
        """Give the predictions of requests that a journal has gathered, or a shadow's.

        Columns ``_puid``, ``_place``, ``_key``, ``prediction`` (as text), ``version``,
        ``_service`` and ``_predicted_at``; no row for a request that is not known.
        """
        ...

    def gathered(self) -> list[str]:
        """Name the models of which `find` may find something."""
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
