from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from iris_ct.core.errors import InsufficientDataError
from iris_ct.core.evaluation.comparison import paired_blocks


def test_equal_losses_have_no_change_and_no_width() -> None:
    losses = np.random.default_rng(1).random(100)
    found = paired_blocks(losses, losses, np.arange(100), block=10, confidence=0.95)
    assert (found.change, found.low, found.high, found.n_blocks) == (0.0, 0.0, 0.0, 10)


def test_the_interval_is_that_of_a_ratio_estimator_by_hand() -> None:
    # Eight blocks of one row: champion 1 each, challenger 1 or 2 in turn.
    old, new = np.ones(8), np.tile([1.0, 2.0], 4)
    found = paired_blocks(old, new, np.arange(8), block=1, confidence=0.95)
    # Ratio 1.5; residuals +-0.5; se = sqrt(8/7 * 8 * 0.25) / 8.
    error = np.sqrt(8 / 7 * 8 * 0.25) / 8
    reach = stats.t.ppf(0.975, 7) * error
    assert found.change == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_one_block_for_each_row_is_the_usual_paired_t_interval() -> None:
    # With a constant champion loss the ratio's interval is the t interval of the mean.
    new = np.random.default_rng(2).random(50)
    found = paired_blocks(np.ones(50), new, np.arange(50), block=1, confidence=0.9)
    low, high = stats.t.interval(0.9, 49, loc=new.mean(), scale=stats.sem(new))
    assert (found.low, found.high) == pytest.approx((low - 1, high - 1))


def test_too_long_blocks_become_eight_even_ones() -> None:
    losses = np.random.default_rng(3).random(80)
    found = paired_blocks(losses, losses * 1.1, np.arange(80), block=1000, confidence=0.95)
    assert found.n_blocks == 8
    assert found.change == pytest.approx(0.1)


def test_neighbours_that_move_together_widen_the_interval() -> None:
    """A shared daily error must not pass for 24 independent witnesses."""
    rng = np.random.default_rng(4)
    day = np.repeat(rng.normal(size=40), 24)
    new = 10.0 + day
    positions = np.arange(new.size)
    by_day = paired_blocks(np.full(960, 10.0), new, positions, block=24, confidence=0.95)
    by_row = paired_blocks(np.full(960, 10.0), new, positions, block=1, confidence=0.95)
    assert by_day.high - by_day.low > 4 * (by_row.high - by_row.low)


def test_root_mean_squares_change_as_roots_do() -> None:
    old = np.random.default_rng(5).random(100) ** 2
    found = paired_blocks(old, old * 1.21, np.arange(100), block=10, confidence=0.9, metric="rmse")
    assert found.change == pytest.approx(0.1)
    assert found.champion_loss == pytest.approx(np.sqrt(old.mean()))


def test_the_interval_covers_the_true_change_about_as_often_as_it_says() -> None:
    """Simulated: 500 holdouts of 20 blocks whose true relative change is 0.1."""
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(500):
        old = rng.gamma(4.0, 0.25, (20, 30)) * rng.gamma(20.0, 0.05, (20, 1))
        new = old * 1.1 + rng.normal(0, 0.2, (20, 1)) + rng.normal(0, 0.2, (20, 30))
        found = paired_blocks(old.ravel(), new.ravel(), np.arange(600), block=30, confidence=0.9)
        hits += found.low <= 0.1 <= found.high
    assert 0.85 <= hits / 500 <= 0.95


def test_a_champion_without_loss_cannot_be_beaten() -> None:
    zero, some = np.zeros(20), np.ones(20)
    found = paired_blocks(zero, some, np.arange(20), block=1, confidence=0.9)
    assert found.change == float("inf")
    assert found.content()["change"] is None
    assert paired_blocks(zero, zero, np.arange(20), block=1, confidence=0.9).change == 0.0


def test_fewer_than_eight_rows_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="8 rows"):
        paired_blocks(np.ones(7), np.ones(7), np.arange(7), block=1, confidence=0.9)
