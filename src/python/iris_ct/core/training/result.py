"""What a training gives back, before anything is written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iris_ct.core.training.encoding import FeatureEncoding

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class TrainingResult:
    """A fitted model and how it came about.

    Attributes
    ----------
    window, rounds : str, int
        The chosen training window and the boosting rounds.
    n_rows, fit_from, fit_until : int
        Training rows; their smallest and largest event position.
    candidates : tuple of mapping
        Each window that was compared: ``window``, ``same_as``, ``n_rows``, ``rounds``, ``loss``,
        ``change``, ``low``, ``high`` (against the preferred one) and ``chosen``.
    curve : tuple of float
        Loss of the chosen window's comparison fit on the validation block after each round.
    importances : mapping
        Total gain by matrix column.
    baseline : mapping
        What `iris_ct.core.evaluation.baseline.learn_baseline` gave for the training rows.
    holdout : polars.DataFrame or None
        ``_row`` and the prediction columns for the rows that judge; None for a refit.
    """

    model_text: str
    encoding: FeatureEncoding
    recipe_digest: str
    window: str
    rounds: int
    n_rows: int
    fit_from: int
    fit_until: int
    candidates: tuple[Mapping[str, Any], ...]
    curve: tuple[float, ...]
    importances: Mapping[str, float]
    baseline: Mapping[str, float]
    holdout: pl.DataFrame | None
