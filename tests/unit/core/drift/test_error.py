import numpy as np
import pytest
from scipy import stats

from iris_ct.core.canonical import canonical_json
from iris_ct.core.drift.binning import Floats, Ints
from iris_ct.core.drift.error import MIN_BLOCKS, ErrorDrift, compare_error
from iris_ct.core.errors import DataError
from iris_ct.core.policy import DriftPolicy

POLICY = DriftPolicy()
DAY = 24


def losses(n: int, mean: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).exponential(mean, size=n)


def compare(
    reference_loss: float,
    values: Floats,
    *,
    positions: Ints | None = None,
    policy: DriftPolicy = POLICY,
    block_length: int = DAY,
) -> ErrorDrift:
    positions = np.arange(len(values)) if positions is None else positions
    return compare_error(
        reference_loss, values, positions, policy=policy, block_length=block_length
    )


def test_a_loss_like_that_of_the_holdout_is_no_drift() -> None:
    verdict = compare(10.0, losses(720, 10.0))

    assert verdict.status == "measured"
    assert not verdict.drifted
    assert verdict.n_blocks == 30


def test_a_doubled_loss_has_drifted() -> None:
    verdict = compare(10.0, losses(720, 20.0))

    assert verdict.drifted
    assert verdict.factor == pytest.approx(2.0, rel=0.1)


def test_a_smaller_loss_has_not_drifted() -> None:
    assert not compare(10.0, losses(720, 2.0)).drifted


def test_a_real_but_small_increase_is_no_drift() -> None:
    verdict = compare(10.0, losses(72_000, 11.0))

    assert verdict.p_value is not None
    assert verdict.p_value < 1e-6
    assert not verdict.drifted


def test_a_large_increase_of_one_bad_day_is_no_drift() -> None:
    values = losses(720, 10.0)
    values[48:72] += 200.0

    verdict = compare(10.0, values)

    assert verdict.factor is not None
    assert verdict.p_value is not None
    assert verdict.factor > POLICY.error_factor
    assert verdict.p_value > POLICY.significance
    assert not verdict.drifted


def test_equal_blocks_give_the_p_value_of_a_t_test() -> None:
    values = losses(720, 11.0)

    verdict = compare(10.0, values)

    means = values.reshape(30, 24).mean(axis=1)
    theirs = stats.ttest_1samp(means, 10.0, alternative="greater")
    assert verdict.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_the_order_of_the_rows_does_not_matter() -> None:
    values, order = losses(720, 13.0), np.random.default_rng(1).permutation(720)

    shuffled = compare(10.0, values[order], positions=np.arange(720)[order])

    assert shuffled.p_value == pytest.approx(compare(10.0, values).p_value)
    assert shuffled.n_blocks == 30


def test_windows_shorter_than_eight_blocks_are_cut_into_eight() -> None:
    verdict = compare(10.0, losses(720, 30.0), block_length=1_000_000)

    assert verdict.n_blocks == MIN_BLOCKS
    assert verdict.drifted


@pytest.mark.parametrize("n", [0, 1, POLICY.min_rows - 1])
def test_too_few_losses_are_insufficient(n: int) -> None:
    verdict = compare(10.0, losses(n, 100.0))

    assert verdict.status == "insufficient"
    assert verdict.p_value is None
    assert not verdict.drifted


def test_a_perfect_holdout_has_no_factor_but_can_drift() -> None:
    verdict = compare(0.0, losses(720, 1.0))

    assert verdict.factor is None
    assert verdict.drifted


def test_no_loss_at_all_is_no_drift() -> None:
    verdict = compare(0.0, np.zeros(720))

    assert verdict.p_value == 1.0
    assert not verdict.drifted


def test_equal_losses_above_the_reference_have_drifted() -> None:
    assert compare(1.0, np.full(720, 2.0)).drifted


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 720"):
        compare(10.0, np.append(losses(719, 10.0), np.nan))


def test_every_loss_needs_its_position() -> None:
    with pytest.raises(DataError, match="one position"):
        compare(10.0, losses(720, 10.0), positions=np.arange(3))


def test_the_content_is_json() -> None:
    assert '"status":"measured"' in canonical_json(compare(0.0, losses(720, 1.0)).content())


def test_the_alarm_rate_without_drift_is_the_significance() -> None:
    policy = DriftPolicy(significance=0.05, error_factor=1.0001)
    n_draws = 2_000

    alarms = sum(
        compare(10.0, losses(720, 10.0, seed), policy=policy).drifted for seed in range(n_draws)
    )

    # Skewed losses make the t test of a mean above cautious; it must not be more than stated.
    assert 0.02 < alarms / n_draws < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_draws)
