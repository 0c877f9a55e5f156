"""Rollouts under way: stages, records, what survives a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iris_ct.control.counts import Counts
from iris_ct.control.rollouts import Progress, Rollouts, begin, look, shares
from iris_ct.core.decision import decision_from_content
from iris_ct.core.narration import narrate
from iris_ct.core.rollout import Loss, RolloutPolicy, parse_stages

POLICY = RolloutPolicy(stages=parse_stages("shadow,0.1,0.5"), min_requests=50, min_stage_s=10.0)
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOUNDS = (0.01, 0.1)


def counts(stable: int, candidate: int, *, errors: int = 0, slow: int = 0) -> dict[str, Counts]:
    return {
        "bikes:3": Counts(stable, 0, BOUNDS, (stable, 0, 0)),
        "bikes:4": Counts(candidate, errors, BOUNDS, (candidate - slow, slow, 0)),
    }


def started(before: dict[str, Counts]) -> Progress:
    step = begin("bikes", "bikes:3", "bikes:4", before, policy=POLICY, actor="control", at=START)
    assert step.progress is not None
    assert step.decision is not None
    assert step.decision.outcome == "begin"
    return step.progress


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def no_labels(_image: str) -> None:
    return None


def test_a_good_candidate_passes_all_stages_and_gets_every_request() -> None:
    now = counts(1000, 0)
    progress: Progress | None = started(now)
    seen, outcomes = [], []
    for number in range(1, 4):
        assert progress is not None
        seen.append(shares(progress, POLICY)[0])
        now = counts(1000 + 100 * number, 60 * number)
        step = look(
            progress,
            now,
            policy=POLICY,
            actor="control",
            at=at(11 * number),
            loss=no_labels,
        )
        assert step.decision is not None
        outcomes.append(step.decision.outcome)
        progress = step.progress
    assert seen == [0.0, 0.1, 0.5]
    assert outcomes == ["forward", "forward", "full"]
    assert progress is None


def test_only_what_came_in_the_stage_counts() -> None:
    progress = started(counts(1000, 400))
    step = look(progress, counts(1100, 440), policy=POLICY, actor="c", at=at(60), loss=no_labels)
    assert step.progress is progress
    assert step.decision is None


def test_a_failing_candidate_is_taken_back_for_good_with_the_numbers_in_the_record() -> None:
    progress = started(counts(1000, 0))
    step = look(
        progress,
        counts(1100, 20, errors=20),
        policy=POLICY,
        actor="c",
        at=at(1),
        loss=no_labels,
    )
    assert step.decision is not None
    assert step.decision.outcome == "back"
    failed = [check for check in step.decision.checks if not check.passed]
    assert [check.name for check in failed] == ["share of errors"]
    assert step.progress is not None
    assert step.progress.state == "back"
    assert shares(step.progress, POLICY) == (0.0, None)


def test_a_candidate_that_finds_wrong_what_the_stable_model_takes_is_taken_back() -> None:
    """As when a feature was renamed: each answer is a 400, which is nobody's failure alone."""
    progress = started(counts(1000, 0))
    for wrong, expected in ((5, "running"), (50, "back")):
        now = {
            "bikes:3": Counts(1100, 0, BOUNDS, (1100, 0, 0), rejected=5),
            "bikes:4": Counts(50, 0, BOUNDS, (50, 0, 0), rejected=wrong),
        }
        step = look(progress, now, policy=POLICY, actor="c", at=at(5), loss=no_labels)
        assert step.progress is not None
        assert step.progress.state == expected


def test_a_candidate_slower_than_the_limit_of_the_start_is_taken_back() -> None:
    progress = started(counts(1000, 0))
    assert progress.slow_limit_s == 0.01
    step = look(
        progress,
        counts(1100, 100, slow=90),
        policy=POLICY,
        actor="c",
        at=at(30),
        loss=no_labels,
    )
    assert step.decision is not None
    assert "slow" in step.decision.reason


def test_a_candidate_with_a_higher_loss_is_taken_back() -> None:
    progress = started(counts(1000, 0))
    losses = {"bikes:3": Loss(1.0, 0.01, 1000), "bikes:4": Loss(2.0, 0.1, 100)}
    step = look(progress, counts(1100, 60), policy=POLICY, actor="c", at=at(30), loss=losses.get)
    assert step.decision is not None
    assert step.decision.outcome == "back"


def test_a_gateway_that_started_anew_counts_from_nothing() -> None:
    progress = started(counts(5000, 4000))
    step = look(progress, counts(90, 60), policy=POLICY, actor="c", at=at(30), loss=no_labels)
    assert step.decision is not None
    assert step.decision.outcome == "forward"


def test_a_rollout_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.json"
    progress = started(counts(1000, 0))
    Rollouts(path).keep("bikes", progress)
    assert Rollouts(path).of("bikes") == progress
    Rollouts(path).keep("bikes", None)
    assert Rollouts(path).of("bikes") is None


@pytest.mark.parametrize("errors", [0, 60])
def test_each_step_can_be_told_in_words(errors: int) -> None:
    progress = started(counts(1000, 0))
    step = look(
        progress,
        counts(1100, 60, errors=errors),
        policy=POLICY,
        actor="control",
        at=at(30),
        loss=no_labels,
    )
    assert step.decision is not None
    told = narrate(decision_from_content(step.decision.content()), None)
    assert told[0].startswith("Rollout of bikes: ")
    assert any("share of errors" in line for line in told)
