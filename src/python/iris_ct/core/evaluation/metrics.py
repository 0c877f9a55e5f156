"""Metrics of predictions by task; defined as scikit-learn defines them, without importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.canonical import finite
from iris_ct.core.evaluation.losses import as_labels, mean_loss, positive_hits, row_losses

if TYPE_CHECKING:
    import polars as pl

HIGHER_IS_BETTER = frozenset({"r2", "auc", "accuracy", "macro_f1"})
"""Scores; every other metric is a loss, or a plain share."""


def measure(task: str, truth: NDArray[Any], predictions: pl.DataFrame) -> dict[str, float | None]:
    """Measure all metrics of a task.

    Parameters
    ----------
    task : str
        ``regression``, ``binary`` or ``multiclass``.
    truth : ndarray of shape (n,)
        Float64 for regression, class labels as text otherwise; n at least 1.
    predictions : polars.DataFrame
        As `Predictor.predict` makes them.

    Returns
    -------
    dict
        ``mae``, ``rmse``, ``r2``; or ``log_loss``, ``auc``, ``accuracy``, ``error_rate``,
        ``brier``, ``positive_share``; or ``log_loss``, ``accuracy``, ``error_rate``,
        ``macro_f1``. None where a metric is not defined, for example AUC with one class.
    """
    if task == "regression":
        return _of_regression(np.asarray(truth, dtype=np.float64), predictions)
    labels = as_labels(truth)
    log_loss = row_losses("log_loss", labels, predictions)
    wrong = row_losses("error_rate", labels, predictions)
    shared: dict[str, float | None] = {
        "log_loss": float(log_loss.mean()),
        "accuracy": float(1.0 - wrong.mean()),
        "error_rate": float(wrong.mean()),
    }
    if task == "binary":
        hit = positive_hits(labels, predictions)
        chance = predictions["probability"].to_numpy().astype(np.float64)
        return shared | {
            "auc": area_under_curve(hit, chance),
            "brier": float(((hit - chance) ** 2).mean()),
            "positive_share": float(hit.mean()),
        }
    return shared | {"macro_f1": macro_f1(labels, predictions["prediction"].to_numpy())}


def _of_regression(truth: NDArray[np.float64], predictions: pl.DataFrame) -> dict[str, Any]:
    squared = row_losses("rmse", truth, predictions)
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "mae": mean_loss("mae", row_losses("mae", truth, predictions)),
        "rmse": mean_loss("rmse", squared),
        "r2": finite(1.0 - float(squared.sum()) / spread) if spread > 0 else None,
    }


def area_under_curve(hit: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Give the chance that a random hit scores above a random miss; ties count half.

    Examples
    --------
    >>> area_under_curve(np.array([True, False, True]), np.array([0.9, 0.4, 0.4]))
    0.75
    """
    n_hits = int(hit.sum())
    n_misses = hit.size - n_hits
    if n_hits == 0 or n_misses == 0:
        return None
    _, place, size = np.unique(score, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(size)
    rank = (last_rank - (size - 1) / 2.0)[place]
    return float((rank[hit].sum() - n_hits * (n_hits + 1) / 2.0) / (n_hits * n_misses))


def macro_f1(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Give the plain mean of F1 over all classes that are true or predicted anywhere."""
    truth, predicted = as_labels(truth), as_labels(predicted)
    scores = []
    for label in np.union1d(truth, predicted):
        is_true, is_said = truth == label, predicted == label
        both = float((is_true & is_said).sum())
        scores.append(2.0 * both / float(is_true.sum() + is_said.sum()))
    return float(np.mean(scores))
