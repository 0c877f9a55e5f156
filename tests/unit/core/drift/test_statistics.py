import math

import numpy as np
import pytest
from scipy import stats

from iris_ct.core.drift.binning import Ints
from iris_ct.core.drift.statistics import (
    EMPTY_BIN_SHARE,
    chi_square,
    decile_starts,
    holm,
    kolmogorov_smirnov,
    largest_share_change,
    pool,
    population_stability_index,
    psi_critical,
)


def counts(*numbers: int) -> Ints:
    return np.array(numbers, dtype=np.int64)


def test_psi_of_two_bins_by_hand() -> None:
    # (0.3 - 0.5) ln(0.3 / 0.5) + (0.7 - 0.5) ln(0.7 / 0.5)
    expected = -0.2 * math.log(0.6) + 0.2 * math.log(1.4)

    assert population_stability_index(counts(50, 50), counts(300, 700)) == pytest.approx(expected)


def test_psi_is_symmetric() -> None:
    a, b = counts(10, 20, 70), counts(400, 300, 300)

    assert population_stability_index(a, b) == pytest.approx(population_stability_index(b, a))


def test_an_empty_bin_counts_as_the_least_share() -> None:
    psi = population_stability_index(counts(1_000_000, 0), counts(900_000, 100_000))

    expected = -0.1 * math.log(0.9) + (0.1 - EMPTY_BIN_SHARE) * math.log(0.1 / EMPTY_BIN_SHARE)
    assert psi == pytest.approx(expected)


def test_an_empty_bin_of_a_small_window_counts_as_half_a_row() -> None:
    psi = population_stability_index(counts(500, 500), counts(100, 0))

    assert psi == pytest.approx(0.5 * math.log(2) + (0.5 - 0.005) * math.log(0.5 / 0.005))


def test_psi_of_windows_of_one_source_has_the_stated_distribution() -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    psi = np.array(
        [
            population_stability_index(
                rng.multinomial(20_000, shares), rng.multinomial(5_000, shares)
            )
            for _ in range(4_000)
        ]
    )

    # Mean and quantiles of (1/n + 1/m) chi-square(9), from scipy.stats.
    scale = 1 / 20_000 + 1 / 5_000
    assert psi.mean() == pytest.approx(9 * scale, rel=0.03)
    assert np.quantile(psi, 0.95) == pytest.approx(scale * stats.chi2(9).ppf(0.95), rel=0.05)
    assert np.mean(psi > psi_critical(20_000, 5_000, 10, 0.05)) == pytest.approx(0.05, abs=0.014)


def test_critical_psi_is_a_scaled_quantile_of_chi_square() -> None:
    assert psi_critical(4_000, 1_000, 12, 1e-4) == pytest.approx(
        (1 / 4_000 + 1 / 1_000) * stats.chi2(11).isf(1e-4)
    )


def test_a_single_bin_has_no_critical_psi() -> None:
    assert psi_critical(4_000, 1_000, 1, 1e-4) == 0.0


def test_ks_equals_scipy_where_every_value_has_its_cell() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 40, 6_000), rng.integers(0, 41, 3_000)

    d, p = kolmogorov_smirnov(np.bincount(a, minlength=41), np.bincount(b, minlength=41))

    theirs = stats.ks_2samp(a, b, method="asymp")
    assert d == pytest.approx(theirs.statistic)
    # SciPy corrects the asymptotic p-value downwards for small windows; ours stays above it.
    assert theirs.pvalue <= p <= 1.1 * theirs.pvalue


def test_ks_without_rows_says_nothing() -> None:
    assert kolmogorov_smirnov(counts(0, 0), counts(1, 5)) == (0.0, 1.0)


def test_chi_square_equals_scipy() -> None:
    a, b = counts(120, 300, 45, 800), counts(60, 90, 40, 310)

    statistic, p = chi_square(a, b)

    theirs = stats.chi2_contingency(np.array([a, b]), correction=False)
    assert statistic == pytest.approx(theirs.statistic)
    assert p == pytest.approx(theirs.pvalue)


def test_chi_square_pools_bins_that_expect_too_few_rows() -> None:
    a, b = counts(500, 400, 6, 4, 3), counts(500, 420, 2, 5, 6)

    statistic, _ = chi_square(a, b)

    # All but the third expect fewer than five rows: 4.0, 4.5, 4.5.
    theirs = stats.chi2_contingency(np.array([[500, 400, 13], [500, 420, 13]]), correction=False)
    assert statistic == pytest.approx(theirs.statistic)


def test_a_pool_that_is_too_small_joins_the_smallest_bin() -> None:
    statistic, _ = chi_square(counts(500, 100, 1), counts(450, 150, 0))

    theirs = stats.chi2_contingency(np.array([[500, 101], [450, 150]]), correction=False)
    assert statistic == pytest.approx(theirs.statistic)


@pytest.mark.parametrize(("a", "b"), [((5,), (7,)), ((0, 0), (3, 4)), ((3, 0), (4, 0))])
def test_one_bin_or_no_rows_have_no_chi_square(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert chi_square(counts(*a), counts(*b)) == (0.0, 1.0)


def test_a_share_that_changed_is_tested_exactly() -> None:
    a, b = counts(9_990, 10), counts(950, 50)

    change, p = largest_share_change(a, b)

    # Binomial tail of 50 or more of 60 at 1/11, from scipy.stats, two-sided, two bins.
    assert p == pytest.approx(2 * 2 * stats.binom(60, 1 / 11).sf(49), rel=1e-6)
    assert abs(change) == pytest.approx(0.05 - 0.001)


def test_the_exact_test_is_above_the_hypergeometric_one() -> None:
    _, p = largest_share_change(counts(900, 100), counts(240, 60))

    exact = stats.hypergeom(1_300, 160, 300).sf(59)
    assert p >= 2 * exact


def test_empty_bins_and_windows_change_no_share() -> None:
    assert largest_share_change(counts(0, 10), counts(0, 10))[1] == 1.0
    assert largest_share_change(counts(0, 0), counts(3, 10)) == (0.0, 1.0)


def test_deciles_of_even_cells() -> None:
    assert decile_starts(np.full(100, 7)).tolist() == list(range(0, 100, 10))


def test_a_cell_with_a_decile_of_the_rows_is_a_bin_of_its_own() -> None:
    cells = np.full(41, 10)
    cells[20] = 600  # 60 % of 1000

    starts = decile_starts(cells).tolist()

    assert {20, 21} <= set(starts)


def test_a_constant_reference_has_its_value_and_what_lies_around_it() -> None:
    assert decile_starts(counts(0, 0, 9, 0, 0)).tolist() == [0, 2, 3]


def test_without_rows_all_is_one_bin() -> None:
    assert decile_starts(counts(0, 0, 0)).tolist() == [0]


def test_pooling_keeps_all_rows() -> None:
    a, b = pool(counts(1, 2, 30), counts(4, 5, 60), np.array([True, True, False]))

    assert (a.tolist(), b.tolist()) == ([30, 3], [60, 9])


def test_pooling_empty_bins_leaves_no_bin() -> None:
    a, b = pool(counts(0, 30), counts(0, 60), np.array([True, False]))

    assert (a.tolist(), b.tolist()) == ([30], [60])


def test_holm_by_hand() -> None:
    # Sorted 0.001 * 4, 0.01 * 3, 0.03 * 2, 0.5 * 1.
    assert holm(np.array([0.03, 0.001, 0.5, 0.01])).tolist() == pytest.approx(
        [0.06, 0.004, 0.5, 0.03]
    )


def test_holm_of_nothing_is_nothing() -> None:
    assert holm(np.array([])).size == 0
