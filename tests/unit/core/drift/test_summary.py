import numpy as np
import polars as pl
import pytest
from tests.unit.core.drift.frames import DAY, grid_of, rows, summarise

from iris_ct.core.drift.binning import Ints
from iris_ct.core.drift.cells import Summary, summary_from_bytes
from iris_ct.core.drift.sample import SAMPLE_ROWS
from iris_ct.core.drift.summary import MAX_CELLS, SummaryBuilder, merge_summaries
from iris_ct.core.errors import IntegrityError, SchemaMismatchError


def column_counts(summary: Summary, name: str) -> Ints:
    column = next(c for c in summary.layout.columns if c.name == name)
    return summary.totals[column.counts]


def test_every_row_is_counted_once_in_its_cell_of_time() -> None:
    frame = rows(3_000, days=30)

    summary = summarise(frame, grid_of(frame))

    assert summary.n_rows.tolist() == [100] * 30
    assert column_counts(summary, "x").sum() == 3_000
    assert summary.first[1] == DAY
    assert DAY <= summary.last[1] < 2 * DAY


def test_names_booleans_and_missing_values_are_counted() -> None:
    frame = rows(8, c=["a", "b", None, "a"] * 2, b=[True, False, None, True] * 2)
    grid = grid_of(frame, c="categorical", b="boolean")

    summary = summarise(frame.with_columns(c=pl.Series(["a", "new", None, "a"] * 2)), grid)

    a, b, *other, missing = column_counts(summary, "c").tolist()
    assert (a, b, sum(other), missing) == (4, 0, 2, 2)
    assert column_counts(summary, "b").tolist() == [2, 4, 2]  # false, true, missing


def test_nan_and_null_are_both_missing() -> None:
    frame = rows(4, x=[1.0, None, float("nan"), 2.0])

    summary = summarise(frame, grid_of(frame))

    assert column_counts(summary, "x")[-1] == 2
    assert summary.moments("x").n == 2


def test_a_target_that_is_not_known_yet_is_missing() -> None:
    frame = rows(100)

    summary = summarise(frame.drop("y"), grid_of(frame))

    assert column_counts(summary, "y")[-1] == 100


def test_moments_agree_with_numpy() -> None:
    values = 290 + 3 * np.random.default_rng(1).normal(size=20_000)
    frame = rows(20_000, x=values)

    moments = summarise(frame, grid_of(frame)).moments("x")

    assert moments.n == 20_000
    assert moments.mean == pytest.approx(values.mean(), abs=1e-4 * values.std())
    assert moments.deviation == pytest.approx(values.std(ddof=1), rel=1e-4)


def test_moments_without_values_are_not_numbers() -> None:
    frame = rows(5, x=pl.Series([None] * 5, dtype=pl.Float64))

    moments = summarise(frame, grid_of(frame)).moments("x")

    assert moments.n == 0
    assert np.isnan(moments.mean)
    assert np.isnan(moments.deviation)


def test_only_numbers_have_moments() -> None:
    frame = rows(4, c=["a", "b"] * 2)

    with pytest.raises(KeyError):
        summarise(frame, grid_of(frame, c="categorical")).moments("c")


def test_extreme_values_are_counted_without_a_warning() -> None:
    frame = rows(6, x=[-np.inf, -1e308, 0.0, 1e308, np.inf, float("nan")])

    summary = summarise(frame, grid_of(rows(100)))

    assert column_counts(summary, "x")[-1] == 1
    assert summary.moments("x").n == 5


def test_columns_of_nulls_without_a_type_are_missing() -> None:
    kinds = {"x": "numeric", "c": "categorical", "b": "boolean", "d": "datetime"}
    frame = rows(10).select("_row", "_position", *(pl.lit(None).alias(name) for name in kinds))

    summary = summarise(frame, grid_of(frame, **kinds))

    assert [column_counts(summary, name)[-1] for name in kinds] == [10] * 4


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(SchemaMismatchError, match="x"):
        SummaryBuilder(grid_of(rows(10)), cell_length=DAY, seed=0).add(rows(10).drop("x"))


def test_a_cell_needs_a_length() -> None:
    with pytest.raises(ValueError, match="cell_length"):
        SummaryBuilder(grid_of(rows(10)), cell_length=0, seed=0)


@pytest.mark.parametrize("n", [0, 50, 40_000], ids=["empty", "sparse", "dense"])
def test_a_summary_comes_back_from_its_bytes(n: int) -> None:
    frame = rows(n, x=np.random.default_rng(2).normal(size=n), c=(["a", "b"] * n)[:n])
    summary = summarise(frame, grid_of(frame, x="numeric", c="categorical"))

    again = summary_from_bytes(summary.to_bytes())

    assert again.to_bytes() == summary.to_bytes()
    assert again.layout == summary.layout
    assert np.array_equal(again.counts, summary.counts)
    assert np.array_equal(again.sums, summary.sums)
    assert np.array_equal(again.sample_rows, summary.sample_rows)


def test_a_sparse_summary_is_short() -> None:
    frame = rows(24)

    assert len(summarise(frame, grid_of(frame)).to_bytes()) < 2_500


@pytest.mark.parametrize("cut", [0, 3, 60, 400, -1])
def test_a_damaged_summary_is_refused(cut: int) -> None:
    frame = rows(500)

    with pytest.raises(IntegrityError, match="damaged"):
        summary_from_bytes(summarise(frame, grid_of(frame)).to_bytes()[:cut])


def test_bytes_of_something_else_are_refused() -> None:
    frame = rows(500)

    with pytest.raises(IntegrityError, match="damaged"):
        summary_from_bytes(b"x" + summarise(frame, grid_of(frame)).to_bytes()[1:])


def test_no_value_of_a_row_is_in_the_bytes() -> None:
    frame = rows(50, x=[1234.5678] * 50, c=["secret"] * 50)
    content = summarise(frame, grid_of(frame, x="numeric", c="categorical")).to_bytes()

    assert b"secret" not in content


def test_sparse_cells_double_their_length() -> None:
    # 30 days of 10 rows: 2 days of 20 are too sparse still, 4 days of 40 are not.
    frame = rows(300, days=30)

    summary = summarise(frame, grid_of(frame))

    assert summary.cell_length == 4 * DAY
    assert summary.n_rows.tolist() == [40] * 7 + [20]


def test_cells_double_at_most_three_times_for_being_sparse() -> None:
    frame = rows(30, days=30)

    assert summarise(frame, grid_of(frame)).cell_length == 8 * DAY


def test_memory_is_bounded_by_a_number_of_cells() -> None:
    frame = rows(50_000, days=5_000)

    whole = summarise(frame, grid_of(frame), cell_length=DAY // 24)
    parts = summarise(frame, grid_of(frame), cell_length=DAY // 24, chunk=777)

    assert whole.n_cells <= MAX_CELLS
    assert parts.to_bytes() == whole.to_bytes()


def test_the_sample_is_bounded_and_of_rows_that_were_there() -> None:
    frame = rows(5_000, first_row=10_000)

    sample = summarise(frame, grid_of(frame)).sample_rows

    assert len(sample) == len(set(sample.tolist())) == SAMPLE_ROWS
    assert sample.min() >= 10_000
    assert sample.max() < 15_000


def test_the_sample_is_spread_evenly() -> None:
    frame = rows(100_000)
    draws = [SummaryBuilder(grid_of(frame), cell_length=DAY, seed=seed) for seed in range(20)]
    for builder in draws:
        builder.add(frame)

    drawn = np.concatenate([builder.build().sample_rows for builder in draws])

    # 5120 draws: the mean of a uniform ordinal has a standard error of 0.4 % of the range.
    assert drawn.mean() == pytest.approx(50_000, abs=4 * 404)
    assert np.histogram(drawn, bins=10, range=(0, 100_000))[0].min() > 400


def test_merged_batches_are_the_summary_of_all_their_rows() -> None:
    frame = rows(6_000)
    grid = grid_of(frame)
    parts = [summarise(frame[at : at + 1_500], grid).to_bytes() for at in range(0, 6_000, 1_500)]

    merged, whole = merge_summaries(parts), merge_summaries([summarise(frame, grid)])

    assert merged.n_cells == 1
    assert merged.total_rows == 6_000
    assert np.array_equal(merged.totals, whole.totals)
    assert merged.moments("x") == whole.moments("x")
    assert np.array_equal(merged.sample_rows, whole.sample_rows)


def test_windows_that_touch_share_no_row_and_lose_none() -> None:
    frame = rows(7_000, days=70)
    parts = [summarise(frame[at : at + 1_000], grid_of(frame)) for at in range(0, 7_000, 1_000)]
    border = 33 * DAY + DAY // 3  # inside a cell

    before = merge_summaries(parts, to_position=border - 1)
    after = merge_summaries(parts, from_position=border)

    assert before.total_rows + after.total_rows == 7_000
    assert abs(before.total_rows - 3_333) <= 100
    assert after.first[0] >= border - DAY
    assert set(before.sample_rows) <= set(range(3_500))


def test_a_window_without_rows_has_no_cells() -> None:
    frame = rows(1_000)
    parts = [summarise(frame, grid_of(frame))]

    merged = merge_summaries(parts, from_position=10_000 * DAY)

    assert merged.n_cells == 0
    assert merged.total_rows == 0
    assert merged.totals.sum() == 0
    assert summary_from_bytes(merged.to_bytes()).total_rows == 0


def test_many_batches_are_merged_as_few_are() -> None:
    frame = rows(600, days=600)
    grid = grid_of(frame)
    parts = [summarise(frame[at : at + 1], grid).to_bytes() for at in range(600)]

    merged = merge_summaries(parts)

    whole = merge_summaries([summarise(frame, grid)])
    assert np.array_equal(merged.totals, whole.totals)
    assert np.array_equal(merged.sample_rows, whole.sample_rows)
    assert merged.moments("x") == whole.moments("x")


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="at least one"):
        merge_summaries([])


def test_summaries_of_different_grids_are_not_merged() -> None:
    first, second = rows(500, seed=1), rows(500, seed=2)

    with pytest.raises(IntegrityError, match="different grids"):
        merge_summaries([summarise(f, grid_of(f)) for f in (first, second)])


def test_counts_of_more_than_sixteen_bits_are_kept() -> None:
    frame = rows(70_000, x=[1.0] * 70_000, days=1)

    summary = summarise(frame, grid_of(frame))

    assert summary.counts.dtype == np.uint32
    assert column_counts(summary_from_bytes(summary.to_bytes()), "x").max() == 70_000
