"""Reading event times and datetime features: text or a file's own type in, UTC out.

Accepted are dates and times as ISO 8601 writes them, with a blank or a ``T`` between, seconds and
fractions optional, with or without ``Z`` or an offset. Numbers are not: whether ``1325376000``
counts seconds, milliseconds or days is nothing a file says.

A time without an offset is read in the model's time zone. Where the clocks go back, an hour
occurs twice: the earlier one is meant. Where they go forward, an hour does not occur: it is read
with the offset that was valid before, as :pep:`495` does. A date alone is its midnight.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from iris_ct.core.dataset.columns import Reading, is_text
from iris_ct.core.dataset.issues import NOT_A_TIME
from iris_ct.core.dataset.spelling import MISSING

STORED_TIME = pl.Datetime("us", "UTC")
"""How a time is stored: microseconds since 1970, UTC."""

_NAIVE = tuple(
    f"%Y-%m-%d{between}{clock}"
    for between in (" ", "T")
    for clock in ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M")
)
_AWARE = tuple(f"{clock}%#z" for clock in _NAIVE)
_DATE = "%Y-%m-%d"

# A year of two digits reads as one of antiquity; a year of four digits lies between these.
_FIRST_YEAR, _LAST_YEAR = 1000, 9999


def can_be_time(dtype: pl.DataType) -> bool:
    """Tell whether a file's own type can hold a time, if only as text."""
    return is_text(dtype) or dtype in (pl.Date, pl.Datetime, pl.Null)


def read_times(given: pl.Series, *, time_zone: str) -> Reading:
    """Read a column as instants.

    Parameters
    ----------
    given : Series of shape (n,)
        Text, dates or datetimes with or without a zone.
    time_zone : str
        IANA zone of the times that carry none.

    Returns
    -------
    Reading
        ``Datetime[us, UTC]``.

    Examples
    --------
    >>> given = pl.Series(["2011-07-01 02:00:00", "2011-07-01T00:00Z", "", "1.7.2011"])
    >>> read_times(given, time_zone="Europe/Vienna").values.dt.epoch("s").to_list()
    [1309478400, 1309478400, None, None]
    """
    if is_text(given.dtype):
        return _from_text(given.cast(pl.String), time_zone)
    return Reading(_to_utc(given, time_zone))


def iso_texts(times: pl.Series) -> pl.Series:
    """Write instants as ISO 8601 in UTC, with a fraction only where there is one."""
    return times.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")


def _from_text(given: pl.Series, time_zone: str) -> Reading:
    """Parse with the format of the first value; what that leaves, with all the others."""
    values = pl.Series(given.name, [None], dtype=STORED_TIME).new_from_index(0, len(given))
    left = given
    for parsed_format in _formats_for(given):
        if left.null_count() == len(left):
            break
        parsed = _parse(left, parsed_format, time_zone)
        if parsed.null_count() == len(parsed):
            continue
        values = parsed if left is given else values.zip_with(values.is_not_null(), parsed)
        if parsed.null_count() == left.null_count():
            # Most files write all their times alike.
            return Reading(values)
        left = left.set(parsed.is_not_null(), None)
    if left.null_count() == len(left):
        return Reading(values)
    stripped = left.str.strip_chars()
    wrong = stripped.is_not_null() & ~stripped.is_in(MISSING)
    if not wrong.any():
        return Reading(values)
    if not stripped.equals(left, null_equal=True):
        rest = _from_text(stripped, time_zone)
        return Reading(values.zip_with(values.is_not_null(), rest.values), rest.failures)
    return Reading(values, ((NOT_A_TIME, wrong),))


def _formats_for(given: pl.Series) -> list[str]:
    """List the formats, the one that fits the first value in front."""
    formats = [*_NAIVE, *_AWARE, _DATE]
    index = given.is_not_null().arg_max()
    if index is None or given[index] is None:
        return formats
    first = given.slice(index, 1)
    fitting = [f for f in formats if not _parse(first, f, "UTC").has_nulls()][:1]
    return [*fitting, *(f for f in formats if f not in fitting)]


def _parse(text: pl.Series, parsed_format: str, time_zone: str) -> pl.Series:
    if parsed_format == _DATE:
        times = text.str.to_date(_DATE, strict=False).cast(pl.Datetime("us"))
    elif parsed_format.endswith("%#z"):
        times = text.str.to_datetime(
            parsed_format, time_unit="us", time_zone="UTC", strict=False, cache=False
        )
    else:
        # Times mostly differ: remembering each of them takes longer than parsing it.
        times = text.str.to_datetime(parsed_format, time_unit="us", strict=False, cache=False)
    odd = ~times.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)
    if odd.any():
        times = times.set(odd.fill_null(value=False), None)
    return _to_utc(times, time_zone)


def _to_utc(times: pl.Series, time_zone: str) -> pl.Series:
    """Give times their instant: naive ones are local to the zone."""
    plain = times.cast(pl.Datetime("us")) if times.dtype in (pl.Date, pl.Null) else times
    plain = plain.dt.cast_time_unit("us")
    if isinstance(plain.dtype, pl.Datetime) and plain.dtype.time_zone is not None:
        return plain.dt.convert_time_zone("UTC")
    if time_zone == "UTC":
        return plain.dt.replace_time_zone("UTC")
    local = plain.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    instants = local.dt.convert_time_zone("UTC")
    if instants.null_count() == plain.null_count():
        return instants
    skipped = instants.is_null() & plain.is_not_null()
    zone = ZoneInfo(time_zone)
    moved = [_instant(moment, zone) for moment in plain.filter(skipped)]
    return instants.scatter(skipped.arg_true(), pl.Series(moved, dtype=STORED_TIME))


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
