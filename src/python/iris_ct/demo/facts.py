"""What the demo finds out, as values: one record a month, and the totals a person would quote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class MonthFacts:
    """What one month brought.

    Attributes
    ----------
    drifted_features : int or None
        Features that differ from the champion's reference window; None before the first model.
    decision, reason : str
        How the month ended (``skip``, ``promoted``, ``held``, ``rejected``, ...) and why.
    champion : int or None
        Version that serves after the month.
    served_version, served_mae : int or None, float or None
        Which version predicted the month's rows as they arrived, and its mean absolute error in
        bikes an hour, from the prediction log.
    frozen_mae : float or None
        Error of the first champion on the same rows, had it never been replaced.
    """

    month: str
    rows: int
    drifted_features: int | None
    trigger: str
    decision: str
    reason: str
    champion: int | None
    served_version: int | None
    served_mae: float | None
    frozen_mae: float | None
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    """The totals, and the months they come from.

    Attributes
    ----------
    served_mae, frozen_mae : float or None
        Mean absolute error over all rows that a champion predicted as they arrived, and of the
        first champion on the same rows.
    seconds : float
        Wall clock from the first file to the end of the last cycle.
    """

    served_mae: float | None
    frozen_mae: float | None
    trainings: int
    promotions: int
    rejections: int
    holds: int
    failures: int
    seconds: float
    months: Sequence[MonthFacts]

    def content(self) -> dict[str, Any]:
        """Give the result as plain JSON values."""
        return asdict(self) | {"months": [asdict(month) for month in self.months]}

    def quotes(self) -> list[str]:
        """Say in lines what a person would quote."""
        lines = []
        if self.served_mae is not None and self.frozen_mae is not None:
            n_rows = sum(month.rows for month in self.months if month.served_mae is not None)
            share = 1.0 - self.served_mae / self.frozen_mae
            lines += [
                f"Served error (MAE): {self.served_mae:.1f} bikes an hour over {n_rows} rows, each "
                "predicted before it trained a model.",
                f"First model, frozen: {self.frozen_mae:.1f} on the same rows; the served error is "
                f"{share:.0%} smaller.",
            ]
        lines.append(
            f"{self.trainings} trainings: {self.promotions} promoted, {self.rejections} rejected, "
            f"{self.holds} held, {self.failures} failed; {self.seconds:.1f} seconds for "
            f"{len(self.months)} months."
        )
        return lines
