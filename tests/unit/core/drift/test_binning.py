import zlib

import numpy as np
import polars as pl
import pytest

from iris_ct.core.drift.binning import N_OTHER, NameCodes, code_table, keys


def test_keys_rise_with_the_values() -> None:
    values = np.sort(np.random.default_rng(1).standard_cauchy(10_000))

    assert np.all(np.diff(keys(values)) >= 0)


def test_keys_of_infinities_are_the_outermost() -> None:
    found = keys(np.array([-np.inf, -1e300, 0.0, 1e300, np.inf]))

    assert found[0] <= found[1] < found[2] < found[3] <= found[4]


def test_values_a_thousandth_apart_have_different_keys() -> None:
    values = np.array([1.0, 1.001, -1.0, -1.001, 0.1, 0.1001, 1e6, 1.001e6])

    assert len(np.unique(keys(values))) == 8


def test_a_code_counts_the_edges_at_or_below_a_value() -> None:
    edges = np.array([-2.0, -0.5, 0.0, 1.0, 64.0])  # dyadic, so that keys begin there
    values = np.random.default_rng(2).normal(size=5_000) * 3

    codes = code_table(keys(edges))[keys(values)]

    # A key is 0.05 % wide, and one that ends at a negative edge holds the edge as well.
    clear = np.min(np.abs(values[:, None] - edges), axis=1) > 0.02
    assert clear.sum() > 4_900
    assert np.array_equal(codes[clear], np.searchsorted(edges, values[clear], side="right"))


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_names_have_their_place_and_then_other_and_missing(dtype: type[pl.DataType]) -> None:
    values = pl.Series(["b", "a", None, "z", "a", ""]).cast(dtype)

    codes = NameCodes(("a", "b")).codes(values).tolist()

    other = [2 + zlib.crc32(name) % N_OTHER for name in (b"z", b"")]
    assert codes == [1, 0, 2 + N_OTHER, other[0], 0, other[1]]


def test_without_known_names_all_is_other_or_missing() -> None:
    codes = NameCodes(()).codes(pl.Series(["a", None])).tolist()

    assert codes == [zlib.crc32(b"a") % N_OTHER, N_OTHER]


def test_two_hundred_and_fifty_names_are_told_apart() -> None:
    names = tuple(f"name {i}" for i in range(250))

    assert NameCodes(names).codes(pl.Series(names)).tolist() == list(range(250))


def test_numbers_as_categories_are_named_as_text() -> None:
    assert NameCodes(("1", "2")).codes(pl.Series([2, 1, 1])).tolist() == [1, 0, 0]
