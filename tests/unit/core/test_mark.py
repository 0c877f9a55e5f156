"""Marks are compared as their database compares them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from iris_ct.core.errors import SourceError
from iris_ct.core.mark import (
    before_ties,
    is_after,
    kept,
    later,
    lies_ahead,
    mark_of,
    mark_value,
    some_before,
    unkept,
)

# As a database gives a time stamp without a zone.
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (9, 10),
        (1.5, Decimal("1.75")),
        (NOON, NOON + timedelta(microseconds=1)),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=timezone(timedelta(hours=-1)))),
        (date(2026, 1, 31), date(2026, 2, 1)),
        ("2026-01-31 12:00:00", "2026-01-31 12:00:00.5"),
    ],
)
def test_a_later_value_has_a_later_mark(small: Any, large: Any) -> None:
    first, second = mark_of(small, column="c"), mark_of(large, column="c")
    assert first is not None
    assert second is not None
    assert is_after(second, first)
    assert not is_after(first, second)
    assert later(first, second) == second == later(second, first)
    assert mark_value(second) == large


@pytest.mark.parametrize(
    ("value", "before"),
    [
        (5000, 4000),
        (NOON, NOON - timedelta(minutes=1)),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC) - timedelta(minutes=1)),
        (date(2026, 1, 31), date(2026, 1, 30)),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T11:59:00"),
        ("no time", "no tim"),
    ],
)
def test_some_before_is_before(value: Any, before: Any) -> None:
    mark = mark_of(value, column="c")
    assert mark is not None
    assert mark_value(some_before(mark, 60_000_000)) == before


@pytest.mark.parametrize(
    ("value", "before"),
    [
        (NOON, NOON),
        ("2026-01-31 12:00:00", "2026-01-31 12:00:00"),
        (date(2026, 2, 1), date(2026, 1, 31)),
        ("2026-02-01", "2026-01-31"),
        ("20260131", "2026013"),
        (20260131, 20260130),
        (Decimal("7.5"), 6.5),
        ("00017", "0001"),
    ],
)
def test_what_may_come_again_lies_behind_a_smaller_mark(value: Any, before: Any) -> None:
    mark = mark_of(value, column="c")
    assert mark is not None
    assert mark_value(before_ties(mark)) == before


def test_a_mark_is_kept_with_its_column() -> None:
    mark = mark_of("y" * 180, column="a")
    text = kept(mark, "a")
    assert text is not None
    assert len(text) <= 200, "as wide as its column in the store"
    assert (unkept(text, "a"), unkept(text, "b"), unkept(text, None)) == (mark, None, None)
    assert kept(None, "a") is unkept(None, "a") is None


def test_only_times_lie_ahead() -> None:
    now = NOON.replace(tzinfo=UTC)
    ahead = NOON + timedelta(hours=25)
    assert lies_ahead(f"t:{ahead.isoformat()}", now)
    assert lies_ahead(f"s:{ahead.isoformat(' ')}", now)
    assert lies_ahead("d:2026-02-02", now)
    assert not lies_ahead(f"z:{NOON.isoformat()}+00:00", now)
    assert not lies_ahead("n:99999999999", now)
    assert not lies_ahead("s:zzz", now)


@pytest.mark.parametrize("value", [True, b"\x01", float("nan"), "x" * 500, timedelta(1)])
def test_what_has_no_order_is_refused_by_the_name_of_its_column(value: Any) -> None:
    with pytest.raises(SourceError, match="Column version cannot say when"):
        mark_of(value, column="version")


def test_values_of_two_kinds_have_no_order() -> None:
    with pytest.raises(SourceError, match="several kinds"):
        is_after("n:1", "s:1")
