from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

from iris_ct.core.errors import IncompatibleModelError
from iris_ct.core.evaluation.losses import PROBABILITY_FLOOR, mean_loss, row_losses

SURPRISE = -np.log(PROBABILITY_FLOOR)


def binary(chances: list[float]) -> pl.DataFrame:
    said = ["yes" if chance >= 0.5 else "no" for chance in chances]
    return pl.DataFrame({"prediction": said, "probability": chances})


def test_absolute_and_squared_errors_by_hand() -> None:
    frame = pl.DataFrame({"prediction": [1.0, 5.0]})
    truth = np.array([2.0, 2.0])
    assert row_losses("mae", truth, frame).tolist() == [1.0, 3.0]
    assert row_losses("rmse", truth, frame).tolist() == [1.0, 9.0]
    assert mean_loss("rmse", row_losses("rmse", truth, frame)) == pytest.approx(np.sqrt(5.0))


def test_binary_log_loss_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    chances = rng.uniform(0.01, 0.99, 200)
    truth = np.where(rng.random(200) < chances, "yes", "no")
    ours = row_losses("log_loss", truth, binary(chances.tolist())).mean()
    assert ours == pytest.approx(log_loss(truth == "yes", chances))


def test_multiclass_log_loss_equals_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    chances = rng.dirichlet(np.ones(3), 200)
    labels = np.array(["a", "b", "c"])
    truth = labels[rng.integers(0, 3, 200)]
    frame = pl.DataFrame(
        {"prediction": labels[chances.argmax(axis=1)]}
        | {f"probability_{name}": chances[:, i] for i, name in enumerate(labels)}
    )
    expected = log_loss(truth, chances, labels=labels)
    assert row_losses("log_loss", truth, frame).mean() == pytest.approx(expected, rel=1e-6)


def test_a_class_the_model_never_saw_costs_the_floor() -> None:
    frame = pl.DataFrame({"prediction": ["a"], "probability_a": [1.0]})
    assert row_losses("log_loss", np.array(["new"]), frame).tolist() == [SURPRISE]


def test_a_certain_and_wrong_prediction_costs_the_floor() -> None:
    assert row_losses("log_loss", np.array(["no"]), binary([1.0])).tolist() == [SURPRISE]


@pytest.mark.parametrize("chances", [[0.1, 0.2], [0.8, 0.9]])
def test_the_positive_class_follows_from_one_sided_predictions(chances: list[float]) -> None:
    found = row_losses("log_loss", np.array(["no", "yes"]), binary(chances))
    assert found == pytest.approx([-np.log(1 - chances[0]), -np.log(chances[1])])
    named = row_losses("log_loss", np.array(["no", "yes"]), binary(chances), positive="yes")
    assert found.tolist() == named.tolist()


def test_wrong_labels_count_one() -> None:
    found = row_losses("error_rate", np.array(["no", "yes"]), binary([0.1, 0.2]))
    assert found.tolist() == [0.0, 1.0]


def test_a_log_loss_without_probabilities_is_refused() -> None:
    with pytest.raises(IncompatibleModelError, match="no probability"):
        row_losses("log_loss", np.array(["a"]), pl.DataFrame({"prediction": ["a"]}))


def test_an_unknown_metric_is_refused_by_name() -> None:
    with pytest.raises(IncompatibleModelError, match="mape"):
        row_losses("mape", np.array(["a"]), pl.DataFrame({"prediction": ["a"]}))
