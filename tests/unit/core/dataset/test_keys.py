"""Keys are the same text from every kind of file."""

from datetime import datetime

import polars as pl
from tests.unit.core.dataset.specifications import specification

from iris_ct.core.dataset.keys import join_key, place_keys, row_keys


def test_a_csv_and_a_parquet_export_give_the_same_keys() -> None:
    spec = specification(key=["station", "at"], event_time="at", time_zone="Europe/Vienna")
    csv = pl.DataFrame({"station": ["7", "8.0"], "at": ["2024-07-01 02:00", "2024-07-01"]})
    parquet = pl.DataFrame(
        {
            "station": [7.0, 8.0],
            "at": [
                datetime.fromisoformat("2024-07-01 02:00"),
                datetime.fromisoformat("2024-07-01"),
            ],
        }
    )
    expected = ["7|2024-07-01T00:00:00Z", "8|2024-06-30T22:00:00Z"]
    assert row_keys(csv, spec).to_list() == expected
    assert row_keys(parquet, spec).to_list() == expected


def test_joined_keys_cannot_be_confused() -> None:
    one = join_key([pl.Series(["a|b"]), pl.Series(["c"])])
    other = join_key([pl.Series(["a"]), pl.Series(["b|c"])])
    assert one.to_list() == ["a\\|b|c"]
    assert other.to_list() == ["a|b\\|c"]
    assert join_key([pl.Series(["a\\"]), pl.Series(["b"])]).to_list() == ["a\\\\|b"]


def test_a_single_key_stays_as_it_is() -> None:
    spec = specification(key="id")
    assert row_keys(pl.DataFrame({"id": ["a|b", "007", ""]}), spec).to_list() == [
        "a|b",
        "007",
        None,
    ]


def test_without_key_columns_the_place_in_the_batch_is_the_key() -> None:
    assert place_keys("m-000001", pl.Series([1, 5])).to_list() == ["m-000001:1", "m-000001:5"]
