"""Times as the lists of services and models say them: short, in the time of this machine."""

from __future__ import annotations

from datetime import datetime


def say_when(moment: str, now: datetime) -> str:
    """Say an instant: its time today, with month and day this year, else with the year too.

    Parameters
    ----------
    moment : str
        ISO 8601 with an offset.
    now : datetime
        In the time zone to be used.

    Examples
    --------
    >>> now = datetime.fromisoformat("2026-11-21T15:00:00+01:00")
    >>> [say_when(f"{day}T12:02:00+00:00", now) for day in ("2026-11-21", "2026-08-28", "2018-02-15")]
    ['13:02', 'Aug28 13:02', '2018 Feb15 13:02']
    """
    then = datetime.fromisoformat(moment).astimezone(now.tzinfo)
    # Not by the machine's language.
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * then.month - 3 : 3 * then.month]
    time = f"{then:%H:%M}"
    if then.date() == now.date():
        return time
    day = f"{month}{then.day:02d} {time}"
    return day if then.year == now.year else f"{then.year} {day}"


def local_now() -> datetime:
    """Give the time of this machine, with its offset."""
    return datetime.now().astimezone()
