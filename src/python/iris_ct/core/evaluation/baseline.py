"""The naive baseline: what someone would predict who only knows the training targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.evaluation.losses import PROBABILITY_FLOOR, Floats, as_labels


def learn_baseline(task: str, target: NDArray[Any]) -> dict[str, float]:
    """Summarise the training targets.

    Returns
    -------
    dict
        Regression: ``mean`` and ``median``. Classes: each class label with its share.
    """
    if task == "regression":
        return {"mean": float(np.mean(target)), "median": float(np.median(target))}
    labels, counts = np.unique(as_labels(target), return_counts=True)
    return {
        str(label): float(count / target.size) for label, count in zip(labels, counts, strict=True)
    }


def baseline_losses(metric: str, truth: NDArray[Any], baseline: Mapping[str, float]) -> Floats:
    """Give the baseline's loss on each row: the best constant prediction for that metric.

    Parameters
    ----------
    metric : str
        ``mae`` is met by the median, ``rmse`` by the mean, ``log_loss`` by the class shares,
        ``error_rate`` by the most frequent class.
    truth : ndarray of shape (n,)
        Float64 for regression, class labels as text otherwise.
    baseline : mapping
        What `learn_baseline` gave for the training rows.
    """
    if metric == "mae":
        distance: Floats = np.abs(np.asarray(truth, dtype=np.float64) - baseline["median"])
        return distance
    if metric == "rmse":
        squared: Floats = (np.asarray(truth, dtype=np.float64) - baseline["mean"]) ** 2
        return squared
    labels = as_labels(truth)
    if metric == "error_rate":
        usual = max(sorted(baseline), key=lambda label: baseline[label])
        wrong: Floats = np.not_equal(labels, usual) * 1.0
        return wrong
    shares = np.zeros(labels.size)
    for label, share in baseline.items():
        shares[labels == label] = share
    surprise: Floats = -np.log(np.clip(shares, PROBABILITY_FLOOR, 1.0))
    return surprise
