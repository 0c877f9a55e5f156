"""Spans of event time: durations, or row counts where time is the order of arrival."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_UNITS_US = {
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 7 * 86_400_000_000,
}
_DURATION = re.compile(r"(\d+)\s*([mhdw])")
_ROWS = re.compile(r"(\d+)\s*rows?")


def _canonical(text: str) -> str:
    if match := _DURATION.fullmatch(text.strip()):
        return f"{int(match[1])}{match[2]}"
    if match := _ROWS.fullmatch(text.strip()):
        return f"{int(match[1])} rows"
    raise ValueError("a span is a whole number with a unit: 30m, 6h, 90d, 2w, or 5000 rows")


Span = Annotated[str, AfterValidator(_canonical)]


def is_rows(span: str) -> bool:
    """Tell whether a span counts rows rather than time."""
    return span.endswith("rows")


def span_length(span: str) -> int:
    """Give a span's length in event positions.

    Parameters
    ----------
    span : str
        A canonical span, for example ``"90d"`` or ``"5000 rows"``.

    Returns
    -------
    int
        Microseconds for durations, rows for row counts: the unit of an event position.

    Examples
    --------
    >>> span_length("1d"), span_length("5000 rows")
    (86400000000, 5000)
    """
    canonical = _canonical(span)
    if is_rows(canonical):
        return int(canonical.split()[0])
    return int(canonical[:-1]) * _UNITS_US[canonical[-1]]
