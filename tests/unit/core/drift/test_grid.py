from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from tests.unit.core.drift.frames import grid_of, rows, specification

from iris_ct.core.drift.binning import MAX_NAMES, Codes, Floats
from iris_ct.core.drift.grid import Grid, grid_from_bytes, learn_grid
from iris_ct.core.errors import IntegrityError, SchemaMismatchError


def codes_of(grid: Grid, values: Sequence[float] | Floats) -> Codes:
    column = grid.columns[0]
    return column.number_codes(column.steps(np.asarray(values, dtype=float)))


def test_a_grid_comes_back_from_its_bytes() -> None:
    frame = rows(500, x=np.random.default_rng(0).normal(size=500), c=["a", "b"] * 250)
    grid = grid_of(frame, x="numeric", c="categorical")

    again = grid_from_bytes(grid.to_bytes())

    assert again == grid
    assert again.digest == grid.digest


def test_damaged_bytes_are_no_grid() -> None:
    with pytest.raises(IntegrityError, match="damaged"):
        grid_from_bytes(b'{"version":1}')


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=20_000),
        lambda rng: 290 + rng.normal(size=20_000),
        lambda rng: rng.uniform(0, 1e9, size=20_000),
        lambda rng: np.exp(2 * rng.normal(size=20_000)),
        lambda rng: rng.standard_cauchy(size=20_000),
        lambda rng: rng.normal(size=20_000) * 1e-50,
        lambda rng: rng.normal(size=20_000) * 1e200,
        lambda rng: np.concatenate([rng.normal(size=10_000), 100 + rng.normal(size=10_000)]),
    ],
    ids=["normal", "far", "uniform", "lognormal", "cauchy", "tiny", "huge", "two modes"],
)
def test_no_cell_holds_more_than_two_percent_of_a_continuous_feature(
    draw: Callable[[np.random.Generator], Floats],
) -> None:
    values = draw(np.random.default_rng(3))

    shares = np.bincount(codes_of(grid_of(rows(20_000, x=values)), values)) / 20_000

    # 1/160 is the aim; steps grow with the distance from the centre.
    assert shares.max() < 0.02


def test_a_feature_has_at_most_254_codes() -> None:
    values = np.random.default_rng(4).normal(size=50_000)

    assert grid_of(rows(50_000, x=values)).columns[0].n_codes <= 254


def test_few_distinct_values_have_cells_of_their_own_and_so_have_the_gaps() -> None:
    grid = grid_of(rows(300, x=[0.0, 2.0, 4.0] * 100))

    assert len(set(codes_of(grid, [0.0, 1.0, 2.0, 3.0, 4.0]))) == 5


def test_a_value_that_repeats_is_parted_from_its_neighbours() -> None:
    values = np.concatenate([np.zeros(5_000), np.random.default_rng(5).exponential(size=5_000)])
    grid = grid_of(rows(10_000, x=values))

    zero, small = codes_of(grid, [0.0, 0.01])

    assert zero != small


def test_shifts_beyond_the_first_range_are_still_told_apart() -> None:
    grid = grid_of(rows(5_000, x=np.random.default_rng(6).uniform(0, 1, size=5_000)))

    codes = codes_of(grid, [1.2, 1.4, 2.0, 5.0, 50.0, -0.2, -0.4, -5.0, -50.0])

    assert len(set(codes)) == 9


def test_minus_zero_is_zero() -> None:
    grid = grid_of(rows(300, x=[-1.0, 0.0, 1.0] * 100))

    assert len(set(codes_of(grid, [-0.0, 0.0]))) == 1


@pytest.mark.parametrize(
    "values",
    [
        [None] * 10,
        [np.nan] * 10,
        [5.0] * 10,
        [0.0] * 10,
        [np.inf] * 10,
        [1e308, -1e308] * 5,
        [1.797e308] * 10,
        [5e-324] * 10,
    ],
    ids=["null", "nan", "constant", "zero", "infinite", "widest", "largest", "smallest"],
)
def test_a_grid_is_learnt_from_anything(values: list[float | None]) -> None:
    frame = rows(10, x=pl.Series(values, dtype=pl.Float64))

    assert grid_of(frame).columns[0].n_codes > 50


def test_a_grid_is_learnt_from_no_rows_and_without_a_target() -> None:
    grid = grid_of(rows(0, x=pl.Series([], dtype=pl.Float64)).drop("y"))

    assert [column.name for column in grid.columns] == ["x", "y"]


def test_the_order_of_the_first_rows_does_not_matter() -> None:
    frame = rows(2_000, c=["a", "b", "c", "b"] * 500)

    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)

    assert grid_of(shuffled, c="categorical") == grid_of(frame, c="categorical")


def test_the_most_frequent_names_are_kept() -> None:
    names = [f"n{i:04}" for i in range(1_000)] + ["often"] * 3

    kept = grid_of(rows(1_003, c=names), c="categorical").columns[0].names

    assert len(kept) == MAX_NAMES
    assert kept[:2] == ("often", "n0000")


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(SchemaMismatchError, match="z"):
        learn_grid(rows(10), specification(x="numeric", z="numeric"))


def test_datetimes_are_counted_in_seconds() -> None:
    times = [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)] * 5
    grid = grid_of(rows(10, d=pl.Series(times)), d="datetime")

    assert grid.columns[0].centre == datetime(2024, 1, 1, tzinfo=UTC).timestamp()
