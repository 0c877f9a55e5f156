"""Losses row by row, so that two models can be compared on the same rows.

Predictions are frames as `iris_ct.core.training.predictor.Predictor` makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import IncompatibleModelError

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]

# Probability given to a class that a model rules out or never saw. The loss of such a row is
# then 13.8: it hurts, but one new class cannot drown every other row.
PROBABILITY_FLOOR = 1e-6

CLASS_PREFIX = "probability_"
"""Multiclass probability columns are this prefix and the class label."""


def row_losses(
    metric: str, truth: NDArray[Any], predictions: pl.DataFrame, *, positive: str | None = None
) -> Floats:
    """Measure each row's loss.

    Parameters
    ----------
    metric : str
        ``mae`` (absolute error), ``rmse`` (squared error; see `mean_loss`), ``log_loss`` or
        ``error_rate`` (0 or 1).
    truth : ndarray of shape (n,)
        Float64 for regression, class labels as text otherwise.
    predictions : polars.DataFrame
        ``prediction``; binary also ``probability``, multiclass ``probability_<class>``.
    positive : str, optional
        Class that ``probability`` belongs to; by default the predictions themselves say it.

    Returns
    -------
    ndarray of shape (n,)
        Zero or more; natural logarithm for ``log_loss``.

    Raises
    ------
    IncompatibleModelError
        If the predictions lack what the metric needs.
    """
    if metric in ("mae", "rmse"):
        error: Floats = np.asarray(truth, dtype=np.float64) - predictions["prediction"].to_numpy()
        losses: Floats = np.abs(error) if metric == "mae" else error**2
        return losses
    labels = as_labels(truth)
    if metric == "error_rate":
        wrong: Floats = np.not_equal(labels, as_labels(predictions["prediction"].to_numpy())) * 1.0
        return wrong
    if metric == "log_loss":
        chance = probability_of_truth(labels, predictions, positive=positive)
        surprise: Floats = -np.log(np.clip(chance, PROBABILITY_FLOOR, 1.0))
        return surprise
    raise IncompatibleModelError(
        f"No loss is called {metric!r}; there are mae, rmse, log_loss and error_rate."
    )


def mean_loss(metric: str, losses: Floats) -> float:
    """Give the metric of a set of row losses: their mean, for ``rmse`` its square root."""
    mean = float(losses.mean())
    return float(np.sqrt(mean)) if metric == "rmse" else mean


def probability_of_truth(
    labels: NDArray[Any], predictions: pl.DataFrame, *, positive: str | None = None
) -> Floats:
    """Give the probability that each row's true class had; 0 for classes the model never saw."""
    if "probability" in predictions.columns:
        chance = predictions["probability"].to_numpy().astype(np.float64)
        hits = labels == positive if positive is not None else positive_hits(labels, predictions)
        return np.where(hits, chance, 1.0 - chance)
    by_class = class_probabilities(predictions)
    if not by_class:
        raise IncompatibleModelError("The predictions hold no probability; log_loss needs one.")
    result = np.zeros(labels.size)
    for label, chance in by_class.items():
        np.copyto(result, chance, where=labels == label)
    return result


def positive_hits(labels: NDArray[Any], predictions: pl.DataFrame) -> NDArray[np.bool_]:
    """Tell for each row whether its true class is the positive one of a binary model.

    Which class that is follows from the predictions themselves: the positive label is said
    exactly where ``probability`` is 0.5 or more.
    """
    said = as_labels(predictions["prediction"].to_numpy())
    is_said = predictions["probability"].to_numpy() >= 0.5
    hits: NDArray[np.bool_]
    if is_said.any():
        hits = labels == said[is_said.argmax()]
    else:
        hits = labels != said[0] if said.size else np.zeros(0, dtype=np.bool_)
    return hits


def class_probabilities(predictions: pl.DataFrame) -> dict[str, Floats]:
    """Give the columns ``probability_<class>`` by class label."""
    return {
        name.removeprefix(CLASS_PREFIX): predictions[name].to_numpy().astype(np.float64)
        for name in predictions.columns
        if name.startswith(CLASS_PREFIX)
    }


def as_labels(values: NDArray[Any]) -> NDArray[Any]:
    """Give class labels as an array of text that compares fast."""
    return np.asarray(values).astype(np.str_)
