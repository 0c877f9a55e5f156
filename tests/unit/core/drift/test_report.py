import json

import numpy as np
import polars as pl
import pytest
from tests.unit.core.drift.frames import DAY, grid_of, rows, summarise

from iris_ct.core.canonical import canonical_json
from iris_ct.core.drift.binning import Floats
from iris_ct.core.drift.report import DriftReport, FeatureDrift, compare_windows
from iris_ct.core.drift.statistics import population_stability_index
from iris_ct.core.drift.summary import merge_summaries
from iris_ct.core.errors import IntegrityError
from iris_ct.core.policy import DriftPolicy

POLICY = DriftPolicy()


def compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    policy: DriftPolicy = POLICY,
    **features: str,
) -> DriftReport:
    grid = grid_of(reference, **features)
    return compare_windows(summarise(reference, grid), summarise(current, grid), policy=policy)


def finding(report: DriftReport, name: str = "x") -> FeatureDrift:
    return next(feature for feature in report.features if feature.name == name)


def normal(n: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> Floats:
    return mean + deviation * np.random.default_rng(seed).normal(size=n)


def test_windows_of_one_source_have_not_drifted() -> None:
    report = compare(rows(20_000, seed=1), rows(5_000, seed=2))

    assert not report.drifted
    assert report.status == "measured"
    assert {feature.reason for feature in report.features} == {"within_chance"}


def test_a_window_has_not_drifted_from_itself() -> None:
    frame = rows(5_000)

    report = compare(frame, frame)

    assert finding(report).psi == 0.0
    assert finding(report).reason == "same"


def test_a_shifted_mean_has_drifted() -> None:
    report = compare(rows(20_000, x=normal(20_000, 1)), rows(2_000, x=normal(2_000, 2, 1.0)))

    assert report.drifted_features == ("x",)
    assert finding(report).reason == "shifted"
    assert finding(report).mean_shift == pytest.approx(1.0, abs=0.1)


def test_a_wider_spread_has_drifted() -> None:
    report = compare(rows(20_000, x=normal(20_000, 1)), rows(2_000, x=normal(2_000, 2, 0.0, 2.0)))

    assert report.drifted_features == ("x",)


def test_a_shift_far_beyond_the_first_range_has_drifted() -> None:
    report = compare(rows(2_000, x=normal(2_000, 1)), rows(2_000, x=normal(2_000, 2, 1e6)))

    assert report.drifted_features == ("x",)


def test_a_trivial_shift_of_a_million_rows_is_real_and_too_small() -> None:
    n = 1_000_000
    report = compare(rows(n, x=normal(n, 1)), rows(n, x=normal(n, 2, 0.02)))

    assert (finding(report).adjusted_p_value or 0.0) < 1e-6
    assert finding(report).reason == "small"
    assert not report.drifted


def test_psi_is_that_of_the_rows_in_the_same_deciles() -> None:
    reference, current = normal(50_000, 1), normal(10_000, 2, 0.4)
    report = compare(rows(50_000, x=reference), rows(10_000, x=current))

    edges = np.quantile(reference, np.arange(1, 10) / 10)
    from_rows = population_stability_index(
        np.bincount(np.searchsorted(edges, reference), minlength=10),
        np.bincount(np.searchsorted(edges, current), minlength=10),
    )

    # The grid's deciles are up to one cell, 0.6 % of the rows, away from the exact ones.
    assert finding(report).psi == pytest.approx(from_rows, rel=0.05)


def test_the_threshold_rises_for_small_windows() -> None:
    large = compare(rows(20_000, seed=1), rows(20_000, seed=2))
    small = compare(rows(20_000, seed=1), rows(250, seed=2))

    assert finding(large).psi_threshold == POLICY.psi_floor
    assert (finding(small).psi_threshold or 0.0) > POLICY.psi_floor


def test_new_categories_are_told() -> None:
    reference = rows(4_000, c=["a", "b"] * 2_000)
    current = rows(1_000, c=["a", "b", "c", "d"] * 250)

    report = compare(reference, current, c="categorical")

    assert finding(report, "c").reason == "new_categories"
    assert finding(report, "c").unseen_before == 0.0
    assert finding(report, "c").unseen_now == 0.5


def test_categories_that_came_after_the_first_rows_are_still_told_apart() -> None:
    grid = grid_of(rows(10, c=["january"] * 10), c="categorical")
    reference = summarise(rows(2_000, c=["may", "june"] * 1_000), grid)
    current = summarise(rows(1_000, c=["july"] * 1_000), grid)

    report = compare_windows(reference, current, policy=POLICY)

    assert finding(report, "c").reason == "shifted"
    assert finding(report, "c").unseen_before == 1.0


def test_values_that_go_missing_are_told() -> None:
    current = pl.Series([None, 1.0, 2.0, 3.0] * 250)
    report = compare(rows(4_000, x=[1.0, 2.0, 3.0, 2.0] * 1_000), rows(1_000, x=current))

    assert finding(report).reason == "missing_moved"
    assert finding(report).missing_now == 0.25


def test_a_constant_that_changes_has_drifted() -> None:
    report = compare(rows(1_000, x=[5.0] * 1_000), rows(1_000, x=[5.5] * 1_000))

    assert finding(report).drifted
    assert finding(report).mean_shift is None


@pytest.mark.parametrize("values", [[5.0], [None], [float("inf")], [float("nan")]])
def test_columns_without_variation_have_not_drifted(values: list[float | None]) -> None:
    frame = rows(1_000, x=pl.Series(values * 1_000, dtype=pl.Float64))

    report = compare(frame, frame)

    assert finding(report).psi == 0.0
    assert finding(report).p_value == 1.0
    assert not report.drifted


def test_a_column_that_was_missing_and_is_there_has_drifted() -> None:
    reference = rows(1_000, x=pl.Series([None] * 1_000, dtype=pl.Float64))

    report = compare(reference, rows(1_000))

    assert finding(report).reason == "missing_moved"


def test_booleans_drift() -> None:
    report = compare(
        rows(2_000, b=[True, False] * 1_000),
        rows(1_000, b=[True] * 900 + [False] * 100),
        b="boolean",
    )

    assert report.drifted_features == ("b",)


def test_a_category_that_replaces_another_has_drifted() -> None:
    reference = rows(3_000, c=["a", "b", "c"] * 1_000)
    current = rows(600, c=["a", "b", "b"] * 200)

    report = compare(reference, current, c="categorical")

    assert finding(report, "c").reason == "shifted"


def test_the_passing_of_time_is_no_drift() -> None:
    stamps = [
        pl.Series(np.arange(2_000) * DAY + start).cast(pl.Datetime("us", "UTC"))
        for start in (0, 10**17)
    ]

    report = compare(rows(2_000, d=stamps[0]), rows(2_000, d=stamps[1]), d="datetime")

    assert finding(report, "d").reason == "same"


def test_times_that_go_missing_have_drifted() -> None:
    stamps = pl.Series(np.arange(2_000) * DAY).cast(pl.Datetime("us", "UTC"))
    gone = pl.Series([None] * 2_000, dtype=pl.Datetime("us", "UTC"))

    report = compare(rows(2_000, d=stamps), rows(2_000, d=gone), d="datetime")

    assert finding(report, "d").reason == "missing_moved"


def test_the_target_is_measured_without_what_is_missing() -> None:
    reference = rows(4_000)
    current = rows(4_000, seed=1).with_columns(
        y=pl.when(pl.col("_row") < 1_000).then(pl.col("y") + 2.0)
    )

    target = finding(compare(reference, current), "y")

    assert target.role == "target"
    assert target.drifted
    assert target.reason == "shifted"
    assert target.missing_now == 0.75


def test_a_target_that_is_not_known_yet_is_insufficient_and_silent() -> None:
    report = compare(rows(4_000, seed=1), rows(4_000, seed=2).drop("y"))

    assert finding(report, "y").status == "insufficient"
    assert not report.drifted
    assert report.status == "measured"


@pytest.mark.parametrize("n", [0, POLICY.min_rows - 1])
def test_too_few_rows_are_insufficient_and_no_drift(n: int) -> None:
    report = compare(rows(1_000), rows(n, x=np.full(n, 1e9)))

    assert report.status == "insufficient"
    assert not report.drifted
    assert {feature.reason for feature in report.features} == {"insufficient"}
    assert finding(report).psi is None


def test_empty_windows_are_insufficient() -> None:
    frame = rows(0, x=pl.Series([], dtype=pl.Float64))

    assert compare(frame, frame).status == "insufficient"


def test_windows_of_different_grids_are_not_compared() -> None:
    first, second = (summarise(f, grid_of(f)) for f in (rows(500, seed=1), rows(500, seed=2)))

    with pytest.raises(IntegrityError, match="different drift grids"):
        compare_windows(first, second, policy=POLICY)


def test_the_content_is_json_and_names_no_category() -> None:
    report = compare(
        rows(2_000, x=normal(2_000, 1), c=["secret", "b"] * 1_000),
        rows(2_000, x=normal(2_000, 2, 9.0), c=["secret", "hidden"] * 1_000),
        x="numeric",
        c="categorical",
    )

    text = canonical_json(report.content())

    assert json.loads(text)["drifted_features"] == ["x", "c"]
    assert "secret" not in text
    assert "hidden" not in text


def test_merged_windows_give_the_report_of_their_rows() -> None:
    reference, current = rows(9_000, seed=1), rows(3_000, seed=2, x=normal(3_000, 3, 0.3))
    grid = grid_of(reference)
    parts = [
        summarise(reference[at : at + 1_000], grid).to_bytes() for at in range(0, 9_000, 1_000)
    ]
    now = summarise(current, grid)

    merged = compare_windows(merge_summaries(parts), now, policy=POLICY)
    whole = compare_windows(summarise(reference, grid), now, policy=POLICY)

    assert merged.content() == whole.content()
