"""A database that release 0.1.0 made and filled is brought to this release, or left as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from tests.contract.store import children
from tests.contract.store import tables_0_1_0 as old
from tests.contract.store.histories import NOON, decision, trigger

from iris_ct.adapters.store import SqlStore, steps
from iris_ct.adapters.store.decisions import chained
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.migrations import MIGRATIONS, Migration, migrate
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import StoreError

pytestmark = pytest.mark.integration

# More than one page of the step that fills columns, so that none is forgotten.
N_DECISIONS = 503
DECISIONS = [
    decision(
        f"d{number}",
        outcome="hold" if number % 2 else "promote",
        reason=f"because of {number}",
        actor="anna" if number % 3 else "policy",
        cycle_id=None if number % 5 == 0 else f"bikes-cycle-{number:05d}",
        decided_at=NOON + timedelta(minutes=number),
    )
    for number in range(1, N_DECISIONS + 1)
]
FEATURE = {
    "name": 'Temp. "°C", felt',
    "role": "feature",
    "kind": "numeric",
    "status": "measured",
    "psi": 0.31,
    "psi_threshold": 0.12,
    "statistic": "ks",
    "observed": 0.4,
    "p_value": 1e-9,
    "adjusted_p_value": 2e-9,
    "missing_before": 0.0,
    "missing_now": 0.01,
    "unseen_before": None,
    "unseen_now": None,
    "mean_shift": 1.5,
    "drifted": True,
    "reason": "shifted",
}
ERROR = {
    "metric": "mae",
    "status": "measured",
    "drifted": True,
    "loss": 3.0,
    "reference_loss": 2.0,
    "factor": 1.5,
    "factor_threshold": 1.25,
    "p_value": 0.0001,
    "significance": 0.001,
    "n_rows": 400,
    "n_blocks": 9,
}
REPORTS = [
    {
        "report_id": "r1",
        "subject": "bikes-000001",
        "version": 1,
        "event_now": 7,
        "measured_at": "2026-01-02T00:00:00+00:00",
        "error": ERROR,
        "status": "measured",
        "drifted": True,
        "drifted_features": [FEATURE["name"]],
        "n_reference": 500,
        "n_current": 400,
        "features": [FEATURE, {**FEATURE, "name": "y", "role": "target", "drifted": False}],
    },
    {
        "report_id": "r2",
        "subject": "bikes-000002",
        "version": 1,
        "event_now": 9,
        "measured_at": "2026-01-03T12:00:00.500000+00:00",
        "error": None,
        "status": "disabled",
        "drifted": False,
        "drifted_features": [],
    },
]


@pytest.fixture
def released(url: str, tmp_path: Path) -> str:
    """Make a database as release 0.1.0 left it, with rows in every table that a step changes."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        old.metadata.create_all(connection)
        _insert(connection, old.migration, number=1, what="first", applied_at=NOON)
        before = ""
        for seq, told in enumerate(DECISIONS, start=1):
            content = told.to_json()
            before = chained(before, content)
            _insert(
                connection,
                old.decision,
                decision_id=told.decision_id,
                model=told.model,
                seq=seq,
                content=content,
                digest=before,
            )
        for seq, report in enumerate(REPORTS, start=1):
            _insert(
                connection,
                old.drift_report,
                report_id=report["report_id"],
                model="bikes",
                seq=seq,
                batch_id=report["subject"],
                content=canonical_json(report),
            )
        _insert_versions(connection)
        _insert_predictions(connection, tmp_path / "home")
    engine.dispose()
    return url


def _insert(connection: sa.Connection, table: sa.Table, **values: Any) -> None:
    connection.execute(sa.insert(table).values(values))


def _insert_versions(connection: sa.Connection) -> None:
    for number, since in ((1, NOON), (2, NOON + timedelta(days=1))):
        _insert(
            connection,
            old.model_version,
            model="bikes",
            version=number,
            cycle_id=f"c{number}",
            spec_digest="s",
            recipe_digest="r",
            recipe_window="90d",
            recipe_rounds=9,
            artifact="a",
            artifact_digest="a",
            refitted=1,
            fit_from=1,
            fit_until=2,
            n_rows=2,
            snapshot_digest="d",
            metrics='{"mae":1.5}',
            holdout_loss=1.5,
            trained_at=NOON,
        )
        _insert(
            connection,
            old.champion,
            model="bikes",
            seq=number,
            version=number,
            since=since,
            decision_id=f"d{number}",
            actor="anna",
        )


def _insert_predictions(connection: sa.Connection, home: Path) -> None:
    path = home / "store/bikes/predictions/old.parquet"
    path.parent.mkdir(parents=True)
    frame = pl.DataFrame({"_key": ["a", "b"], "_position": [1, 2], "prediction": [0.5, 1.5]})
    frame.write_parquet(path)
    _insert(
        connection,
        old.prediction_file,
        model="bikes",
        request_id="old",
        seq=1,
        version=1,
        batch_id="bikes-000001",
        n_rows=2,
        path=path.relative_to(home).as_posix(),
        file_digest="f",
        predicted_at=NOON,
    )


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(statement))]
    engine.dispose()
    return found


def image(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Give all rows of all tables and the statements of all views: what must not change."""
    engine = sa.create_engine(url)
    looked = sa.inspect(engine)
    tables = looked.get_table_names()
    views = looked.get_view_names()
    engine.dispose()
    return {
        "views": [(view,) for view in sorted(views)],
        **{name: sorted(rows(url, f"SELECT * FROM {name}"), key=repr) for name in tables},
    }


def test_an_upgrade_keeps_all_records_and_their_chain(
    released: str, opened: Callable[[], SqlStore]
) -> None:
    store = opened()
    assert store.migrate() == []
    assert store.decisions.decisions("bikes") == DECISIONS
    assert store.decisions.verify("bikes") is None
    assert [json.loads(r) for r in store.summaries.reports("bikes", newest=9)] == REPORTS[::-1]
    assert [c.version for c in store.models.champions("bikes")] == [1, 2]
    assert store.predictions.counts("bikes") == {1: 2}


def test_decisions_of_before_are_seen_in_the_view(
    released: str, opened: Callable[[], SqlStore]
) -> None:
    opened()
    shown = rows(
        released,
        "SELECT decision_id, kind, outcome, reason, actor, cycle_id FROM ctv_decision "
        "ORDER BY seq",
    )
    assert shown == [
        (d.decision_id, d.kind, d.outcome, d.reason, d.actor, d.cycle_id) for d in DECISIONS
    ]
    [(last,)] = rows(released, "SELECT max(decided_at) FROM ctv_decision")
    assert _moment(last) == datetime(2026, 1, 1, 20, 23)  # noqa: DTZ001 - as views say times


def test_drift_of_before_is_seen_in_the_views(
    released: str, opened: Callable[[], SqlStore]
) -> None:
    opened()
    assert rows(
        released,
        "SELECT report_id, subject, version, status, drifted, n_drifted, n_reference, "
        "error_metric, error_drifted, error_factor FROM ctv_drift_report ORDER BY seq",
    ) == [
        ("r1", "bikes-000001", 1, "measured", 1, 1, 500, "mae", 1, 1.5),
        ("r2", "bikes-000002", 1, "disabled", 0, 0, None, None, None, None),
    ]
    assert rows(
        released,
        "SELECT report_id, place, feature, column_role, drifted, statistic_name, statistic, "
        "p_value, psi, psi_threshold FROM ctv_drift_feature ORDER BY place",
    ) == [
        ("r1", 1, FEATURE["name"], "feature", 1, "ks", 0.4, 1e-9, 0.31, 0.12),
        ("r1", 2, "y", "target", 0, "ks", 0.4, 1e-9, 0.31, 0.12),
    ]


def test_an_upgraded_database_has_the_tables_of_a_fresh_one(
    released: str, opened: Callable[[], SqlStore]
) -> None:
    opened()
    upgraded = _columns(released)
    engine = sa.create_engine(released)
    with engine.begin() as connection:
        for view in sa.inspect(connection).get_view_names():
            connection.exec_driver_sql(f"DROP VIEW {view}")
        old.metadata.drop_all(connection, tables=[old.trigger, old.champion, old.quarantine])
        for name in sa.inspect(connection).get_table_names():
            cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TABLE {name}{cascade}")
    engine.dispose()
    opened()
    assert _columns(released) == upgraded


def test_a_failure_amid_the_upgrade_leaves_the_old_state(released: str) -> None:
    """The step has altered tables and filled columns by then."""
    before = image(released)

    def fail(connection: sa.Connection) -> None:
        steps.show_records(connection)
        connection.execute(sa.text("INSERT INTO ct_nowhere VALUES (7)"))

    database = Database(released)
    try:
        with pytest.raises(StoreError):
            migrate(database, (MIGRATIONS[0], Migration(2, "fail at its end", fail)))
        assert image(released) == before
        assert migrate(database) == [step.number for step in MIGRATIONS[1:]]
    finally:
        database.close()


def test_a_process_killed_amid_the_upgrade_leaves_the_old_state(
    released: str, tmp_path: Path
) -> None:
    before = image(released)
    child = children.start_bare(
        released,
        tmp_path / "home",
        """
        from iris_ct.adapters.store import steps
        from iris_ct.adapters.store.engine import Database
        from iris_ct.adapters.store.migrations import MIGRATIONS, Migration, migrate

        def hang(connection):
            steps.show_records(connection)
            tell("done but not committed")
            wait()

        migrate(Database(url), (MIGRATIONS[0], Migration(2, "hang", hang)))
        """,
    )
    assert children.hear(child) == "done but not committed"
    children.kill(child)
    assert image(released) == before


def test_several_processes_can_upgrade_at_once(released: str, tmp_path: Path) -> None:
    crowd = [children.start(released, tmp_path / "home", "tell('open')") for _ in range(3)]
    assert [children.hear(child) for child in crowd] == ["open"] * 3
    assert [children.end(child) for child in crowd] == [0] * 3
    taken = rows(released, "SELECT number FROM ct_migration ORDER BY number")
    assert taken == [(step.number,) for step in MIGRATIONS]
    assert rows(released, "SELECT count(*) FROM ct_drift_feature") == [(2,)]


def test_work_goes_on_after_an_upgrade(released: str, opened: Callable[[], SqlStore]) -> None:
    store = opened()
    told = store.decisions.record(decision("new", decided_at=NOON + timedelta(days=9)))
    assert store.decisions.get("new") == told
    assert store.decisions.verify("bikes") is None
    cycle, opens = store.cycles.open_or_join(trigger(), spec_digest="s")
    assert opens
    assert rows(released, "SELECT cycle_id, trigger_reason, actor FROM ctv_cycle") == [
        (cycle.cycle_id, "manual", "anna")
    ]


def _moment(said: Any) -> datetime:
    """Read a view's time: SQLite gives text, PostgreSQL a time without zone."""
    return said if isinstance(said, datetime) else datetime.fromisoformat(said)


def _columns(url: str) -> dict[str, Any]:
    engine = sa.create_engine(url)
    looked = sa.inspect(engine)
    found = {}
    for name in sorted(looked.get_table_names()):
        columns = {
            column["name"]: (_family(column["type"]), column["nullable"])
            for column in looked.get_columns(name)
        }
        indexes = {index["name"]: index["column_names"] for index in looked.get_indexes(name)}
        found[name] = (columns, looked.get_pk_constraint(name)["constrained_columns"], indexes)
    engine.dispose()
    return found


def _family(kind: Any) -> str:
    """Name a type; a double is written in several ways."""
    text = str(kind)
    return "DOUBLE" if text.startswith(("FLOAT", "DOUBLE", "REAL")) else text
