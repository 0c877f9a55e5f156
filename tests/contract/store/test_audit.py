"""An audit event is committed once and waits until its line is written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.contract.store.histories import NOON

from iris_ct.adapters.store import SqlStore
from iris_ct.core.audit import AuditEvent, Severity

pytestmark = pytest.mark.integration


def event(number: int, *, model: str = "bikes") -> AuditEvent:
    return AuditEvent(
        event_id=f"{model}-e{number}",
        model=model,
        step="Gate",
        severity=Severity.WARNING,
        text="version 2 refused",
        facts={"version": 2},
        happened_at=NOON + timedelta(seconds=number),
    )


def test_an_event_is_kept_once(store: SqlStore) -> None:
    assert store.audit.record(event(1))
    assert not store.audit.record(event(1))
    assert store.audit.events("bikes") == [event(1)]


def test_events_wait_in_order_until_written(store: SqlStore) -> None:
    for number in (3, 1, 2):
        store.audit.record(event(number))
    assert store.audit.unwritten() == [event(1), event(2), event(3)]
    assert store.audit.unwritten(2) == [event(1), event(2)]
    store.audit.mark_written("bikes-e2")
    assert store.audit.unwritten() == [event(1), event(3)]


def test_the_newest_events_are_listed_oldest_first(store: SqlStore) -> None:
    for number in (4, 2, 3):
        store.audit.record(event(number))
    store.audit.record(event(1, model="loans"))
    store.audit.record(event(9, model=""))
    assert store.audit.events("bikes", newest=2) == [event(3), event(4)]
    assert store.audit.events(newest=2) == [event(4), event(9, model="")]
    assert len(store.audit.events()) == 5
    assert store.audit.events("nobody") == []
