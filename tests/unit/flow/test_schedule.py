"""Cron times in a model's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from iris_ct.adapters.store import SqlStore
from iris_ct.core.audit import Severity
from iris_ct.core.errors import SpecificationError
from iris_ct.core.specification import Specification, parse_specification
from iris_ct.flow.schedule import due_retrainings, newest_tick

CRON = "0 3 * * *"


class StoppedClock:
    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant


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


def test_a_time_that_the_wall_clock_shows_twice_counts_once() -> None:
    """Vienna sets its clocks back on 27 October 2024 at 03:00 (01:00 UTC) to 02:00."""
    first = newest_tick("30 2 * * *", "Europe/Vienna", at("2024-10-27 00:45:00"))
    # Python takes no two times of different zones for equal where a clock is set.
    assert first.astimezone(UTC) == at("2024-10-27 00:30:00")
    second_pass = ["01:00:00", "01:10:00", "01:30:00", "01:59:59", "02:30:00"]
    assert {
        newest_tick("30 2 * * *", "Europe/Vienna", at(f"2024-10-27 {time}")).isoformat()
        for time in second_pass
    } == {first.isoformat()}


def test_ticks_never_go_back_while_the_clock_is_set_back() -> None:
    minutes = [at("2024-10-26 23:00:00") + timedelta(minutes=n) for n in range(300)]
    ticks = [newest_tick("*/15 * * * *", "Europe/Vienna", now) for now in minutes]
    assert ticks == sorted(ticks)
    assert all(tick <= now for tick, now in zip(ticks, minutes, strict=True))
    # From 01:00 local to 05:00 local in quarters, the repeated hour once, and 05:00 not reached.
    assert len({tick.isoformat() for tick in ticks}) == 16


def test_a_time_that_the_wall_clock_leaves_out_counts_right_after_it() -> None:
    """Vienna sets its clocks forward on 31 March 2024 at 02:00 (01:00 UTC) to 03:00."""
    before = newest_tick("30 2 * * *", "Europe/Vienna", at("2024-03-31 00:59:59"))
    assert before == at("2024-03-30 01:30:00")
    for time in ("01:00:00", "01:29:00", "23:00:00"):
        tick = newest_tick("30 2 * * *", "Europe/Vienna", at(f"2024-03-31 {time}"))
        assert tick == at("2024-03-31 01:00:00")


class BrokenFiles:
    """Model files of which one cannot be read."""

    def names(self) -> list[str]:
        return ["broken", "sound"]

    def read(self, model: str) -> Specification | None:
        if model == "broken":
            raise SpecificationError(
                "models/broken.toml is no TOML:\nsomething is wrong in line 3."
            )
        return None


def test_a_broken_model_file_stops_only_its_own_model_and_is_told_once(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path)
    for model in ("broken", "sound"):
        content = {
            "name": model,
            "task": "regression",
            "target": "y",
            "features": {"x": "numeric"},
            "trigger": {"cron": CRON},
        }
        store.specifications.record(
            parse_specification(content, source="a test"),
            actor="a test",
            at=at("2024-01-01 00:00:00"),
        )
    for now in ("2024-01-10 03:00:00", "2024-01-10 03:00:20"):
        due = due_retrainings(files=BrokenFiles(), store=store, clock=StoppedClock(at(now)))
        assert due == [("sound", "2024-01-10T03:00:00+00:00")]
    events = store.audit.unwritten(limit=10)
    assert [(e.model, e.step, e.severity) for e in events] == [
        ("broken", "Schedule", Severity.WARNING)
    ]
    assert events[0].text == (
        "no retraining for cron time 2024-01-10T03:00:00+00:00 yet: models/broken.toml is no TOML: "
        "something is wrong in line 3."
    )
    due_retrainings(
        files=BrokenFiles(), store=store, clock=StoppedClock(at("2024-01-11 03:00:00"))
    )
    assert len(store.audit.unwritten(limit=10)) == 2, "each cron time is told"
