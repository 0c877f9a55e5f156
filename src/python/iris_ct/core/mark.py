"""Marks: values of a column that grows with every change of a row, kept as text.

A mark is ``<form>:<value>`` with the form n (number), t (time stamp), z (time stamp with a zone),
d (date) or s (text that the database itself compares as text). Marks of one column are compared in
its form, and given back to the database as what they were.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from iris_ct.core.canonical import digest
from iris_ct.core.errors import SourceError

_WIDEST = 180
# Letters by which a kept mark names its column: a kept mark has 200 letters at most.
_NAME_LETTERS = 16
# A longer time says the hour too.
_DAY_LETTERS = len("2026-01-31")
# What a number goes back by where a duration is asked for.
_NUMBERS_BACK = 1000


def mark_of(value: Any, *, column: str) -> str | None:
    """Write a value as a mark; None for NULL.

    Raises
    ------
    SourceError
        If it is neither a number, a time nor a text.

    Examples
    --------
    >>> from datetime import datetime
    >>> mark_of(7, column="v"), mark_of(datetime(2026, 1, 31, 12), column="v")
    ('n:7', 't:2026-01-31T12:00:00')
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return f"t:{value.isoformat()}"
        return f"z:{value.astimezone(UTC).isoformat()}"
    if isinstance(value, date):
        return f"d:{value.isoformat()}"
    if isinstance(value, str) and len(value) <= _WIDEST:
        return f"s:{value}"
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number.is_finite():
            return f"n:{number}"
    raise SourceError(
        f"Column {column} cannot say when a row was changed: expected numbers or time stamps, "
        f"found {type(value).__name__}. Name another column as changed."
    )


def mark_value(mark: str) -> Any:
    """Give the value back, for a parameter of a statement."""
    form, _, text = mark.partition(":")
    if form == "n":
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else float(number)
    if form == "s":
        return text
    return date.fromisoformat(text) if form == "d" else datetime.fromisoformat(text)


def later(first: str | None, second: str | None) -> str | None:
    """Give the larger of two marks of one column; None counts as the smallest.

    Examples
    --------
    >>> later("n:9", "n:10"), later(None, "n:1")
    ('n:10', 'n:1')
    """
    if first is None or second is None:
        return second if first is None else first
    return second if is_after(second, first) else first


def is_after(mark: str, other: str) -> bool:
    """Tell whether a mark is larger than another one of the same column.

    Raises
    ------
    SourceError
        If the column holds values that cannot be compared.
    """
    if mark[0] != other[0]:
        raise SourceError(
            "The column named as changed holds values of several kinds, which have no order. "
            "Make it one kind in a view."
        )
    return bool(_order(mark) > _order(other))


def some_before(mark: str, microseconds: int) -> str:
    """Give a mark that lies a duration before; for numbers, a thousand.

    Examples
    --------
    >>> some_before("s:2026-01-31 12:00:00", 60_000_000)
    's:2026-01-31 11:59:00'
    """
    back = timedelta(microseconds=microseconds)
    form, _, text = mark.partition(":")
    if form == "n":
        return f"n:{Decimal(text) - _NUMBERS_BACK}"
    if form == "d":
        return f"d:{(date.fromisoformat(text) - timedelta(days=back.days + 1)).isoformat()}"
    if form == "s":
        moment = _moment(text)
        if moment is None:
            return before_ties(mark)
        # Without fraction and zone the text is smaller than any that continues it.
        between = "T" if "T" in text else " "
        return f"s:{(moment - back).replace(tzinfo=None).isoformat(between, 'seconds')}"
    return f"{form}:{(datetime.fromisoformat(text) - back).isoformat()}"


def before_ties(mark: str) -> str:
    """Give the mark after which changes can still come once the overlap has passed since ``mark``.

    A moment is over then, so it is the mark itself. A day may last, and what is a number or other
    text may count days, so there it is a smaller mark: changes that say the same are found too.

    Examples
    --------
    >>> before_ties("t:2026-01-31T12:00:00"), before_ties("d:2026-01-31"), before_ties("n:7")
    ('t:2026-01-31T12:00:00', 'd:2026-01-30', 'n:6')
    >>> before_ties("s:2026-01-31 12:00:00"), before_ties("s:2026-031")
    ('s:2026-01-31 12:00:00', 's:2026-03')
    """
    form, _, text = mark.partition(":")
    if form == "n":
        return f"n:{Decimal(text) - 1}"
    if form == "d":
        return f"d:{(date.fromisoformat(text) - timedelta(days=1)).isoformat()}"
    if form == "s":
        moment = _moment(text)
        if moment is None or len(text) <= _DAY_LETTERS:
            if moment is not None and moment.date().isoformat() == text:
                return f"s:{(moment.date() - timedelta(days=1)).isoformat()}"
            # Smaller than the text by at most one turn of its last letter.
            return f"s:{text[:-1]}"
    return mark


def kept(mark: str | None, column: str | None) -> str | None:
    """Write a mark with its column, to be kept until the next look.

    Examples
    --------
    >>> kept("n:7", "version")
    '43ccc4d00da64896/n:7'
    """
    return None if mark is None else f"{digest(column)[:_NAME_LETTERS]}/{mark}"


def unkept(text: str | None, column: str | None) -> str | None:
    """Give a kept mark back; None if it is one of another column.

    Examples
    --------
    >>> unkept(kept("n:7", "version"), "version"), unkept(kept("n:7", "version"), "revision")
    ('n:7', None)
    """
    if text is None:
        return None
    name, _, mark = text.partition("/")
    return mark if name == digest(column)[:_NAME_LETTERS] else None


def lies_ahead(mark: str, now: datetime) -> bool:
    """Tell whether a time lies over a day ahead of the clock, in whatever zone it is."""
    form, _, text = mark.partition(":")
    if form == "n":
        return False
    moment = _moment(text)
    if moment is None:
        return False
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware > now + timedelta(days=1)


def _order(mark: str) -> Any:
    return mark[2:] if mark[0] == "s" else mark_value(mark)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
