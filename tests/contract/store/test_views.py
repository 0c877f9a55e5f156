"""What people and programs see in SQL is what the store says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.contract.store.histories import (
    NOON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    decision,
    specification,
    trigger,
    version,
)
from tests.contract.store.test_predictions import predict

from iris_ct.adapters.store import SqlStore
from iris_ct.adapters.store.views import VIEWS
from iris_ct.core.audit import AuditEvent, Severity

pytestmark = pytest.mark.integration

AT = "CAST('{at}' AS TIMESTAMP)"
SERVED_AT = (
    "SELECT version FROM ctv_served WHERE model = 'bikes' AND served_from <= {at} "
    "AND (served_until > {at} OR served_until IS NULL)"
)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(statement))]
    engine.dispose()
    return found


def moment(said: Any) -> datetime:
    """Read a view's time: SQLite gives text, PostgreSQL a time without zone; both are UTC."""
    read = said if isinstance(said, datetime) else datetime.fromisoformat(said)
    return read.replace(tzinfo=UTC)


def serve(store: SqlStore, number: int, name: str, *, at: datetime) -> None:
    store.models.appoint(
        "bikes", number, decision_id=name, actor="anna", at=at, since_position=None
    )


def test_every_view_can_be_asked_for_all_its_columns(store: SqlStore, url: str) -> None:
    for view in VIEWS:
        engine = sa.create_engine(url)
        found = [column["name"] for column in sa.inspect(engine).get_columns(view.plain_name)]
        engine.dispose()
        assert tuple(found) == view.columns
        assert rows(url, f"SELECT {', '.join(view.columns)} FROM {view.plain_name}") == []


def test_opening_again_leaves_the_views_alone(opened: Callable[[], SqlStore], url: str) -> None:
    opened()
    opened()
    engine = sa.create_engine(url)
    assert set(sa.inspect(engine).get_view_names()) == {view.plain_name for view in VIEWS}
    engine.dispose()


def test_reigns_are_half_open_and_leave_no_gap(store: SqlStore, url: str) -> None:
    """At the very moment of a change the new version serves, and only it."""
    second = NOON + timedelta(days=1)
    for number in (1, 2):
        store.models.add(version(f"c{number}"))
    serve(store, 1, "d1", at=NOON)
    serve(store, 2, "d2", at=second)
    serve(store, 1, "d3", at=second + timedelta(microseconds=1))
    shown = rows(
        url, "SELECT version, served_from, served_until, decision_id FROM ctv_served ORDER BY seq"
    )
    assert [(number, moment(begins), name) for number, begins, _, name in shown] == [
        (1, NOON, "d1"),
        (2, second, "d2"),
        (1, second + timedelta(microseconds=1), "d3"),
    ]
    assert [moment(ends) for _, _, ends, _ in shown[:2]] == [
        second,
        second + timedelta(microseconds=1),
    ]
    assert shown[2][2] is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(microseconds=-1), None),
        (timedelta(0), 1),
        (timedelta(days=1, microseconds=-1), 1),
        (timedelta(days=1), 2),
        (timedelta(days=2), 2),
        (timedelta(days=9), 1),
        (timedelta(days=999), 1),
    ],
)
def test_which_version_served_at_a_time(
    store: SqlStore, url: str, after: timedelta, expected: int | None
) -> None:
    """The documented query and `served_at` agree, also at the edges of a reign."""
    for number in (1, 2):
        store.models.add(version(f"c{number}"))
    for name, number, days in (("d1", 1, 0), ("d2", 2, 1), ("d3", 1, 9)):
        serve(store, number, name, at=NOON + timedelta(days=days))
    at = NOON + after
    text = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    said = f"'{text}'" if url.startswith("sqlite") else AT.format(at=text)
    assert rows(url, SERVED_AT.format(at=said)) == ([] if expected is None else [(expected,)])
    served = store.models.served_at("bikes", at)
    assert (served.version if served else None) == expected


def test_a_clock_that_was_set_back_makes_no_two_versions_serve(store: SqlStore, url: str) -> None:
    for number in (1, 2):
        store.models.add(version(f"c{number}"))
    serve(store, 1, "d1", at=NOON)
    serve(store, 2, "d2", at=NOON - timedelta(hours=1))
    served = store.models.champions("bikes")
    assert [champion.since for champion in served] == [NOON, NOON]
    assert store.models.served_at("bikes", NOON) == served[1]
    assert store.models.served_at("bikes", NOON - timedelta(seconds=1)) is None


def test_records_are_seen_as_they_were_made(store: SqlStore, url: str) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 5, None)])
    add_labels(store, spec, [("b", 2.0)])
    add_quarantined(store, spec, [["bad:x"]])
    cycle, _ = store.cycles.open_or_join(trigger(), spec_digest="s")
    store.cycles.open_or_join(trigger("t2", actor="otto"), spec_digest="s")
    store.decisions.record(decision("d1"))
    store.models.add(version("c1"))
    store.audit.record(
        AuditEvent("e1", "bikes", "Gate", Severity.WARNING, "held back", {"n": 1}, NOON)
    )
    assert rows(
        url,
        "SELECT batch_id, kind, state, n_rows, n_labelled, first_position, last_position "
        "FROM ctv_batch ORDER BY seq",
    ) == [
        ("bikes-000001", "rows", "stored", 2, 1, 1, 5),
        ("bikes-000002", "labels", "stored", 1, 1, None, None),
        ("bikes-000003", "rows", "quarantined", 0, 0, None, None),
    ]
    assert rows(url, "SELECT cycle_id, state, trigger_reason, actor FROM ctv_cycle") == [
        (cycle.cycle_id, "open", "manual", "anna")
    ]
    assert rows(url, "SELECT decision_id, kind, outcome, actor FROM ctv_decision") == [
        ("d1", "gate", "promote", "anna")
    ]
    assert rows(url, "SELECT version, recipe_window, holdout_loss FROM ctv_model_version") == [
        (1, "90d", 1.5)
    ]
    assert rows(url, "SELECT step, severity, sentence FROM ctv_audit_event") == [
        ("Gate", 1, "held back")
    ]


def test_times_are_utc_to_the_microsecond(store: SqlStore, url: str) -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, 80_009, tzinfo=UTC)
    store.decisions.record(decision("d1", decided_at=at))
    [(said,)] = rows(url, "SELECT decided_at FROM ctv_decision")
    assert moment(said) == at
    if url.startswith("sqlite"):
        assert said == "2026-03-04 05:06:07.080009"


def test_a_request_is_unseen_until_all_of_it_can_be_seen(store: SqlStore, url: str) -> None:
    predict(store, specification(), "r1", {"a": 0.1, "b": 0.2})
    insert = "INSERT INTO ct_prediction (model, file_seq, place) VALUES ('bikes', 1, {place})"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ct_prediction")
        connection.exec_driver_sql("UPDATE ct_prediction_file SET n_projected = 1")
        connection.exec_driver_sql(insert.format(place=0))
    assert rows(url, "SELECT * FROM ctv_prediction") == []
    with engine.begin() as connection:
        connection.exec_driver_sql(insert.format(place=1))
        connection.exec_driver_sql("UPDATE ct_prediction_file SET n_projected = 2")
    engine.dispose()
    assert rows(url, "SELECT request_id, place FROM ctv_prediction ORDER BY place") == [
        ("r1", 0),
        ("r1", 1),
    ]
