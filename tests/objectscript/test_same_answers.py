"""SQL and the command line give the same answers on the same home, and the same errors.

Each ``Language = python`` body of the classes runs as it stands, in a process whose ``iris`` is
`iris_stub`, against a home that the embedded host runs. Expected rows are made here from the
answers of ``ct ... --json``, not by the code that makes them for SQL.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.running import MODEL, copy_home, ct, make_home, wait_until
from tests.factories import day, rentals
from tests.objectscript import iris_stub
from tests.objectscript.conftest import both
from tests.objectscript.instance import Instance, RaisedError
from tests.objectscript.syntax import read_classes

pytestmark = pytest.mark.e2e

Asked = tuple[Path, Instance]
KEY = "2024-01-10 08:00:00"
ROW = '{"hour": 8, "temperature": 21.5, "weather": "dry", "holiday": false}'


def utc(moment: str | None) -> str | None:
    """Say an instant of a JSON answer as SQL does."""
    if moment is None:
        return None
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def said(home: Path, *arguments: object) -> Any:
    """Ask the command line for JSON."""
    answer = ct(home, *arguments, "--json")
    assert answer.code == 0, answer.err
    return answer.json


def shown(rows: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give of each row the columns that are wanted, to be compared at once."""
    return [{name: row[name] for name in wanted[0]} for row in rows]


def test_status_is_the_same(asked: Asked) -> None:
    home, instance = asked
    # What the home was left with goes on when its host starts.
    wait_until(lambda: said(home, "status", MODEL)["pending_messages"] == 0)
    answer = said(home, "status", MODEL)
    wanted = [
        {
            "model": MODEL,
            "task": answer["task"],
            "champion_version": answer["champion"]["version"],
            "trained_at": utc(answer["champion"]["trained_at"]),
            "n_rows": answer["rows"],
            "n_batches": answer["batches"],
            "label_files": answer["label_files"],
            "quarantined_rows": answer["quarantined_rows"],
            "quarantined_batches": answer["quarantined_batches"],
            "newest_event": answer["newest_event"],
            "n_trainings": answer["trainings"],
            "n_promotions": answer["promotions"],
            "n_holds": answer["holds"],
            "n_rejections": answer["rejections"],
            "n_failures": answer["failures"],
            "open_cycle": answer["open_cycle"],
            "drift_status": answer["last_drift"]["status"],
            "drifted": int(answer["last_drift"]["drifted"]),
            "drifted_features": ", ".join(answer["last_drift"]["features"]),
            "error_drifted": int(answer["last_drift"]["error_drifted"]),
            "drift_measured_at": utc(answer["last_drift"]["measured_at"]),
            "pending_messages": answer["pending_messages"],
            "source_standstill": None,
        }
    ]
    rows = instance.rows("Status", MODEL)
    assert shown(rows, wanted) == wanted
    assert set(rows[0]) == {*wanted[0], "unregistered_versions"}


@pytest.mark.parametrize("empty", ["", "\x00", None])
def test_status_of_all_models_needs_no_name(asked: Asked, empty: str | None) -> None:
    home, instance = asked
    names = [answer["model"] for answer in said(home, "status")]
    assert [row["model"] for row in instance.rows("Status", empty)] == names == [MODEL]


def test_drift_is_the_same(asked: Asked) -> None:
    home, instance = asked
    [report] = said(home, "drift", MODEL)
    same = ("status", "psi", "psi_threshold", "statistic", "observed", "p_value", "mean_shift")
    features = [
        {
            "report_id": report["report_id"],
            "measured_at": utc(report["measured_at"]),
            "version": report["version"],
            "column_name": feature["name"],
            "column_role": feature["role"],
            "column_kind": feature["kind"],
            "drifted": int(feature["drifted"]),
            "reason": feature["reason"],
            **{name: feature[name] for name in same},
            **{name: feature[name] for name in ("missing_before", "missing_now", "unseen_now")},
        }
        for feature in report["features"]
    ]
    rows = instance.rows("Drift", MODEL)
    assert shown([row for row in rows if row["column_role"] != "error"], features) == features
    errors = [
        {
            "column_name": report["error"]["metric"],
            "status": report["error"]["status"],
            "drifted": int(report["error"]["drifted"]),
            "observed": report["error"]["factor"],
            "p_value": report["error"]["p_value"],
        }
    ]
    assert shown([row for row in rows if row["column_role"] == "error"], errors) == errors


def test_history_is_the_same(asked: Asked) -> None:
    home, instance = asked
    same = ("version", "since_event", "actor", "holdout_loss", "metric", "cycle_id", "verdict")
    wanted = [
        {
            "served_from": utc(reign["since"]),
            "train_window": reign["window"],
            "n_rows": reign["rows"],
            "trigger_reason": reign["trigger"],
            "decision_id": reign["decision"],
            "reason": reign["reason"],
            **{name: reign[name] for name in same},
        }
        for reign in said(home, "history", MODEL)
    ]
    assert len(wanted) == 2
    assert shown(instance.rows("History", MODEL), wanted) == wanted


def test_decisions_are_the_same(asked: Asked) -> None:
    home, instance = asked
    same = ("decision_id", "model", "kind", "outcome", "reason", "cycle_id", "actor", "event_now")
    taken = said(home, "history", MODEL, "--decisions")
    rows = instance.rows("Decisions", MODEL, 1000)
    wanted = [
        {"decided_at": utc(each["decided_at"]), **{name: each[name] for name in same}}
        for each in taken
    ]
    assert shown(rows, wanted) == wanted
    assert [json.loads(row["record"]) for row in rows] == taken


def test_newest_decisions_are_the_last_ones(asked: Asked) -> None:
    home, instance = asked
    taken = [each["decision_id"] for each in said(home, "history", MODEL, "--decisions")]
    # As text, too: SQL may hand over either.
    assert [row["decision_id"] for row in instance.rows("Decisions", MODEL, "3")] == taken[-3:]
    assert len(instance.rows("Decisions", MODEL)) == min(20, len(taken))


def test_an_explanation_is_the_same(asked: Asked) -> None:
    home, instance = asked
    words = said(home, "explain", MODEL)["words"]
    rows = instance.rows("Explain", MODEL)
    assert [row["words"] for row in rows][:-1] == words
    assert rows[-1]["words"] == "The chain of records is intact."
    assert [row["line_number"] for row in rows] == list(range(1, len(rows) + 1))


def test_quarantine_is_the_same(asked: Asked) -> None:
    home, instance = asked
    wanted = [
        {
            "batch_id": held["batch_id"],
            "n_rows": held["rows"],
            "whole_batch": int(held["whole_batch"]),
            "arrived_at": utc(held["arrived_at"]),
            "file_path": held["file"],
        }
        for held in said(home, "quarantine", MODEL)
    ]
    assert len(wanted) == 1
    rows = instance.rows("Quarantine", MODEL)
    assert shown(rows, wanted) == wanted
    assert rows[0]["reasons"] == "above_maximum:temperature 1"


def test_the_log_is_the_same(asked: Asked) -> None:
    home, instance = asked
    wanted = [
        {
            "event_id": event["event_id"],
            "happened_at": utc(event["happened_at"]),
            "model": event["model"],
            "step": event["step"],
            "severity": event["severity"],
            "event_text": event["text"],
        }
        for event in said(home, "log", MODEL, "-n", "5")
    ]
    assert shown(instance.rows("Log", MODEL, 5), wanted) == wanted


@pytest.mark.parametrize("row", [KEY, ROW])
def test_a_prediction_is_the_same(asked: Asked, row: str) -> None:
    home, instance = asked
    answer = said(home, "predict", MODEL, "--row", row)
    assert instance.function("Predict", MODEL, row) == answer["prediction"]
    detail = instance.answer("PredictDetail", MODEL, row)
    assert {**detail, "request_id": ""} == {**answer, "request_id": ""}
    assert detail["request_id"] != answer["request_id"]


def test_who_served_is_the_same(asked: Asked) -> None:
    home, instance = asked
    first, second = (reign["since"] for reign in said(home, "history", MODEL))
    for moment in (first, second, utc(second), "2020-01-01"):
        answer = said(home, "history", MODEL, "--at", moment)
        assert instance.function("ServedAt", MODEL, moment) == answer["version"]
    assert instance.function("ServedAt", MODEL, first) == 1
    assert instance.function("ServedAt", MODEL, utc(second)) == 2
    assert instance.function("ServedAt", MODEL, "2020-01-01") is None


def test_a_stored_batch_is_predicted_the_same(asked: Asked) -> None:
    home, instance = asked
    batch = said(home, "quarantine", MODEL)[0]["batch_id"]
    answer = said(home, "predict", MODEL, "--batch", batch)
    found = instance.answer("PredictBatch", MODEL, batch)
    assert {**found, "request_id": ""} == {**answer, "request_id": ""}
    assert found["rows"] == 20 * 24 - 1


ERRORS: tuple[tuple[Callable[[Instance], object], tuple[str, ...]], ...] = (
    (lambda i: i.rows("Status", "nobody"), ("status", "nobody")),
    (lambda i: i.rows("Drift", "nobody"), ("drift", "nobody")),
    (lambda i: i.rows("History", "nobody"), ("history", "nobody")),
    (lambda i: i.rows("Explain", "nobody"), ("explain", "nobody")),
    (lambda i: i.function("Predict", "nobody", KEY), ("predict", "nobody", "--row", KEY)),
    (lambda i: i.function("Predict", MODEL, "1999"), ("predict", MODEL, "--row", "1999")),
    (lambda i: i.function("Predict", MODEL, "{"), ("predict", MODEL, "--row", "{")),
    (lambda i: i.function("PredictBatch", MODEL, "x"), ("predict", MODEL, "--batch", "x")),
    (lambda i: i.function("ServedAt", MODEL, "noon"), ("history", MODEL, "--at", "noon")),
    (lambda i: i.function("Cancel", MODEL), ("retrain", MODEL, "--cancel")),
    (lambda i: i.function("Retrain", "nobody", 0), ("retrain", "nobody")),
    (
        lambda i: i.function("Promote", MODEL, 9, "why"),
        ("promote", MODEL, "--version", "9", "--reason", "why"),
    ),
    (
        lambda i: i.function("Rollback", MODEL, 9, "why"),
        ("rollback", MODEL, "--to", "9", "--reason", "why"),
    ),
    (
        lambda i: i.function("ReleaseQuarantine", MODEL, "x"),
        ("quarantine", MODEL, "--release", "x"),
    ),
)


@pytest.mark.parametrize(
    ("ask", "arguments"), ERRORS, ids=[" ".join(arguments) for _, arguments in ERRORS]
)
def test_an_error_says_the_same(
    asked: Asked, ask: Callable[[Instance], object], arguments: tuple[object, ...]
) -> None:
    home, instance = asked
    answer = ct(home, *arguments)
    assert answer.code != 0
    with pytest.raises(RaisedError) as raised:
        ask(instance)
    assert str(raised.value) == " ".join(answer.err.split())


def test_without_a_table_to_read_both_name_what_the_model_file_lacks(asked: Asked) -> None:
    home, instance = asked
    with pytest.raises(RaisedError, match=r"\[source\]"):
        instance.function("Ingest", MODEL)
    # The command line may be given files as well, so it says that first.
    assert "[source]" in ct(home, "ingest", MODEL).err


def test_a_missing_argument_is_named(asked: Asked) -> None:
    _, instance = asked
    for given in ("", "\x00", None):
        with pytest.raises(RaisedError, match="Predict needs 'model', which was not given"):
            instance.function("Predict", given, KEY)


SCREENS = (
    ("Status",),
    ("Status", MODEL),
    ("Drift", MODEL),
    ("History", MODEL),
    ("Explain", MODEL),
    ("Predict", MODEL, KEY),
    ("Tail", MODEL, 20),
    ("Help",),
)


@pytest.mark.parametrize("command", SCREENS, ids=" ".join(map(str, ("{}",))).format)
def test_a_screen_is_at_most_80_columns_wide(asked: Asked, command: tuple[object, ...]) -> None:
    _, instance = asked
    name, *arguments = command
    lines = instance.screen(str(name), *arguments).splitlines()
    assert lines
    assert max(map(len, lines)) <= 80


def _without_names(answer: Any) -> Any:
    """Forget what is another one each time: identifiers, sessions, instants."""
    if isinstance(answer, dict):
        return {
            key: bool(value) if key in _NAMES else _without_names(value)
            for key, value in answer.items()
        }
    return [_without_names(each) for each in answer] if isinstance(answer, list) else answer


_NAMES = frozenset({"cycle_id", "decision", "session", "file"})


@pytest.mark.slow
def test_wishes_have_the_same_outcome(lived: Path, tmp_path: Path) -> None:
    line, sql = (copy_home(lived, tmp_path / name / "dur") for name in ("line", "sql"))
    batch = said(line, "quarantine", MODEL)[0]["batch_id"]
    with both(line), both(sql) as instance:

        def agree(method: str, given: tuple[object, ...], *arguments: object) -> Any:
            answer = said(line, *arguments)
            found = instance.answer(method, *given)
            assert _without_names(found) == _without_names(answer), method
            wait_until(lambda: _is_quiet(line) and _is_quiet(sql))
            return answer

        agree("Retrain", (MODEL, 1), "retrain", MODEL, "--accept-reused")
        agree("Rollback", (MODEL, 0, "too low"), "rollback", MODEL, "--reason", "too low")
        agree("Rollback", (MODEL, 2, "high"), "rollback", MODEL, "--to", "2", "--reason", "high")
        agree(
            "Promote", (MODEL, 1, "tried"), "promote", MODEL, "--version", "1", "--reason", "tried"
        )
        # Still above the maximum, so the command says no; SQL does not wait for that.
        released = ct(line, "quarantine", MODEL, "--release", batch, "--json")
        assert released.code == 1, released.err
        assert set(instance.answer("ReleaseQuarantine", MODEL, batch)) <= set(released.json)
        wait_until(lambda: _is_quiet(sql))
        kept = [_standing(home) for home in (line, sql)]
        assert kept[0] == kept[1]
        # The user of the instance is who acted; on the command line the login name.
        last = said(sql, "history", MODEL)[-1]
        assert last["actor"] == iris_stub.USER
        instance.rows("Status", MODEL)
        used = set(instance.run("used"))
        assert used <= set(iris_stub.FACTS)
        assert {"execute", "sql.prepare", "cls"} <= used


def _is_quiet(home: Path) -> bool:
    answer = said(home, "status", MODEL)
    return answer["pending_messages"] == 0 and answer["open_cycle"] is None


def _standing(home: Path) -> dict[str, Any]:
    answer = said(home, "status", MODEL)
    keys = ("rows", "quarantined_rows", "trainings", "promotions", "rejections", "holds")
    reigns = [(r["version"], r["trigger"]) for r in said(home, "history", MODEL)]
    return {**{key: answer[key] for key in keys}, "reigns": reigns}


def test_every_python_body_of_the_classes_is_known_to_the_instance(asked: Asked) -> None:
    _, instance = asked
    wanted = {
        f"{each.name}.{member.name}"
        for each in read_classes()
        for member in each.methods().values()
        if member.is_python
    }
    assert set(instance.run("bodies")) == wanted
    assert "schema version" in instance.run("CT.Setup.Migrate")
    grants = json.loads(instance.run("CT.Setup.Grants", "CT_Reader", "CT_Operator", "CT_Serving"))
    assert "GRANT EXECUTE ON CT.Predict TO CT_Reader" in grants
    assert "GRANT EXECUTE ON CT.RollbackTo TO CT_Operator" in grants
    of_readers = [each for each in grants if each.endswith(" TO CT_Reader")]
    assert not [each for each in of_readers if "DELETE" in each or "SCHEMA" in each]


TABLES = """
[source]
table = "rental_slots"
id = "slot_id"
every = "1d"

[scoring]
tables = ["slots_to_come"]
"""


def _fill(home: Path, table: str, rows: pl.DataFrame) -> None:
    """Write rows into a table of the home's database, as another program would."""
    with closing(sqlite3.connect(home / "store" / "ct.db", timeout=60)) as database:
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (slot_id BIGINT PRIMARY KEY, slot TEXT, "
            "hour INTEGER, temperature REAL, weather TEXT, holiday BOOLEAN, hires REAL)"
        )
        numbered = rows.with_row_index("slot_id", 1)
        marks = ", ".join("?" * len(numbered.columns))
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", numbered.rows())
        database.commit()


@pytest.mark.slow
def test_tables_are_read_and_predicted_the_same(tmp_path: Path) -> None:
    line, sql = (make_home(tmp_path / name / "dur", extra=TABLES) for name in ("line", "sql"))
    nothing = rentals(day(0), 1).clear()
    for home in (line, sql):
        # The store makes its own tables beside it.
        assert ct(home, "status", MODEL).code == 0
        _fill(home, "rental_slots", nothing)
    with both(line), both(sql) as instance:
        # The production looks once when it starts, and then in a day.
        wait_until(lambda: all(said(h, "status", MODEL)["source"]["read_at"] for h in (line, sql)))
        for home in (line, sql):
            _fill(home, "rental_slots", rentals(day(0), 30))
            _fill(home, "slots_to_come", rentals(day(30), 2))
        answer, found = said(line, "ingest", MODEL), instance.answer("Ingest", MODEL)
        assert found["new"] == 720
        counts = ("model", "table", "new", "changed", "deleted", "swept")
        assert {name: found[name] for name in counts} == {name: answer[name] for name in counts}
        assert [set(batch) for batch in found["batches"]] == [
            set(batch) for batch in answer["batches"]
        ]
        wait_until(lambda: all(said(h, "status", MODEL)["champion"] for h in (line, sql)))
        wait_until(lambda: _is_quiet(line) and _is_quiet(sql))
        predicted = said(line, "predict", MODEL, "--batch", "slots_to_come")
        told = instance.answer("PredictBatch", MODEL, "slots_to_come")
        assert {**told, "request_id": ""} == {**predicted, "request_id": ""}
        assert told["rows"] == 48
