"""schedule -> trigger: which cron times have come."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from iris_ct.flow.identify import decision_id
from iris_ct.ports import Clock, ModelFiles, Store


def due_retrainings(*, files: ModelFiles, store: Store, clock: Clock) -> list[tuple[str, str]]:
    """List each model whose newest cron time has come and was not answered yet.

    Returns
    -------
    list of (model, tick)
        ``tick`` is the cron time in ISO 8601 with its offset. Times missed while nothing ran
        are answered once, by the newest of them; times before the specification was recorded
        are not.
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
        if answered is None and tick > known_since:
            due.append((model, tick.isoformat()))
    return due


def newest_tick(cron: str, time_zone: str, now: datetime) -> datetime:
    """Give the newest time of a cron expression that is not after ``now``."""
    local = now.astimezone(ZoneInfo(time_zone))
    if croniter.match(cron, local):
        return local.replace(second=0, microsecond=0)
    tick: datetime = croniter(cron, local).get_prev(datetime)
    return tick
