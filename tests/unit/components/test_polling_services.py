"""The polling services with a recording handle: what they send, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iris_ct.adapters.store import SqlStore
from iris_ct.components.services.dataset_inbox import DatasetInbox
from iris_ct.components.services.schedule import Schedule
from iris_ct.core.specification import parse_specification
from iris_ct.messages import CycleRequested, RetrainingDecided


@dataclass
class Recorded:
    """What was sent, and which models the trigger fails for."""

    failing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    cycles: list[str] = field(default_factory=list)

    def trigger(self, _target: str, request: Any) -> RetrainingDecided:
        self.asked.append(request.model)
        if request.model in self.failing:
            raise RuntimeError(f"no decision for {request.model}")
        return RetrainingDecided(request.model, "retrain", "schedule", f"c-{request.model}", "d")

    def cycle(self, _target: str, message: CycleRequested) -> None:
        self.cycles.append(message.cycle_id)


class Files:
    """Model files that can all be read."""

    def names(self) -> list[str]:
        return []

    def read(self, _model: str) -> None:
        return None


@dataclass(frozen=True)
class StoppedClock:
    instant: datetime

    def now(self) -> datetime:
        return self.instant


def scheduled(tmp_path: Path, recorded: Recorded, *models: str) -> Schedule:
    """Make the service with models whose time has come."""
    store = SqlStore(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path)
    for model in models:
        content = {
            "name": model,
            "task": "regression",
            "target": "y",
            "features": {"x": "numeric"},
            "trigger": {"cron": "0 3 * * *"},
        }
        store.specifications.record(
            parse_specification(content, source="a test"),
            actor="a test",
            at=datetime(2024, 1, 1, tzinfo=UTC),
        )
    service: Any = Schedule()
    clock = StoppedClock(datetime(2024, 1, 10, 3, tzinfo=UTC))
    service.parts = SimpleNamespace(store=store, files=Files(), clock=clock)
    service.send_request_sync = recorded.trigger
    service.send_request_async = recorded.cycle
    made: Schedule = service
    return made


def test_each_model_whose_time_has_come_is_asked_for_in_order(tmp_path: Path) -> None:
    recorded = Recorded()
    scheduled(tmp_path, recorded, "a", "b").on_poll()
    assert recorded.asked == ["a", "b"]
    assert recorded.cycles == ["c-a", "c-b"]


def test_a_model_that_fails_does_not_keep_the_others_from_their_time(tmp_path: Path) -> None:
    """The failure goes on after them, so that it is logged and raises its alert."""
    recorded = Recorded(failing={"a"})
    with pytest.raises(RuntimeError, match="no decision for a"):
        scheduled(tmp_path, recorded, "a", "b").on_poll()
    assert recorded.asked == ["a", "b"]
    assert recorded.cycles == ["c-b"]


@pytest.mark.parametrize(("said", "expected"), [(None, 1.5), (0.0, 0.0), (10, 10.0)])
def test_the_settle_time_of_the_portal_wins_over_that_of_the_environment(
    said: float | None, expected: float
) -> None:
    asked: list[float] = []

    def claim_ready(*, settle_s: float) -> list[Any]:
        asked.append(settle_s)
        return []

    inbox: Any = DatasetInbox()
    inbox.parts = SimpleNamespace(
        inbox=SimpleNamespace(claim_ready=claim_ready), settings=SimpleNamespace(settle_s=1.5)
    )
    if said is not None:
        inbox.SettleTime = said
    inbox.on_poll()
    assert asked == [expected]
