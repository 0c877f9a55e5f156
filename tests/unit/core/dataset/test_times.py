"""Reading times; expected instants were computed by hand or with the standard library."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

import polars as pl
import pytest

from iris_ct.core.dataset.times import iso_texts, read_times


def instants(given: Sequence[object], zone: str = "UTC") -> list[datetime | None]:
    return read_times(pl.Series("t", given), time_zone=zone).values.to_list()


NOON = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29 12:30",
        "2024-02-29T12:30",
        "2024-02-29 12:30:00",
        "2024-02-29T12:30:00.000",
        "2024-02-29T12:30:00Z",
        "2024-02-29 12:30:00+00:00",
        "2024-02-29T13:30:00+01:00",
        "2024-02-29T13:30+0100",
        "2024-02-29T07:00:00.000000-05:30",
        "  2024-02-29 12:30 ",
    ],
)
def test_iso_8601_in_its_usual_spellings(text: str) -> None:
    assert instants([text]) == [NOON]


def test_a_column_may_mix_spellings() -> None:
    """Python's isoformat leaves out zero fractions, so one column often has both."""
    given = ["2024-02-29T12:30:00", "2024-02-29T12:30:00.500000", "2024-02-29", None, "NA"]
    midnight = datetime(2024, 2, 29, tzinfo=UTC)
    assert instants(given) == [NOON, NOON + timedelta(seconds=0.5), midnight, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "1325376000",
        "29.02.2024",
        "02/29/2024",
        "2023-02-29",
        "24-02-29",
        "2024-02-29 25:00",
        "20240229",
        "soon",
        "2024-02",
        "12:30",
    ],
)
def test_everything_else_is_no_time(text: str) -> None:
    reading = read_times(pl.Series(["2024-01-01 00:00:00", text]), time_zone="UTC")
    assert reading.values.to_list()[1] is None
    assert [(code, rows.to_list()) for code, rows in reading.failures] == [
        ("not_a_time", [False, True])
    ]


def test_a_naive_time_is_local_to_the_zone() -> None:
    assert instants(["2024-07-01 02:00"], "Europe/Vienna") == [
        datetime(2024, 7, 1, 0, 0, tzinfo=UTC)
    ]


def test_an_offset_wins_over_the_zone() -> None:
    assert instants(["2024-07-01T02:00:00Z"], "Europe/Vienna") == [
        datetime(2024, 7, 1, 2, 0, tzinfo=UTC)
    ]


def test_an_hour_that_occurs_twice_is_the_earlier_one() -> None:
    """On 2021-10-31 Vienna went from +02:00 back to +01:00 at 03:00."""
    assert instants(["2021-10-31 02:30"], "Europe/Vienna") == [
        datetime(2021, 10, 31, 0, 30, tzinfo=UTC)
    ]


def test_an_hour_that_does_not_occur_is_read_with_the_offset_before() -> None:
    """On 2021-03-28 Vienna went from +01:00 to +02:00 at 02:00."""
    given = ["2021-03-28 01:59", "2021-03-28 02:30", "2021-03-28 03:00"]
    assert instants(given, "Europe/Vienna") == [
        datetime(2021, 3, 28, 0, 59, tzinfo=UTC),
        datetime(2021, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2021, 3, 28, 1, 0, tzinfo=UTC),
    ]


def test_types_of_a_file_are_read_like_their_texts() -> None:
    moment = datetime.fromisoformat("2024-07-01 02:00")
    assert instants([moment], "Europe/Vienna") == instants(["2024-07-01 02:00"], "Europe/Vienna")
    assert instants([date(2024, 7, 1)], "Europe/Vienna") == instants(
        ["2024-07-01"], "Europe/Vienna"
    )
    aware = pl.Series([moment.replace(tzinfo=timezone(timedelta(hours=2)))])
    assert read_times(aware, time_zone="UTC").values.to_list() == [
        datetime(2024, 7, 1, tzinfo=UTC)
    ]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_every_time_unit_becomes_microseconds(unit: Literal["ms", "us", "ns"]) -> None:
    given = pl.Series([datetime.fromisoformat("2024-07-01")], dtype=pl.Datetime(unit))
    values = read_times(given, time_zone="UTC").values
    assert values.dtype == pl.Datetime("us", "UTC")
    assert values.to_physical().to_list() == [1_719_792_000_000_000]


def test_times_are_written_in_utc_with_a_fraction_only_where_there_is_one() -> None:
    times = read_times(pl.Series(["2024-07-01", "2024-07-01T00:00:00.25"]), time_zone="UTC")
    assert iso_texts(times.values).to_list() == [
        "2024-07-01T00:00:00Z",
        "2024-07-01T00:00:00.250Z",
    ]
