"""Is a retraining due, and for which reason: facts and a policy in, a ruling out."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.core.cycle import TriggerReason
from iris_ct.core.decision import Check
from iris_ct.core.policy import TriggerPolicy

WISHES: dict[str, TriggerReason] = {"manual": "manual", "schedule": "schedule"}
"""Wishes of a person or a clock, which need no other reason."""


@dataclass(frozen=True)
class RetrainingFacts:
    """What is known when the question is asked.

    Attributes
    ----------
    wish : str
        Who asks: batch, follow_up, manual or schedule.
    has_champion : bool
        Something serves.
    recipe_changed : bool
        The specification changed what is learned since the champion was trained.
    n_labelled : int
        Mature labelled rows of all time.
    n_fresh : int
        Mature labelled rows newer than the champion's fit, if there is one, and than all rows
        spent in gates.
    n_fresh_needed : int
        Fresh rows that a gate needs to judge.
    min_rows : int
        Labelled rows that a first model needs.
    drifted, error_drifted : bool
        Outcome of the newest checks.
    since_last_cycle : int or None
        Event positions since the last cycle; None before the first.
    cooldown : int
        Event positions that must pass between cycles.
    """

    wish: str
    has_champion: bool
    recipe_changed: bool
    n_labelled: int
    n_fresh: int
    n_fresh_needed: int
    min_rows: int
    drifted: bool
    error_drifted: bool
    since_last_cycle: int | None
    cooldown: int


@dataclass(frozen=True)
class Ruling:
    """Retrain or skip, why, and every question that was asked."""

    is_due: bool
    reason: TriggerReason | None
    text: str
    checks: tuple[Check, ...]


def rule_on_retraining(facts: RetrainingFacts, policy: TriggerPolicy) -> Ruling:
    """Rule whether a retraining is due.

    A first model waits for enough rows, after a refused one for enough fresh ones. After it, a person and the clock always get their cycle
    (the gate says what it was worth); anything else needs a reason, enough fresh rows for a gate,
    and a cooldown that has passed.
    """
    if not facts.has_champion:
        return _first_model(facts)
    if facts.wish in WISHES:
        return Ruling(True, WISHES[facts.wish], f"asked for: {facts.wish}", ())
    reasons = _reasons(facts, policy)
    reason = next((name for name, check in reasons if check.passed), None)
    rows = _fresh_rows(facts)
    rest = Check(
        "cooldown",
        facts.since_last_cycle,
        facts.cooldown,
        facts.since_last_cycle is None or facts.since_last_cycle >= facts.cooldown,
        "event positions since the last cycle, at least",
    )
    checks = (*(check for _, check in reasons), rows, rest)
    if reason is None:
        return Ruling(False, None, "no reason to retrain", checks)
    if not rows.passed:
        missing = facts.n_fresh_needed - facts.n_fresh
        return Ruling(False, reason, f"{reason}, but {missing} more fresh rows are needed", checks)
    if not rest.passed:
        return Ruling(False, reason, f"{reason}, but the cooldown has not passed", checks)
    return Ruling(True, reason, str(reason), checks)


def _first_model(facts: RetrainingFacts) -> Ruling:
    rows = Check(
        "labelled_rows",
        facts.n_labelled,
        facts.min_rows,
        facts.n_labelled >= facts.min_rows,
        "mature labelled rows for a first model, at least",
    )
    if rows.passed:
        return _first_or_next(facts, rows)
    missing = facts.min_rows - facts.n_labelled
    text = f"a first model needs {missing} more labelled rows"
    if facts.wish in WISHES:
        # A person is answered by the gate, which names the number again.
        return Ruling(True, WISHES[facts.wish], f"asked for, although {text}", (rows,))
    return Ruling(False, "first_model", text, (rows,))


def _first_or_next(facts: RetrainingFacts, rows: Check) -> Ruling:
    """Rule once there are rows enough; after a refused first model fresh ones are needed too.

    A gate has spent the others. Without this every batch would cut a snapshot to be held.
    """
    if facts.wish in WISHES or facts.n_fresh == facts.n_labelled:
        return Ruling(True, "first_model", "first model", (rows,))
    fresh = _fresh_rows(facts)
    if fresh.passed:
        return Ruling(True, "first_model", "first model", (rows, fresh))
    missing = facts.n_fresh_needed - facts.n_fresh
    text = f"a first model was refused; the next needs {missing} more fresh rows"
    return Ruling(False, "first_model", text, (rows, fresh))


def _fresh_rows(facts: RetrainingFacts) -> Check:
    return Check(
        "fresh_rows",
        facts.n_fresh,
        facts.n_fresh_needed,
        facts.n_fresh >= facts.n_fresh_needed,
        "fresh labelled rows, at least",
    )


def _reasons(facts: RetrainingFacts, policy: TriggerPolicy) -> list[tuple[TriggerReason, Check]]:
    """List the reasons in the order in which they name a cycle."""
    new_rows = policy.new_rows
    return [
        (
            "specification",
            Check("recipe_changed", int(facts.recipe_changed), 1, facts.recipe_changed, "equals"),
        ),
        (
            "error",
            Check(
                "error_drifted",
                int(facts.error_drifted),
                1,
                policy.on_error and facts.error_drifted,
                "equals, if trigger.on_error",
            ),
        ),
        (
            "drift",
            Check(
                "drifted",
                int(facts.drifted),
                1,
                policy.on_drift and facts.drifted,
                "equals, if trigger.on_drift",
            ),
        ),
        (
            "new_rows",
            Check(
                "new_rows",
                facts.n_fresh,
                new_rows,
                new_rows is not None and facts.n_fresh >= new_rows,
                "fresh labelled rows, at least, if trigger.new_rows",
            ),
        ),
    ]
