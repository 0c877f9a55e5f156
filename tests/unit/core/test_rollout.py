"""Rollouts: stages, and the rule that moves them; expected numbers from SciPy or by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from iris_ct.core.errors import ConfigError
from iris_ct.core.rollout import (
    Loss,
    RolloutPolicy,
    Stage,
    Traffic,
    judge,
    loss_bounds,
    parse_stages,
    rate_bounds,
    slow_limit,
)

POLICY = RolloutPolicy(min_requests=100, min_stage_s=10.0)
STABLE = Traffic(requests=10_000, errors=10, slow=100)


def test_a_candidate_without_trouble_goes_forward_after_its_time_and_requests() -> None:
    enough = Traffic(requests=100, errors=0, slow=1)
    assert judge(STABLE, enough, elapsed_s=10.0, policy=POLICY).verdict == "forward"
    assert judge(STABLE, enough, elapsed_s=9.0, policy=POLICY).verdict == "wait"
    fewer = Traffic(requests=99, errors=0, slow=1)
    assert judge(STABLE, fewer, elapsed_s=10.0, policy=POLICY).verdict == "wait"


def test_a_failing_candidate_is_taken_back_at_once() -> None:
    decision = judge(STABLE, Traffic(requests=8, errors=8, slow=0), elapsed_s=0.5, policy=POLICY)
    assert decision.verdict == "back"
    assert decision.reason == "it fails more often than the stable model"
    check = decision.checks[0]
    assert not check.passed
    assert check.observed > check.required


def test_one_error_is_no_reason_to_go_back() -> None:
    once = Traffic(requests=50, errors=1, slow=0)
    assert judge(STABLE, once, elapsed_s=1.0, policy=POLICY).verdict == "wait"


def test_a_slow_candidate_is_taken_back() -> None:
    slow = Traffic(requests=200, errors=0, slow=100)
    decision = judge(STABLE, slow, elapsed_s=20.0, policy=POLICY)
    assert decision.verdict == "back"
    assert decision.reason == "it is slow more often than the stable model"


def test_a_candidate_with_a_higher_loss_is_taken_back() -> None:
    stable = Traffic(10_000, 0, 0, loss=Loss(1.0, 0.001, 10_000))

    def verdict(loss: Loss | None) -> str:
        traffic = Traffic(500, 0, 0, loss=loss)
        return judge(stable, traffic, elapsed_s=20.0, policy=POLICY).verdict

    # The margin is 5 %, and each interval some four standard errors to each side.
    assert verdict(Loss(1.06, 0.001, 10_000)) == "back"
    assert verdict(Loss(1.06, 0.01, 1000)) == "forward"
    assert verdict(Loss(1.05, 0.001, 10_000)) == "forward"
    assert verdict(None) == "forward"


def test_errors_that_the_stable_model_has_too_are_no_reason_to_go_back() -> None:
    broken = Traffic(requests=1000, errors=500, slow=0)
    assert judge(broken, broken, elapsed_s=20.0, policy=POLICY).verdict == "forward"


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 40), (40, 40), (250, 10_000)])
def test_the_bounds_solve_the_mixture_equation(hits: int, trials: int) -> None:
    """SciPy's binomial probability at each bound is the significance over ``trials + 1``."""
    for bound, edge in zip(rate_bounds(hits, trials, significance=0.01), (0, trials), strict=True):
        if hits == edge:
            assert bound == edge / trials
        else:
            found = (trials + 1) * stats.binom.pmf(hits, trials, bound)
            assert found == pytest.approx(0.01, rel=1e-6)


def test_looking_all_the_time_at_a_loss_keeps_the_false_alarm_rate() -> None:
    """Of 400 streams of exponential losses, looked at after every row, few leave the bounds.

    A single look's interval of the same significance is left by every fifth of them.
    """
    rng = np.random.default_rng(12)
    n_rows = np.arange(1, 2001)
    losses = rng.exponential(1.0, (400, 2000))
    means = losses.cumsum(axis=1) / n_rows
    spread = np.sqrt((losses**2).cumsum(axis=1) / n_rows - means**2) / np.sqrt(n_rows)
    looks = range(99, 2000, 20)
    left = sum(
        any(outside(Loss(means[one, n], spread[one, n], int(n_rows[n]))) for n in looks)
        for one in range(400)
    )
    once = (np.abs(means - 1.0) > 1.96 * spread)[:, 99:].any(axis=1).sum()
    assert left <= 400 * 0.05 < 80 <= once


def outside(loss: Loss) -> bool:
    low, high = loss_bounds(loss, significance=0.05)
    return not low <= 1.0 <= high


def test_looking_all_the_time_keeps_the_false_alarm_rate() -> None:
    """Of 400 streams of one rate, looked at after every request, few ever leave the bounds."""
    rng = np.random.default_rng(11)
    rate, length, left = 0.05, 400, 0
    for _ in range(400):
        hits = np.cumsum(rng.random(length) < rate)
        bounds = (rate_bounds(int(hits[n]), n + 1, significance=0.05) for n in range(0, length, 7))
        left += any(not low <= rate <= high for low, high in bounds)
    assert left <= 0.05 * 400


def test_nothing_seen_bounds_nothing() -> None:
    assert rate_bounds(0, 0, significance=0.01) == (0.0, 1.0)


def test_slow_is_what_the_stable_model_rarely_is() -> None:
    bounds = (0.001, 0.01, 0.1)
    assert slow_limit(bounds, (50, 49, 1, 0)) == 0.01
    assert slow_limit(bounds, (50, 40, 10, 0)) == 0.1
    assert slow_limit(bounds, (0, 0, 0, 9)) is None
    assert slow_limit(bounds, (0, 0, 0, 0)) is None


def test_stages_are_read_as_written() -> None:
    assert parse_stages("shadow,0.1,0.5") == (Stage(0.0), Stage(0.1), Stage(0.5))
    assert parse_stages("0.05") == (Stage(0.05),)


@pytest.mark.parametrize("text", ["", "0", "1", "1.5", "-0.1", "all", "0.1,shadow", "0.5,0.1"])
def test_stages_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        parse_stages(text)
