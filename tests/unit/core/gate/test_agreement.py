from __future__ import annotations

import polars as pl
import pytest
from tests.training_tables import specification

from iris_ct.core.gate.agreement import agree


def test_the_difference_is_a_multiple_of_the_evaluated_error() -> None:
    found = agree(
        specification=specification(),
        rows=pl.DataFrame({"cost": [10.0, 10.0]}),
        evaluated=pl.DataFrame({"prediction": [12.0, 8.0]}),
        refitted=pl.DataFrame({"prediction": [11.0, 8.0]}),
    )
    assert (found.observed, found.required, found.passed) == (0.25, 1.0, True)


def test_a_refit_that_says_something_else_does_not_agree() -> None:
    found = agree(
        specification=specification(),
        rows=pl.DataFrame({"cost": [10.0, 10.0]}),
        evaluated=pl.DataFrame({"prediction": [11.0, 9.0]}),
        refitted=pl.DataFrame({"prediction": [20.0, 20.0]}),
    )
    assert not found.passed


def test_a_perfect_evaluated_model_agrees_only_with_its_equal() -> None:
    rows = pl.DataFrame({"cost": [1.0]})
    one, two = pl.DataFrame({"prediction": [1.0]}), pl.DataFrame({"prediction": [2.0]})
    same = agree(specification=specification(), rows=rows, evaluated=one, refitted=one)
    other = agree(specification=specification(), rows=rows, evaluated=one, refitted=two)
    assert (same.observed, same.passed) == (0.0, True)
    assert (other.observed, other.passed) == (None, False)


def test_binary_models_are_compared_by_probability() -> None:
    found = agree(
        specification=specification("binary"),
        rows=pl.DataFrame({"cost": ["yes", "no"]}),
        evaluated=pl.DataFrame({"prediction": ["yes", "no"], "probability": [0.8, 0.4]}),
        refitted=pl.DataFrame({"prediction": ["yes", "no"], "probability": [0.9, 0.2]}),
    )
    # Moved 0.1 and 0.2; wrong by 0.2 and 0.4.
    assert found.observed == pytest.approx(0.5)


def test_a_class_that_only_the_refit_knows_counts_as_moved() -> None:
    found = agree(
        specification=specification("multiclass"),
        rows=pl.DataFrame({"cost": ["a"]}),
        evaluated=pl.DataFrame(
            {"prediction": ["a"], "probability_a": [0.6], "probability_b": [0.4]}
        ),
        refitted=pl.DataFrame(
            {
                "prediction": ["a"],
                "probability_a": [0.6],
                "probability_b": [0.2],
                "probability_new": [0.2],
            }
        ),
    )
    # A fifth of the probability moved; the evaluated model was wrong by 0.4.
    assert found.observed == pytest.approx(0.5)
