"""Rows in, retraining, promotion, and the prediction in SQL: the loop inside IRIS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.factories import day, rentals
from tests.iris.conftest import CLOCK, MODEL, Ingest, is_quiet, status, wait_until
from tests.iris.stack import Stack

from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.adapters.store.iris_remote import DatabaseError
from iris_ct.procedures.catalogue import PROCEDURES

pytestmark = pytest.mark.iris

ROWS = [each for each in PROCEDURES if each.result == "rows"]
FIRST_KEY = "2024-01-01 00:00:00"


def test_thirty_days_in_the_inbox_make_a_first_champion(champion: dict[str, Any]) -> None:
    assert champion["champion_version"] == 1
    assert champion["n_rows"] == 720


def test_a_row_is_predicted_by_key_and_as_json_alike(
    stack: Stack, champion: dict[str, Any]
) -> None:
    row = rentals(day(0), 30).row(0, named=True)
    by_key = stack.value("SELECT CT.Predict(?, ?)", MODEL, FIRST_KEY)
    given = json.dumps({name: row[name] for name in row if name != "hires"})
    by_json = stack.value("SELECT CT.Predict(?, ?)", MODEL, given)
    assert float(by_key) == float(by_json)
    assert abs(float(by_key) - row["hires"]) < 30, "hires are between 10 and 100"
    detail = json.loads(stack.value("SELECT CT.PredictDetail(?, ?)", MODEL, FIRST_KEY))
    assert detail["prediction"] == float(by_key)


def test_what_is_wrong_fails_the_statement(stack: Stack, champion: dict[str, Any]) -> None:
    with pytest.raises(DatabaseError):
        stack.value("SELECT CT.Predict('nobody', '1')")


def test_a_retraining_that_is_asked_for_in_sql_runs_to_its_end(
    stack: Stack, champion: dict[str, Any]
) -> None:
    before = len(stack.query("SELECT cycle_id FROM CT.Cycle WHERE model = ?", MODEL))
    told = json.loads(stack.value("SELECT CT.Retrain(?, 1)", MODEL))
    assert told["outcome"] == "retrain"
    wait_until(lambda: is_quiet(stack))
    ended = stack.query("SELECT cycle_id, state FROM CT.Cycle WHERE model = ?", MODEL)
    assert len(ended) == before + 1
    states = {cycle["cycle_id"]: cycle["state"] for cycle in ended}
    assert states[told["cycle_id"]] in {"promoted", "held", "rejected"}


@pytest.fixture(scope="module")
def drifted(champion: dict[str, Any], ingest: Ingest) -> dict[str, Any]:
    """Twenty days at another level and warmer, after which a challenger serves."""
    return ingest(rentals(day(30), 20, level=1.6, warmth=9))


def test_a_drifted_file_leads_to_another_champion(stack: Stack, drifted: dict[str, Any]) -> None:
    assert drifted["drifted"] == 1
    assert drifted["champion_version"] > 1
    assert stack.query("SELECT words FROM CT.Explain(?)", MODEL)


def test_promote_and_roll_back_name_who_asked(stack: Stack, drifted: dict[str, Any]) -> None:
    serving = status(stack)["champion_version"]
    other = 1 if serving != 1 else drifted["champion_version"]
    told = json.loads(stack.value("SELECT CT.Promote(?, ?, 'a test')", MODEL, other))
    assert told["version"] == other
    wait_until(lambda: status(stack)["champion_version"] == other)
    newest = stack.query("SELECT version, actor, reason FROM CT.History(?)", MODEL)[-1]
    assert newest["version"] == other
    assert newest["reason"].endswith(": a test")
    assert newest["actor"].lower() == "ct_test_operator"
    stack.value("SELECT CT.RollbackTo(?, 0, 'the test is over')", MODEL)
    wait_until(lambda: status(stack)["champion_version"] == serving)
    reigns = stack.query("SELECT served_until FROM CT.Served WHERE model = ?", MODEL)
    assert sum(reign["served_until"] is None for reign in reigns) == 1


def test_rows_have_the_columns_of_the_catalogue(stack: Stack, champion: dict[str, Any]) -> None:
    found = {}
    for procedure in ROWS:
        given = [argument.default or MODEL for argument in procedure.arguments]
        marks = ", ".join("?" for _ in given)
        with stack.connection() as opened:
            cursor = opened.cursor()
            cursor.execute(f"SELECT * FROM CT.{procedure.sql_name}({marks})", given)
            found[procedure.name] = [str(column[0]).lower() for column in cursor.description]
    assert found == {each.name: [column.name for column in each.columns] for each in ROWS}


def test_mlflow_of_the_stack_has_every_version(stack: Stack, champion: dict[str, Any]) -> None:
    wait_until(lambda: status(stack)["unregistered_versions"] == 0)
    serving = status(stack)["champion_version"]
    registered = stack.value(
        "SELECT registry_version FROM CT.ModelVersion WHERE model = ? AND version = ?",
        MODEL,
        serving,
    )
    registry = MlflowRegistry(f"http://127.0.0.1:{stack.mlflow_port}", timeout_s=60)
    assert registry.get_alias(MODEL, "champion") == registered


def test_the_task_manager_wakes_the_schedule_every_minute(stack: Stack) -> None:
    """Each cron time is answered by one wish; its cycle ends without a model, rows are missing."""
    stack.drop(CLOCK, rentals(day(0), 3))
    asked = "SELECT decided_at FROM CT.Decision WHERE model = ? AND actor = 'schedule'"
    wait_until(lambda: len(stack.query(asked, CLOCK)) >= 2)
    minutes = [str(row["decided_at"])[:16] for row in stack.query(asked, CLOCK)]
    assert len(minutes) == len(set(minutes))
