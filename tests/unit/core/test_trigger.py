"""Is a retraining due: the reasons, and what holds them back."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from iris_ct.core.policy import TriggerPolicy
from iris_ct.core.trigger import RetrainingFacts, rule_on_retraining

QUIET = RetrainingFacts(
    wish="batch",
    has_champion=True,
    recipe_changed=False,
    n_labelled=0,
    n_fresh=1000,
    n_fresh_needed=400,
    min_rows=2000,
    drifted=False,
    error_drifted=False,
    since_last_cycle=10,
    cooldown=5,
)
POLICY = TriggerPolicy()


def test_without_a_reason_nothing_is_retrained() -> None:
    ruling = rule_on_retraining(QUIET, POLICY)
    assert not ruling.is_due
    assert ruling.text == "no reason to retrain"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"drifted": True}, "drift"),
        ({"error_drifted": True, "drifted": True}, "error"),
        ({"recipe_changed": True, "error_drifted": True}, "specification"),
    ],
)
def test_the_strongest_reason_names_the_cycle(change: dict[str, bool], reason: str) -> None:
    facts = RetrainingFacts(**{**asdict(QUIET), **change})
    ruling = rule_on_retraining(facts, POLICY)
    assert ruling.is_due
    assert ruling.reason == reason


def test_new_rows_are_a_reason_only_where_the_policy_says_so() -> None:
    assert rule_on_retraining(QUIET, TriggerPolicy(new_rows=1000)).reason == "new_rows"
    assert not rule_on_retraining(QUIET, TriggerPolicy(new_rows=1001)).is_due


def test_a_reason_waits_for_enough_fresh_rows_and_says_how_many() -> None:
    ruling = rule_on_retraining(replace(QUIET, drifted=True, n_fresh=399), POLICY)
    assert not ruling.is_due
    assert ruling.text == "drift, but 1 more fresh rows are needed"


def test_a_reason_waits_for_the_cooldown() -> None:
    waiting = replace(QUIET, drifted=True, since_last_cycle=4)
    assert rule_on_retraining(waiting, POLICY).text == "drift, but the cooldown has not passed"
    assert rule_on_retraining(replace(waiting, since_last_cycle=5), POLICY).is_due
    assert rule_on_retraining(replace(waiting, since_last_cycle=None), POLICY).is_due


def test_drift_that_the_policy_ignores_is_no_reason() -> None:
    assert not rule_on_retraining(
        replace(QUIET, drifted=True), TriggerPolicy(on_drift=False)
    ).is_due


@pytest.mark.parametrize("wish", ["manual", "schedule"])
def test_a_person_and_the_clock_need_no_reason(wish: str) -> None:
    asked = replace(QUIET, wish=wish, n_fresh=0, since_last_cycle=0)
    ruling = rule_on_retraining(asked, POLICY)
    assert ruling.is_due
    assert ruling.reason == wish


def test_a_first_model_waits_for_its_rows() -> None:
    first = replace(QUIET, has_champion=False, n_labelled=1999)
    assert rule_on_retraining(first, POLICY).text == "a first model needs 1 more labelled rows"
    enough = rule_on_retraining(replace(first, n_labelled=2000), POLICY)
    assert (enough.is_due, enough.reason) == (True, "first_model")


def test_after_a_refused_first_model_the_next_waits_for_fresh_rows() -> None:
    """The gate has spent the others, and would only hold."""
    refused = replace(QUIET, has_champion=False, n_labelled=5000, n_fresh=399)
    ruling = rule_on_retraining(refused, POLICY)
    assert not ruling.is_due
    assert ruling.text == "a first model was refused; the next needs 1 more fresh rows"
    assert rule_on_retraining(replace(refused, n_fresh=400), POLICY).is_due
    assert rule_on_retraining(replace(refused, wish="manual"), POLICY).is_due
    assert rule_on_retraining(replace(refused, n_labelled=399, min_rows=300), POLICY).is_due
