"""What holds of drift for any data: identity, order, grouping, monotony."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_ct.core.drift.binning import Ints, keys
from iris_ct.core.drift.error import compare_error
from iris_ct.core.drift.grid import Grid, learn_grid
from iris_ct.core.drift.report import compare_windows
from iris_ct.core.drift.statistics import (
    chi_square,
    holm,
    kolmogorov_smirnov,
    population_stability_index,
)
from iris_ct.core.drift.summary import Summary, SummaryBuilder, merge_summaries, summary_from_bytes
from iris_ct.core.policy import DriftPolicy
from iris_ct.core.specification import parse_specification

DAY = 86_400_000_000
SPECIFICATION = parse_specification(
    {
        "name": "m",
        "task": "binary",
        "target": "y",
        "event_time": "t",
        "features": {"x": "numeric", "c": "categorical", "b": "boolean"},
    },
    source="models/m.toml",
)

numbers = st.none() | st.floats(allow_subnormal=False) | st.integers(-3, 3).map(float)
row = st.tuples(
    st.integers(-10 * DAY, 400 * DAY),
    numbers,
    st.none() | st.sampled_from(["a", "b", "c"]) | st.text(max_size=3),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["no", "yes"]),
)
frames = st.lists(row, min_size=1, max_size=60).map(
    lambda rows: pl.DataFrame(
        [(i, *values) for i, values in enumerate(rows)],
        schema={
            "_row": pl.Int64,
            "_position": pl.Int64,
            "x": pl.Float64,
            "c": pl.String,
            "b": pl.Boolean,
            "y": pl.String,
        },
        orient="row",
    )
)
counts = st.lists(st.integers(0, 5_000), min_size=2, max_size=30).filter(any).map(np.array)


def summarise(frame: pl.DataFrame, grid: Grid, *, chunk: int | None = None) -> Summary:
    builder = SummaryBuilder(grid, cell_length=DAY, seed=3)
    for start in range(0, frame.height, chunk or frame.height):
        builder.add(frame[start : start + (chunk or frame.height)])
    return builder.build()


@given(counts)
def test_psi_of_a_window_with_itself_is_zero(window: Ints) -> None:
    assert population_stability_index(window, window) == 0.0


@given(counts, st.integers(0, 2**32))
def test_statistics_stay_in_their_range(window: Ints, seed: int) -> None:
    other = np.random.default_rng(seed).permutation(window)

    assert population_stability_index(window, other) >= 0.0
    for statistic, p_value in (kolmogorov_smirnov(window, other), chi_square(window, other)):
        assert statistic >= 0.0
        assert 0.0 <= p_value <= 1.0


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=50))
def test_a_larger_value_never_has_a_smaller_key(values: list[float]) -> None:
    ordered = np.sort(np.array(values) + 0.0)

    assert np.all(np.diff(keys(ordered)) >= 0)


@given(frames, st.integers(1, 17), st.integers(0, 2**32))
def test_neither_the_order_of_rows_nor_their_chunks_matter(
    frame: pl.DataFrame, chunk: int, seed: int
) -> None:
    grid = learn_grid(frame, SPECIFICATION)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)

    whole = summarise(frame, grid).to_bytes()

    assert learn_grid(shuffled, SPECIFICATION) == grid
    assert summarise(frame, grid, chunk=chunk).to_bytes() == whole
    assert summarise(shuffled, grid, chunk=chunk).to_bytes() == whole


@given(frames)
def test_every_row_is_counted_once_for_every_column(frame: pl.DataFrame) -> None:
    summary = summarise(frame, learn_grid(frame, SPECIFICATION))

    for column in summary.layout.columns:
        assert summary.totals[column.counts].sum() == frame.height
        assert (
            summary.totals[column.counts][-1]
            == (
                frame[column.name].is_null()
                | (frame[column.name].cast(pl.String) == "NaN").fill_null(True)
                if column.kind == "numeric"
                else frame[column.name].is_null()
            ).sum()
        )


@given(frames, st.integers(1, 20), st.integers(1, 20))
def test_merging_is_associative_and_commutative(
    frame: pl.DataFrame, first: int, second: int
) -> None:
    grid = learn_grid(frame, SPECIFICATION)
    a, b, c = (
        summarise(part, grid)
        if part.height
        else merge_summaries([summarise(frame[:1], grid)], from_position=10**18)
        for part in (frame[:first], frame[first : first + second], frame[first + second :])
    )

    at_once = merge_summaries([a, b, c]).to_bytes()

    assert merge_summaries([merge_summaries([a, b]), c]).to_bytes() == at_once
    assert merge_summaries([a, merge_summaries([b, c])]).to_bytes() == at_once
    assert merge_summaries([c.to_bytes(), a.to_bytes(), b.to_bytes()]).to_bytes() == at_once


@given(frames, st.integers(-11 * DAY, 401 * DAY))
def test_windows_that_touch_part_the_rows(frame: pl.DataFrame, border: int) -> None:
    summary = summarise(frame, learn_grid(frame, SPECIFICATION))

    before = merge_summaries([summary], to_position=border - 1)
    after = merge_summaries([summary], from_position=border)

    assert before.total_rows + after.total_rows == frame.height
    assert np.array_equal(before.totals + after.totals, summary.totals)


@given(frames)
def test_bytes_are_read_back_unchanged(frame: pl.DataFrame) -> None:
    content = summarise(frame, learn_grid(frame, SPECIFICATION)).to_bytes()

    assert summary_from_bytes(content).to_bytes() == content


@given(frames, frames)
def test_a_stricter_significance_never_drifts_more(
    reference: pl.DataFrame, current: pl.DataFrame
) -> None:
    grid = learn_grid(reference, SPECIFICATION)
    windows = summarise(reference, grid), summarise(current, grid)

    drifted = [
        set(
            compare_windows(
                *windows,
                policy=DriftPolicy(significance=significance, psi_floor=0.0, min_rows=1),
            ).drifted_features
        )
        for significance in (0.3, 0.01, 1e-6)
    ]

    assert drifted[0] >= drifted[1] >= drifted[2]


@given(frames)
def test_a_window_has_not_drifted_from_itself(frame: pl.DataFrame) -> None:
    window = summarise(frame, learn_grid(frame, SPECIFICATION))

    report = compare_windows(
        window, window, policy=DriftPolicy(significance=0.49, psi_floor=0.0, min_rows=1)
    )

    assert not report.drifted


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values: list[float]) -> None:
    given_values = np.array(p_values)

    adjusted = holm(given_values)

    assert np.all(adjusted >= given_values)
    order = np.argsort(given_values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


@given(st.integers(0, 2**32), st.floats(0.5, 3.0))
def test_a_stricter_significance_never_finds_more_error_drift(seed: int, factor: float) -> None:
    losses = np.random.default_rng(seed).exponential(factor, size=240)

    drifted = [
        compare_error(
            1.0,
            losses,
            np.arange(240),
            policy=DriftPolicy(significance=significance),
            block_length=24,
        ).drifted
        for significance in (0.3, 0.01, 1e-6)
    ]

    assert drifted == sorted(drifted, reverse=True)


@given(st.floats(0.1, 10.0))
def test_error_drift_does_not_depend_on_the_unit_of_the_loss(scale: float) -> None:
    losses = np.random.default_rng(0).exponential(1.5, size=240)

    plain, scaled = (
        compare_error(k, k * losses, np.arange(240), policy=DriftPolicy(), block_length=24)
        for k in (1.0, scale)
    )

    assert scaled.factor == pytest.approx(plain.factor)
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-6)
