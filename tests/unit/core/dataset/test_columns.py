"""Reading one column: what counts as a number, a category, a boolean, a missing value."""

import polars as pl
import pytest

from iris_ct.core.dataset.columns import (
    Reading,
    as_text,
    read_booleans,
    read_categories,
    read_numbers,
)
from iris_ct.core.dataset.spelling import MISSING


def reasons(reading: Reading) -> dict[str, list[int]]:
    return {code: rows.arg_true().to_list() for code, rows in reading.failures}


def test_plain_numbers_are_read() -> None:
    reading = read_numbers(pl.Series(["1", "-2.5", "+3", "1e3", ".5", "1."]))
    assert reading.values.to_list() == [1.0, -2.5, 3.0, 1000.0, 0.5, 1.0]
    assert reading.failures == ()


@pytest.mark.parametrize("word", [word for word in MISSING if word])
def test_words_for_missing_are_missing_in_every_kind(word: str) -> None:
    given = pl.Series(["1", word])
    for read in (read_numbers, read_categories, read_booleans):
        reading = read(given)
        assert reading.values.is_null().to_list() == [False, True], read.__name__
        assert reading.failures == ()


@pytest.mark.parametrize("text", ["1,5", "1 000", "12 kg", "0x10", "1_0", "yes", "--1"])
def test_other_texts_are_no_numbers(text: str) -> None:
    reading = read_numbers(pl.Series(["1", text, None]))
    assert reading.values.to_list() == [1.0, None, None]
    assert reasons(reading) == {"not_a_number": [1]}


def test_blanks_around_a_number_do_not_matter_even_in_a_column_with_failures() -> None:
    reading = read_numbers(pl.Series([" 1 ", "2", "x", "  "]))
    assert reading.values.to_list() == [1.0, 2.0, None, None]
    assert reasons(reading) == {"not_a_number": [2]}


@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity", "1e999"])
def test_infinite_numbers_fail_by_their_own_code(text: str) -> None:
    reading = read_numbers(pl.Series(["1", text]))
    assert reading.values.to_list() == [1.0, None]
    assert reasons(reading) == {"not_finite": [1]}


def test_finite_numbers_whose_sum_overflows_are_no_failure() -> None:
    """The quick check is one sum, which may overflow where no number is infinite."""
    reading = read_numbers(pl.Series(["1e308", "1e308", "1e308"]))
    assert reading.values.to_list() == [1e308] * 3
    assert reading.failures == ()


def test_nan_of_a_typed_column_is_missing() -> None:
    reading = read_numbers(pl.Series([1.0, float("nan"), None]))
    assert reading.values.to_list() == [1.0, None, None]
    assert reading.failures == ()


@pytest.mark.parametrize(
    "dtype", [pl.Int8(), pl.Int64(), pl.UInt32(), pl.Float32(), pl.Decimal(10, 2)]
)
def test_numeric_types_of_a_file_are_numbers(dtype: pl.DataType) -> None:
    values = read_numbers(pl.Series([1, None, 3]).cast(dtype)).values
    assert values.dtype == pl.Float64
    assert values.to_list() == [1.0, None, 3.0]


def test_an_all_null_column_reads_as_every_kind() -> None:
    empty = pl.Series([None, None], dtype=pl.Null)
    assert read_numbers(empty).values.dtype == pl.Float64
    assert read_categories(empty).values.dtype == pl.String
    assert read_booleans(empty).values.dtype == pl.Boolean


def test_a_column_is_the_same_category_whatever_type_the_file_gave_it() -> None:
    """The rule that keeps a CSV and a Parquet export of one table equal."""
    texts = read_categories(pl.Series(["1", "2", None])).values.to_list()
    pandas_like = read_categories(pl.Series(["1.0", "2.0", ""])).values.to_list()
    integers = read_categories(pl.Series([1, 2, None])).values.to_list()
    floats = read_categories(pl.Series([1.0, 2.0, float("nan")])).values.to_list()
    codes = read_categories(pl.Series(["1", "2", None], dtype=pl.Categorical)).values.to_list()
    assert texts == pandas_like == integers == floats == codes == ["1", "2", None]


@pytest.mark.parametrize("text", ["007", "1.50", "1e3", "+1", " a ", "1.0.0", "00.0", "v1.0"])
def test_every_other_category_stays_letter_by_letter(text: str) -> None:
    assert read_categories(pl.Series([text])).values.to_list() == [text]


def test_booleans_as_categories_have_one_spelling() -> None:
    assert read_categories(pl.Series([True, False])).values.to_list() == ["true", "false"]
    assert read_categories(pl.Series(["True", "False"])).values.to_list() == ["true", "false"]


def test_booleans_in_any_case() -> None:
    texts = pl.Series(["true", "T", "YES", "y", "1", "1.0", "False", "f", "No", "n", "0", ""])
    assert read_booleans(texts).values.to_list() == [True] * 6 + [False] * 5 + [None]


def test_what_is_no_boolean_fails() -> None:
    reading = read_booleans(pl.Series(["yes", "maybe", "2", None]))
    assert reading.values.to_list() == [True, None, None, None]
    assert reasons(reading) == {"not_boolean": [1, 2]}


def test_large_whole_floats_keep_their_digits() -> None:
    assert as_text(pl.Series([123456789012.0, 0.1])).to_list() == [
        "123456789012",
        "0.1",
    ]
