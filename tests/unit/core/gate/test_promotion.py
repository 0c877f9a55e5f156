from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from tests.training_tables import HOUR, specification

from iris_ct.core.canonical import canonical_json
from iris_ct.core.dataset.batch import POSITION
from iris_ct.core.gate.promotion import Verdict, insufficient, judge
from iris_ct.core.policy import GatePolicy

N = 480


def rows(seed: int = 1) -> pl.DataFrame:
    """Twenty days of hourly truth."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            POSITION: np.arange(N, dtype=np.int64) * HOUR,
            "colour": rng.choice(["blue", "green"], N),
            "heavy": rng.random(N) < 0.5,
            "cost": rng.normal(10.0, 2.0, N),
        }
    )


def said(frame: pl.DataFrame, error: Any) -> pl.DataFrame:
    """Give predictions whose absolute error is ``error`` times a random positive number."""
    noise = np.abs(np.random.default_rng(2).normal(1.0, 0.1, N)) * error
    sign = np.where(np.arange(N) % 2, 1.0, -1.0)
    return pl.DataFrame({"prediction": frame["cost"].to_numpy() + sign * noise})


def verdict(challenger: Any, champion: Any | None = 1.0, **given: Any) -> Verdict:
    frame = rows()
    gate = given.pop("gate", {})
    arguments: dict[str, Any] = {
        "baseline": {"mean": 10.0, "median": 10.0},
        "is_refresh": True,
        "reused": False,
        **given,
    }
    return judge(
        specification=specification(gate=gate),
        rows=frame,
        challenger=said(frame, challenger),
        champion=None if champion is None else said(frame, champion),
        **arguments,
    )


def failed(found: Verdict) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_a_refresh_within_the_margin_is_promoted() -> None:
    found = verdict(1.01)
    assert found.outcome == "promote"
    assert found.numbers["kind"] == "refresh"
    assert not failed(found)


def test_a_refresh_that_is_clearly_worse_is_rejected() -> None:
    found = verdict(1.2)
    assert found.outcome == "reject"
    assert failed(found) == ["loss_change"]


def test_a_refresh_that_only_seems_worse_is_held() -> None:
    """One bad day of twenty: the point is above the margin, its interval is not."""
    error = np.ones(N)
    error[:24] = 3.0
    assert verdict(error).outcome == "hold"


def test_a_replacement_must_show_the_minimum_gain() -> None:
    assert verdict(0.9, is_refresh=False).outcome == "promote"
    held = verdict(0.999, is_refresh=False)
    assert held.outcome in ("hold", "reject")
    assert "loss_change" in failed(held)


def test_a_replacement_whose_gain_may_be_chance_is_held() -> None:
    error = np.ones(N)
    error[:24] = 0.2
    found = verdict(error, is_refresh=False)
    assert found.outcome == "hold"
    assert failed(found) == ["loss_change_high"]


def test_a_replacement_that_is_clearly_worse_is_rejected() -> None:
    assert verdict(1.2, is_refresh=False).outcome == "reject"


def test_a_first_model_must_beat_the_naive_baseline() -> None:
    # The median's mean absolute error on a normal target of spread 2 is about 1.6.
    assert verdict(1.0, None).outcome == "promote"
    refused = verdict(2.0, None)
    assert (refused.outcome, refused.numbers["kind"]) == ("reject", "first")
    assert refused.numbers["champion"] is None


def test_a_broken_limit_rejects_even_the_better_challenger() -> None:
    found = verdict(0.5, gate={"limits": {"mae": 0.1}})
    assert found.outcome == "reject"
    assert failed(found) == ["limit_mae"]


def test_a_lower_limit_holds_for_scores() -> None:
    assert verdict(0.5, gate={"limits": {"r2": 0.5}}).outcome == "promote"
    assert verdict(1.0, gate={"limits": {"r2": 0.9999}}).outcome == "reject"


def test_a_limit_on_a_metric_that_is_not_there_is_not_passed() -> None:
    assert failed(verdict(0.5, gate={"limits": {"auc": 0.5}})) == ["limit_auc"]


def test_spent_rows_hold_unless_a_person_accepts_them() -> None:
    held = verdict(0.5, reused=True)
    assert (held.outcome, failed(held)) == ("hold", ["holdout_reused"])
    assert verdict(0.5, reused=True, accept_reused=True).outcome == "promote"


def test_a_slice_that_clearly_loses_rejects_a_better_challenger() -> None:
    error = np.where((rows()["colour"] == "blue").to_numpy(), 0.1, 1.6)
    found = verdict(error)
    assert found.numbers["change"] < 0
    assert found.outcome == "reject"
    assert failed(found) == ["slice colour 2/2"]


def test_a_slice_is_named_without_its_value() -> None:
    names = [check.name for check in verdict(1.0).checks if check.name.startswith("slice")]
    assert names == ["slice heavy 1/2", "slice heavy 2/2", "slice colour 1/2", "slice colour 2/2"]
    assert "blue" not in canonical_json([check.content() for check in verdict(1.0).checks])


def test_small_slices_are_not_judged() -> None:
    found = verdict(1.0, gate={"min_slice_rows": 400})
    assert not [check for check in found.checks if check.name.startswith("slice")]


def test_only_the_named_slices_are_judged() -> None:
    found = verdict(1.0, gate={"slices": ["colour"]})
    assert {c.name.split()[1] for c in found.checks if c.name.startswith("slice")} == {"colour"}


def test_too_few_rows_hold_and_say_the_number() -> None:
    found = insufficient(17, GatePolicy())
    assert (found.outcome, found.numbers["needed"]) == ("hold", 17)
    assert "17 more" in found.reason
    small = verdict(0.5, gate={"min_holdout_rows": 500})
    assert (small.outcome, small.numbers["needed"]) == ("hold", 20)


def test_fewer_rows_than_a_comparison_needs_are_never_enough() -> None:
    """A paired comparison needs eight rows, however few the specification asks for."""
    frame = rows().head(5)
    found = judge(
        specification=specification(gate={"min_holdout_rows": 3}),
        rows=frame,
        challenger=frame.select(prediction="cost"),
        champion=None,
        baseline={"mean": 10.0, "median": 10.0},
        is_refresh=False,
        reused=False,
    )
    assert (found.outcome, found.numbers["needed"]) == ("hold", 3)


def test_a_verdict_is_plain_json() -> None:
    found = verdict(1.0)
    assert canonical_json([found.numbers, found.thresholds])
    assert found.numbers["challenger"]["mae"] == found.numbers["challenger_loss"]
