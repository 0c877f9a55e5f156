from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.training_tables import first_split, parcels, specification, table_of

from iris_ct.core.errors import IncompatibleModelError
from iris_ct.core.specification import Specification, parse_specification
from iris_ct.core.training.encoding import (
    FeatureEncoding,
    compact_categories,
    keep_categories,
    learn_encoding,
)


def spec(features: dict[str, Any], **said: Any) -> Specification:
    content = {"name": "m", "task": "regression", "target": "y", "features": features, **said}
    return parse_specification(content, source="a test")


def test_categories_are_their_place_in_sorted_order_and_unseen_ones_are_missing() -> None:
    said = spec({"colour": "categorical"})
    encoding = learn_encoding(said, [pl.DataFrame({"colour": ["red"] * 5 + ["blue"] * 5})])
    found = encoding.encode(pl.DataFrame({"colour": ["red", "blue", "green", None]}))
    assert found[:2, 0].tolist() == [1.0, 0.0]
    assert np.isnan(found[2:, 0]).all()


def test_categories_are_counted_over_all_chunks() -> None:
    said = spec({"colour": "categorical"})
    chunks = [pl.DataFrame({"colour": ["red", "red", "red"]})] * 2
    assert learn_encoding(said, chunks).features[0].categories == ("red",)


def test_a_category_of_too_few_rows_never_enters_the_model_file() -> None:
    said = spec({"name": "categorical"})
    encoding = learn_encoding(said, [pl.DataFrame({"name": ["often"] * 5 + ["Jane Doe"] * 4})])
    assert "Jane" not in encoding.to_json()


def test_the_most_frequent_categories_are_kept() -> None:
    counts = {f"c{i:05d}": 5 + (i % 2) for i in range(6000)}
    kept = keep_categories(counts, min_rows=5)
    assert len(kept) == 5000
    assert all(f"c{i:05d}" in kept for i in range(1, 6000, 2))


def test_booleans_and_numbers_keep_their_value_and_null_is_nan() -> None:
    encoding = learn_encoding(spec({"heavy": "boolean", "size": "numeric"}), [])
    found = encoding.encode(pl.DataFrame({"heavy": [True, None], "size": [None, 7]}))
    assert found[0, 0] == 1.0
    assert found[1, 1] == 7.0
    assert np.isnan(found[[0, 1], [1, 0]]).all()


def test_datetime_parts_are_taken_on_the_models_own_clock() -> None:
    said = spec(
        {"sent": {"kind": "datetime", "parts": ["hour", "weekday", "month", "yearday"]}},
        time_zone="Europe/Vienna",
    )
    encoding = learn_encoding(said, [])
    # 23:30 UTC on a Sunday in July is 01:30 on Monday in Vienna.
    instant = pl.DataFrame({"sent": [datetime(2026, 7, 5, 23, 30, tzinfo=UTC)]})
    assert encoding.columns == ("sent.hour", "sent.weekday", "sent.month", "sent.yearday")
    assert encoding.encode(instant).tolist() == [[1.0, 1.0, 7.0, 187.0]]


def test_missing_columns_are_named() -> None:
    encoding = learn_encoding(spec({"size": "numeric", "weight": "numeric"}), [])
    with pytest.raises(IncompatibleModelError, match=r"lack 1 of 2 columns.*: weight\."):
        encoding.encode(pl.DataFrame({"size": [1.0]}))


def test_a_column_of_another_kind_is_refused_by_name() -> None:
    encoding = learn_encoding(spec({"size": "numeric"}), [])
    with pytest.raises(IncompatibleModelError, match=r"'size' should be numeric.*String"):
        encoding.encode(pl.DataFrame({"size": ["1"]}))


def test_an_encoding_survives_json() -> None:
    said = specification("multiclass", time_zone="Europe/Vienna")
    encoding = learn_encoding(said, [parcels(200, task="multiclass")])
    assert FeatureEncoding.from_json(encoding.to_json()) == encoding
    assert encoding.classes == ("high", "low", "middle")


def test_an_all_missing_column_encodes_to_nan() -> None:
    said = spec({"c": "categorical", "t": {"kind": "datetime", "parts": ["hour"]}, "n": "numeric"})
    frame = pl.DataFrame({"c": [None], "t": [None], "n": [None]})
    assert np.isnan(learn_encoding(said, [frame]).encode(frame)).all()


def test_narrowing_a_table_equals_learning_from_the_narrow_rows() -> None:
    """What a window's rows do not hold must leave no trace in its encoding."""
    said = specification("multiclass")
    frame = parcels(400, task="multiclass").with_columns(
        colour=pl.when(pl.col("_row") < 200).then(pl.lit("amber")).otherwise(pl.col("colour")),
        cost=pl.when(pl.col("_row") < 200).then(pl.lit("extra")).otherwise(pl.col("cost")),
    )
    table = table_of(frame, said, first_split(frame, said).roles)
    narrow = learn_encoding(said, [frame[200:]])
    codes = table.matrix[200:, 2].astype(int)
    counts = np.bincount(codes, minlength=len(table.encoding.features[2].categories))
    classes = np.bincount(table.target[200:].astype(int), minlength=len(table.encoding.classes))
    table.recode(*compact_categories(table.encoding, {2: counts}, classes))
    assert table.encoding == narrow
    assert np.array_equal(table.matrix, narrow.encode(frame), equal_nan=True)
    assert set(table.target[:200].tolist()) == {-1.0}
