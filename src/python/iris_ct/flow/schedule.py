"""schedule -> trigger: which cron times have come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from iris_ct.core.audit import Severity
from iris_ct.core.errors import SpecificationError
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, ModelFiles, Store

_MINUTE = timedelta(minutes=1)


def due_retrainings(*, files: ModelFiles, store: Store, clock: Clock) -> list[tuple[str, str]]:
    """List each model whose newest cron time has come and was not answered yet.

    Returns
    -------
    list of (model, tick)
        ``tick`` is the cron time in ISO 8601 with its offset. Times missed while nothing ran
        are answered once, by the newest of them; times before the specification was recorded
        are not. A model whose file is wrong is left out, with an audit event, until it is mended.
    """
    now = clock.now()
    due = []
    for model in sorted({*files.names(), *store.specifications.models()}):
        specification = store.specifications.newest(model)
        if specification is None or specification.trigger.cron is None:
            continue
        tick = newest_tick(specification.trigger.cron, specification.time_zone, now)
        known_since = store.specifications.versions(model)[-1].recorded_at
        answered = store.decisions.get(
            decision_id("retrain", model, f"schedule:{tick.isoformat()}")
        )
        if (
            answered is None
            and tick > known_since
            and _is_readable(model, tick, files=files, store=store, now=now)
        ):
            due.append((model, tick.isoformat()))
    return due


def _is_readable(
    model: str, tick: datetime, *, files: ModelFiles, store: Store, now: datetime
) -> bool:
    """Say whether the model file can be followed; if not, tell it once for each cron time."""
    try:
        files.read(model)
    except SpecificationError as error:
        reason = " ".join(str(error).split())
        text = f"no retraining for cron time {tick.isoformat()} yet: {reason}"
        event = audit_event(
            model,
            "Schedule",
            f"unreadable:{tick.isoformat()}",
            text,
            at=now,
            severity=Severity.WARNING,
        )
        store.audit.record(event)
        return False
    return True


def newest_tick(cron: str, time_zone: str, now: datetime) -> datetime:
    """Give the newest time of a cron expression that is not after ``now``.

    Cron expressions are about the wall clock. Where it is set back a time that comes twice counts
    once, the first time; where it is set forward a time that is left out counts at the first
    minute after it.
    """
    zone = ZoneInfo(time_zone)
    shown = _furthest_shown(now.astimezone(zone))
    if croniter.match(cron, shown):
        wall = shown.replace(second=0, microsecond=0)
    else:
        wall = croniter(cron, shown).get_prev(datetime)
    while not _exists(wall, zone):
        wall += _MINUTE
    return wall.replace(tzinfo=zone)


def _furthest_shown(local: datetime) -> datetime:
    """Give the latest time that the wall clock has shown by now, without a zone."""
    if local.fold == 0:
        return local.replace(tzinfo=None)
    # The clock was set back: it has shown the whole repeated span before.
    end = local.replace(second=0, microsecond=0)
    while end.replace(fold=0).utcoffset() != end.replace(fold=1).utcoffset():
        end += _MINUTE
    return end.replace(tzinfo=None, fold=0) - timedelta(microseconds=1)


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    there = wall.replace(tzinfo=zone).astimezone(UTC)
    return there.astimezone(zone).replace(tzinfo=None) == wall
