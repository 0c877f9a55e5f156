"""When an item works: the ``Schedule`` attribute of a production item.

A schedule switches an item on and off, as on IRIS; it does not start anything by itself. Only the
daily and dated form ``START:YYYY-MM-DDTHH:MM:SS`` with ``*`` for year, month or day is read; the
weekly form is refused when the plan is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_PART = re.compile(
    r"(START|STOP):(\*|\d{4})-(\*|\d{1,2})-(\*|\d{1,2})T(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?"
)
# A part that names month and day occurs once a year at least, 29 February every eight at most.
_LONGEST_GAP_DAYS = 8 * 366


@dataclass(frozen=True)
class Switch:
    """One switch of a schedule; ``None`` stands for ``*``."""

    starts: bool
    year: int | None
    month: int | None
    day: int | None
    second_of_day: int

    def matches(self, day: datetime) -> bool:
        """Say whether this switch occurs on the day."""
        return (
            self.year in {None, day.year}
            and self.month in {None, day.month}
            and self.day in {None, day.day}
        )


@dataclass(frozen=True)
class Schedule:
    """The switches of one item; without any the item always works. Times are local."""

    switches: tuple[Switch, ...] = ()

    def is_active(self, now: datetime) -> bool:
        """Say whether the item works at an instant, given in the zone of the schedule.

        Examples
        --------
        >>> from datetime import UTC
        >>> office = parse_schedule("START:*-*-*T08:00:00,STOP:*-*-*T17:00:00")
        >>> [office.is_active(datetime(2026, 3, 2, hour, tzinfo=UTC)) for hour in (12, 7)]
        [True, False]
        """
        if not self.switches:
            return True
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        elapsed_s = (now - midnight).total_seconds()
        for days_ago in range(_LONGEST_GAP_DAYS):
            day = midnight - timedelta(days=days_ago)
            occurred = [
                s
                for s in self.switches
                if s.matches(day) and (days_ago > 0 or s.second_of_day <= elapsed_s)
            ]
            if occurred:
                return max(occurred, key=lambda s: s.second_of_day).starts
        # Nothing has occurred yet: a schedule that begins by starting has not begun.
        return False


def parse_schedule(text: str) -> Schedule:
    """Read the ``Schedule`` attribute.

    Raises
    ------
    ValueError
        If a part is not of the form this host reads.
    """
    switches = []
    for part in (p.strip() for p in text.split(",") if p.strip()):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(
                f"{part!r} is not START: or STOP: with YYYY-MM-DDTHH:MM:SS (* for any)"
            )
        word, year, month, day, hour, minute, second = found.groups()
        switches.append(
            Switch(
                starts=word == "START",
                year=_number(year),
                month=_number(month),
                day=_number(day),
                second_of_day=int(hour) * 3600 + int(minute or 0) * 60 + int(second or 0),
            )
        )
    return Schedule(tuple(switches))


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)
