"""Agreement of the refitted model with the evaluated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.decision import Check
from iris_ct.core.evaluation.losses import (
    Floats,
    as_labels,
    class_probabilities,
    probability_of_truth,
)
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl


def agree(
    *,
    specification: Specification,
    rows: pl.DataFrame,
    evaluated: pl.DataFrame,
    refitted: pl.DataFrame,
) -> Check:
    """Check that the refitted model says much the same as the evaluated one on the holdout.

    The refitted model has learned the holdout rows, so it may differ by about as much as the
    evaluated one was wrong there; a larger difference means that something else has changed.

    Parameters
    ----------
    rows : polars.DataFrame
        The holdout rows with their target.
    evaluated, refitted : polars.DataFrame
        Predictions for these rows, in their order.

    Returns
    -------
    Check
        ``refit_agreement``: mean difference of the two over the mean absolute error of the
        evaluated one; for classes both are shares of probability. Not passed means that the
        evaluated model is to be promoted instead.
    """
    limit = specification.gate.agreement
    truth = rows[specification.target].to_numpy()
    if specification.task == "regression":
        difference, error = _of_values(truth, evaluated, refitted)
    else:
        difference, error = _of_classes(truth, evaluated, refitted)
    observed: float | None = 0.0 if difference == 0.0 else None
    if error > 0.0:
        observed = difference / error
    return Check(
        "refit_agreement",
        observed,
        limit,
        observed is not None and observed <= limit,
        "mean difference over the evaluated model's mean absolute error at most",
    )


def _of_values(
    truth: NDArray[Any], evaluated: pl.DataFrame, refitted: pl.DataFrame
) -> tuple[float, float]:
    said = evaluated["prediction"].to_numpy()
    error = np.abs(said - np.asarray(truth, dtype=np.float64))
    return float(np.abs(said - refitted["prediction"].to_numpy()).mean()), float(error.mean())


def _of_classes(
    truth: NDArray[Any],
    evaluated: pl.DataFrame,
    refitted: pl.DataFrame,
) -> tuple[float, float]:
    chance = probability_of_truth(as_labels(truth), evaluated)
    return float(_moved(evaluated, refitted).mean()), float((1.0 - chance).mean())


def _moved(evaluated: pl.DataFrame, refitted: pl.DataFrame) -> Floats:
    """Give the share of probability that moved to other classes, row by row."""
    if "probability" in evaluated.columns:
        old, new = (f["probability"].to_numpy() for f in (evaluated, refitted))
        distance: Floats = np.abs(old - new)
        return distance
    before, after = class_probabilities(evaluated), class_probabilities(refitted)
    none: Floats = np.zeros(evaluated.height)
    moved = none.copy()
    for label in sorted(before.keys() | after.keys()):
        moved += np.abs(before.get(label, none) - after.get(label, none)) / 2.0
    return moved
