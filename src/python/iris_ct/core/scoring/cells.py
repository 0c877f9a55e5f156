"""Reading one cell quickly: what a decoded JSON value means for the model, or *not sure*.

A reader takes what is surely right and gives exactly what validation and encoding of files would.
Whatever else it meets (odd spellings, values that are not allowed, other types) raises
`UnsureError`, and the row goes the careful way, which accepts it or says what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from iris_ct.core.dataset.spelling import FALSE, MISSING, TRUE, category
from iris_ct.core.scoring.signature import Column, Part

Numbers = Callable[[Any], tuple[float, ...]]

NAN = float("nan")

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_TIME = re.compile(
    r"([12][0-9]{3})-([0-9]{2})-([0-9]{2})"
    r"(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))?)?"
)
_MISSING = frozenset(MISSING)

# The two tables of time zones that the product uses agree about these years.
_FIRST_YEAR, _LAST_YEAR = 1970, 2037

_PART: dict[Part, Callable[[datetime], int]] = {
    "year": lambda at: at.year,
    "quarter": lambda at: (at.month + 2) // 3,
    "month": lambda at: at.month,
    "week": lambda at: at.isocalendar().week,
    "day": lambda at: at.day,
    "weekday": lambda at: at.isoweekday(),
    "yearday": lambda at: at.timetuple().tm_yday,
    "hour": lambda at: at.hour,
    "minute": lambda at: at.minute,
}


class UnsureError(Exception):
    """The quick way cannot tell; it says nothing about the row."""


def reader_of(column: Column, time_zone: str) -> Numbers:
    """Give what reads the cells of one feature: a cell in, what the model sees out."""
    if column.kind == "datetime":
        return _times(column, _zone(time_zone))
    read = {"numeric": _numeric, "boolean": _boolean, "categorical": _categorical}[column.kind](
        column
    )
    return lambda cell: (read(cell),)


def _numeric(column: Column) -> Callable[[Any], float]:
    missing = _missing(column)
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum

    def read(cell: Any) -> float:
        number = _number(cell)
        if number is None:
            return missing()
        if not low <= number <= high or math.isinf(number):
            raise UnsureError
        return number

    return read


def _number(cell: Any) -> float | None:
    """Give a number, None for a missing one."""
    kind = type(cell)
    if kind is str:
        if _NUMBER.fullmatch(cell):
            return float(cell)
        if cell in _MISSING:
            return None
        raise UnsureError
    if cell is None:
        return None
    if kind is float:
        return None if cell != cell else cell  # only NaN differs from itself
    if kind is int or kind is bool:
        try:
            return float(cell)
        except OverflowError:
            raise UnsureError from None
    raise UnsureError


def _boolean(column: Column) -> Callable[[Any], float]:
    missing = _missing(column)
    meaning = dict.fromkeys(TRUE, 1.0) | dict.fromkeys(FALSE, 0.0)

    def read(cell: Any) -> float:
        if cell is True or cell is False:
            return float(cell)
        text = _text(cell)
        if text is None:
            return missing()
        number = meaning.get(text.lower() if text.isascii() else "")
        if number is None:
            raise UnsureError
        return number

    return read


def _categorical(column: Column) -> Callable[[Any], float]:
    missing = _missing(column)
    codes = category_codes(column)
    allowed = None if column.allowed is None else frozenset(column.allowed)

    def read(cell: Any) -> float:
        if type(cell) is str and (code := codes.get(cell)) is not None:
            return code
        text = _text(cell)
        if text is None:
            return missing()
        code = codes.get(text)
        if code is None and allowed is not None and text not in allowed:
            raise UnsureError
        return NAN if code is None else code

    return read


def category_codes(column: Column) -> dict[str, float]:
    """Give what the model sees of each category that may be given."""
    allowed = column.categories if column.allowed is None else column.allowed
    return {
        name: float(place)
        for place, name in enumerate(column.categories)
        if name in allowed and category(name) == name and "\0" not in name
    }


def _text(cell: Any) -> str | None:
    """Give a cell as a category is spelled; None where it is missing."""
    kind = type(cell)
    if kind is str:
        if "\0" in cell or not (cell.isascii() or _is_unicode(cell)):
            raise UnsureError
        return category(cell)
    if cell is None:
        return None
    if kind is bool:
        return "true" if cell else "false"
    if kind is float or (kind is int and -(10**300) < cell < 10**300):
        return category(repr(cell))
    raise UnsureError


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _times(column: Column, zone: tzinfo) -> Numbers:
    missing = _missing(column)
    parts = tuple(_PART[part] for part in column.parts)
    nothing = (NAN,) * len(parts)

    def read(cell: Any) -> tuple[float, ...]:
        moment = read_time(cell, zone)
        if moment is None:
            missing()
            return nothing
        local = moment.astimezone(zone)
        return tuple([float(part(local)) for part in parts])

    return read


def read_time(cell: Any, zone: tzinfo) -> datetime | None:
    """Read an instant, in UTC; None for a missing one."""
    if cell is None:
        return None
    if type(cell) is not str:
        raise UnsureError
    found = _TIME.fullmatch(cell)
    if found is None:
        if cell in _MISSING:
            return None
        raise UnsureError
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = found.groups()
    if not _FIRST_YEAR <= int(year) <= _LAST_YEAR:
        raise UnsureError
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
            tzinfo=UTC if utc else zone,
        )
    except ValueError:
        raise UnsureError from None
    if sign is None:
        return moment.astimezone(UTC)
    if int(hours) > 14 or int(minutes) > 59:
        raise UnsureError
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return moment.replace(tzinfo=timezone(ahead if sign == "+" else -ahead)).astimezone(UTC)


def key_reader(*, is_time: bool, time_zone: str) -> Callable[[Any], str]:
    """Give what spells one key column as the store does; a missing one is for the careful way."""
    zone = _zone(time_zone)

    def read(cell: Any) -> str:
        text = _iso(read_time(cell, zone)) if is_time else _text(cell)
        if text is None:
            raise UnsureError
        return text

    return read


def _iso(moment: datetime | None) -> str | None:
    """Write an instant as keys are: ISO 8601, with a fraction only where there is one."""
    if moment is None:
        return None
    fraction = moment.microsecond
    spec = "seconds" if not fraction else "microseconds" if fraction % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _missing(column: Column) -> Callable[[], float]:
    """Give what says what the model sees of a missing value, if one is allowed."""
    if column.nullable:
        return lambda: NAN

    def refuse() -> float:
        raise UnsureError

    return refuse
