"""Metrics against scikit-learn's."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from iris_ct.core.evaluation.metrics import area_under_curve, measure


def test_regression_metrics_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth, said = rng.normal(size=300), rng.normal(size=300)
    found = measure("regression", truth, pl.DataFrame({"prediction": said}))
    assert found == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(truth, said),
            "rmse": metrics.root_mean_squared_error(truth, said),
            "r2": metrics.r2_score(truth, said),
        }
    )


def test_binary_metrics_equal_scikit_learn_also_with_ties() -> None:
    rng = np.random.default_rng(2)
    chance = rng.integers(1, 20, 400) / 20.0
    hit = rng.random(400) < chance
    truth = np.where(hit, "b", "a")
    said = np.where(chance >= 0.5, "b", "a")
    found = measure("binary", truth, pl.DataFrame({"prediction": said, "probability": chance}))
    assert found == pytest.approx(
        {
            "log_loss": metrics.log_loss(hit, chance),
            "accuracy": metrics.accuracy_score(truth, said),
            "error_rate": 1 - metrics.accuracy_score(truth, said),
            "auc": metrics.roc_auc_score(hit, chance),
            "brier": metrics.brier_score_loss(hit, chance),
            "positive_share": hit.mean(),
        }
    )


def test_multiclass_metrics_equal_scikit_learn_with_an_unseen_class() -> None:
    rng = np.random.default_rng(3)
    labels = np.array(["a", "b", "c"])
    chance = rng.dirichlet(np.ones(3), 300)
    said = labels[chance.argmax(axis=1)]
    truth = np.append(labels[rng.integers(0, 3, 299)], "new")
    frame = pl.DataFrame(
        {"prediction": said} | {f"probability_{n}": chance[:, i] for i, n in enumerate(labels)}
    )
    found = measure("multiclass", truth, frame)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))


def test_what_is_not_defined_is_none() -> None:
    frame = pl.DataFrame({"prediction": ["a"] * 3, "probability": [0.1] * 3})
    assert measure("binary", np.array(["a"] * 3), frame)["auc"] is None
    constant = measure("regression", np.ones(3), pl.DataFrame({"prediction": [1.0] * 3}))
    assert constant["r2"] is None


def test_equal_scores_have_half_the_area() -> None:
    assert area_under_curve(np.array([True, False]), np.array([0.3, 0.3])) == 0.5
