"""Cron times in a model's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime

from iris_ct.flow.schedule import newest_tick


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_newest_tick_is_the_last_time_that_has_come() -> None:
    tick = newest_tick("0 3 * * *", "UTC", at("2024-03-10 02:59:59"))
    assert tick == at("2024-03-09 03:00:00")
    assert newest_tick("0 3 * * *", "UTC", at("2024-03-10 03:00:00")) == at("2024-03-10 03:00:00")


def test_a_tick_is_read_in_the_zone_of_the_model() -> None:
    # Vienna is one hour ahead of UTC in winter.
    tick = newest_tick("0 3 * * *", "Europe/Vienna", at("2024-01-10 02:30:00"))
    assert tick == at("2024-01-10 02:00:00")
