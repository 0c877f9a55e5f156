from __future__ import annotations

import numpy as np
import pytest

from iris_ct.core.evaluation.baseline import baseline_losses, learn_baseline


def test_regression_is_met_by_median_or_mean() -> None:
    known = learn_baseline("regression", np.array([1.0, 2.0, 9.0]))
    assert known == {"mean": 4.0, "median": 2.0}
    assert baseline_losses("mae", np.array([5.0]), known).tolist() == [3.0]
    assert baseline_losses("rmse", np.array([5.0]), known).tolist() == [1.0]


def test_classes_are_met_by_their_shares() -> None:
    known = learn_baseline("multiclass", np.array(["a", "a", "a", "b"]))
    assert known == {"a": 0.75, "b": 0.25}
    truth = np.array(["a", "b", "new"])
    assert baseline_losses("error_rate", truth, known).tolist() == [0.0, 1.0, 1.0]
    expected = [-np.log(0.75), -np.log(0.25), -np.log(1e-6)]
    assert baseline_losses("log_loss", truth, known) == pytest.approx(expected)
