"""How often windows of one source raise an alarm, and what counting on a grid costs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.unit.core.drift.frames import grid_of, rows, summarise

from iris_ct.core.drift.binning import Floats, Ints
from iris_ct.core.drift.report import compare_windows
from iris_ct.core.drift.statistics import (
    chi_square,
    decile_starts,
    kolmogorov_smirnov,
    population_stability_index,
)
from iris_ct.core.drift.summary import Summary, merge_summaries
from iris_ct.core.policy import DriftPolicy

SIZES = [10**3, 10**4, 10**5, 10**6]
KINDS = {
    **{f"x{i}": "numeric" for i in range(6)},
    **{f"c{i}": "categorical" for i in range(3)},
    "b": "boolean",
}


def source(seed: int = 0) -> Summary:
    """A window of 50,000 rows with continuous, skewed, whole, constant and missing values."""
    n, rng = 50_000, np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "x0": rng.normal(size=n),
        "x1": np.exp(2 * rng.normal(size=n)),
        "x2": rng.poisson(3.0, size=n).astype(float),
        "x3": np.where(rng.random(n) < 0.05, np.nan, rng.normal(size=n)),
        "x4": np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)),
        "x5": np.ones(n),
        "c0": rng.choice(["a", "b", "c"], size=n),
        "c1": [f"n{i}" for i in np.minimum(rng.zipf(1.5, size=n), 200)],  # many rare names
        "c2": [None if r < 0.001 else "only" for r in rng.random(n)],
        "b": rng.random(n) < 0.3,
    }
    frame = rows(n, **columns)
    return merge_summaries([summarise(frame, grid_of(frame, **KINDS))])


def draw(of: Summary, n: int, rng: np.random.Generator) -> Summary:
    """Another window of the same source: multinomial counts, each column by itself."""
    counts = np.zeros(of.layout.n_codes, dtype=np.int64)
    for column in of.layout.columns:
        shares = of.totals[column.counts] / of.total_rows
        counts[column.counts] = rng.multinomial(n, shares)
    return replace(
        of,
        n_rows=np.array([n]),
        counts=counts[None, :].astype(np.uint32),
        sums=0 * of.sums,  # moments play no part in the verdict
        squares=0 * of.squares,
    )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("n_reference", [None, 10**5], ids=["equal", "of 100,000"])
def test_alarms_without_drift_are_as_rare_as_stated(n: int, n_reference: int | None) -> None:
    """With no floor on PSI, so that significance alone keeps quiet, at a rate that shows."""
    policy = DriftPolicy(significance=0.05, psi_floor=0.0)
    usual, rng = source(), np.random.default_rng(n)
    n_draws = 250

    reports = [
        compare_windows(draw(usual, n_reference or n, rng), draw(usual, n, rng), policy=policy)
        for _ in range(n_draws)
    ]

    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_draws)
    assert np.mean([report.drifted for report in reports]) <= limit
    significant = [
        any((feature.adjusted_p_value or 0.0) <= 0.05 for feature in report.features)
        for report in reports
    ]
    assert np.mean(significant) <= limit


@pytest.mark.parametrize("n", SIZES)
def test_the_default_policy_is_silent_without_drift(n: int) -> None:
    usual, rng = source(), np.random.default_rng(n)

    reports = [
        compare_windows(draw(usual, 10**5, rng), draw(usual, n, rng), policy=DriftPolicy())
        for _ in range(100)
    ]

    assert not any(report.drifted for report in reports)


def test_p_values_without_drift_are_not_far_too_large() -> None:
    """A test that never says anything would pass the others: one p-value in two is below 0.9."""
    usual, rng = source(), np.random.default_rng(1)
    p_values = [
        kolmogorov_smirnov(*(rng.multinomial(10**5, np.full(200, 1 / 200)) for _ in range(2)))[1]
        for _ in range(500)
    ]
    exact = [
        chi_square(*(rng.multinomial(10**5, np.full(12, 1 / 12)) for _ in range(2)))[1]
        for _ in range(500)
    ]

    assert usual.total_rows == 50_000
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.045, abs=0.03)
    assert np.mean(np.array(exact) <= 0.05) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("shift", [0.0, 0.003, 0.02])
def test_ks_on_the_grid_is_ks_of_a_million_rows(shift: float) -> None:
    """The summary's own error is far below the critical distance at the largest window."""
    n, rng = 10**6, np.random.default_rng(4)
    a, b = rng.normal(size=n), rng.normal(size=n) + shift
    grid = grid_of(rows(100_000, x=a[:100_000]))
    column = grid.columns[0]
    of_a, of_b = (
        np.bincount(column.number_codes(column.steps(values)), minlength=column.n_codes)[:-1]
        for values in (a, b)
    )

    on_grid, _ = kolmogorov_smirnov(of_a, of_b)

    exact = stats.ks_2samp(a, b, method="asymp").statistic
    # Asymptotic critical distance of one of 20 features at the default significance.
    critical = stats.kstwobign.isf(0.001 / 20) * np.sqrt(2 / n)
    assert exact - 0.05 * critical <= on_grid <= exact


@pytest.mark.parametrize("n", [10**3, 10**6])
def test_psi_of_merged_counts_is_psi_of_the_rows_at_the_same_edges(n: int) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=n), rng.normal(size=n) * 1.1 + 0.1
    grid = grid_of(rows(n, x=a))
    parts = [
        [
            summarise(rows(n // 10, x=values[at : at + n // 10]), grid).to_bytes()
            for at in range(0, n, n // 10)
        ]
        for values in (a, b)
    ]
    column = merge_summaries(parts[0]).layout.columns[0]
    merged_a, merged_b = (merge_summaries(part).totals[column.counts][:-1] for part in parts)

    starts = decile_starts(merged_a)
    merged = population_stability_index(
        np.add.reduceat(merged_a, starts), np.add.reduceat(merged_b, starts)
    )

    def from_rows(values: Floats) -> Ints:
        codes = grid.columns[0].number_codes(grid.columns[0].steps(values))
        return np.bincount(np.searchsorted(starts, codes, side="right") - 1, minlength=len(starts))

    assert merged == population_stability_index(from_rows(a), from_rows(b))
