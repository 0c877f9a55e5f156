"""From the inbox to a judged, promoted, served and audited model."""

from __future__ import annotations

import json
import time
from pathlib import Path

import polars as pl
import pytest
from tests.e2e.conftest import MakeHome
from tests.e2e.homes import MODEL, Home
from tests.factories import day, rentals

from iris_ct import procedures
from iris_ct.core.errors import NoChampionError, UnknownModelError

pytestmark = pytest.mark.e2e


def test_thirty_days_of_rows_make_a_first_champion(make_home: MakeHome, store_url: str) -> None:
    home = make_home(store_url=store_url)
    told = home.first_model()
    assert told["outcome"] == "stored"
    assert told["decision"] == "retrain"
    assert told["reason"] == "first model"
    assert told["cycle"] == {
        "cycle_id": "rentals-cycle-00001",
        "outcome": "promoted",
        "version": 1,
    }
    status = home.status()
    assert status["rows"] == 720
    assert status["champion"]["version"] == 1
    assert status["champion"]["rows"] == 720, "the refit goes up to the newest row"
    assert status["champion"]["mlflow_version"] == "1"
    assert status["promotions"] == 1
    # The service that wakes may just have sent one.
    deadline = time.monotonic() + 60
    while home.status()["pending_messages"] > 0:
        assert time.monotonic() < deadline, "messages stay pending"
        time.sleep(0.05)


def test_too_few_rows_wait_and_say_how_many_are_missing(home: Home) -> None:
    told = home.ingest(rentals(day(0), 10))
    assert told["decision"] == "skip"
    assert told["reason"] == "a first model needs 60 more labelled rows"
    with pytest.raises(NoChampionError, match="No version of 'rentals' serves yet"):
        procedures.predict(home.parts, MODEL, home.file(rentals(day(1), 1)), Path("out.csv"))


def test_a_drifted_batch_leads_to_a_better_champion(home: Home) -> None:
    home.first_model()
    told = home.ingest(rentals(day(30), 20, level=1.6, warmth=9))
    assert told["drifted"] is True
    assert told["cycle"]["outcome"] == "promoted"
    gate = home.decisions("gate")[-1]
    assert gate["numbers"]["challenger_loss"] < gate["numbers"]["champion_loss"]
    window = home.decisions("window")[-1]
    assert gate["inputs"]["window"] == window["decision_id"]
    assert window["outcome"] in {tried["window"] for tried in window["inputs"]["windows"]}
    assert home.status()["champion"]["version"] == 2
    drift = procedures.drift(home.parts, MODEL)[0]
    assert "temperature" in drift["drifted_features"]
    assert drift["error"]["drifted"] is True


def test_a_quiet_batch_retrains_nothing(home: Home) -> None:
    home.first_model()
    told = home.ingest(rentals(day(30), 10))
    assert told["drifted"] is False
    assert told["decision"] == "skip"
    assert home.status()["trainings"] == 1


def test_files_dropped_into_the_inbox_are_claimed_in_natural_order(home: Home) -> None:
    folder = home.path / "elsewhere"
    folder.mkdir()
    for number in (10, 2):
        rentals(day(number), 2).write_csv(folder / f"day-{number}.csv")
    inbox = home.path / "inbox"
    inbox.mkdir(exist_ok=True)
    # Both at once: a look between two files would claim the first of them alone.
    folder.rename(inbox / MODEL)
    deadline = time.monotonic() + 60
    while home.status()["batches"] < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    sources = [batch.source for batch in home.parts.store.batches.arrivals(MODEL)]
    assert sources == ["day-2.csv", "day-10.csv"]
    assert not list(inbox.glob("*.csv"))
    assert len(list((home.path / "archive" / MODEL).iterdir())) == 2


def test_the_same_content_is_stored_once_and_told(home: Home) -> None:
    rows = rentals(day(0), 3)
    first, second = home.ingest(rows), home.ingest(rows)
    assert (first["outcome"], second["outcome"]) == ("stored", "duplicate")
    assert "the same content arrived before, as rentals-000001" in second["text"]
    assert home.status()["rows"] == 72


def test_predictions_are_written_logged_and_carry_the_version(home: Home) -> None:
    home.first_model()
    rows = rentals(day(30), 2)
    for ending in ("csv", "parquet"):
        out = home.path.parent / f"out.{ending}"
        told = procedures.predict(home.parts, MODEL, home.file(rows.drop("hires")), out)
        assert told["rows"] == 48
        frame = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
        assert frame.columns == ["key", "prediction", "model_version"]
        assert frame["key"].to_list() == rows["slot"].to_list()
        error = (frame["prediction"] - rows["hires"]).abs().mean()
        assert isinstance(error, float)
        assert error < 6, "the noise alone has a mean absolute value of 2.4"
    assert home.parts.store.predictions.counts(MODEL)[1] == 2 * 48


def test_a_rollback_serves_the_version_before_and_says_why(home: Home) -> None:
    home.first_model()
    home.ingest(rentals(day(30), 20, level=1.6))
    told = procedures.roll_back(home.parts, home.door, MODEL, reason="complaints")
    assert told["version"] == 1
    history = procedures.history(home.parts, MODEL)
    assert [row["version"] for row in history] == [1, 2, 1]
    assert "complaints" in history[-1]["reason"]
    assert home.parts.champions.require(MODEL).version.version == 1
    assert home.parts.registry.get_alias(MODEL, "champion") == "1"


def test_a_second_gate_on_the_same_rows_promotes_nobody_without_a_person(
    make_home: MakeHome,
) -> None:
    home = make_home(extra="min_gain = 0.99\nlimits = { mae = 0.001 }")
    assert home.first_model()["cycle"]["outcome"] == "rejected"
    home.write_model(extra="limits = { mae = 1000 }")
    again = procedures.retrain(home.parts, home.door, MODEL)
    assert again["cycle"]["outcome"] == "held"
    gate = home.decisions("gate")[-1]
    reused = next(c for c in gate["checks"] if c["name"] == "holdout_reused")
    assert reused["passed"] is False
    allowed = procedures.retrain(home.parts, home.door, MODEL, accept_reused=True)
    assert allowed["cycle"]["outcome"] == "promoted"


def test_a_retraining_without_fresh_rows_is_held_with_the_number_needed(home: Home) -> None:
    home.first_model()
    told = procedures.retrain(home.parts, home.door, MODEL)
    assert told["outcome"] == "retrain"
    assert told["cycle"]["outcome"] == "held"
    assert home.decisions("gate")[-1]["reason"] == "insufficient: 120 more fresh rows are needed"


def test_every_decision_is_chained_and_an_altered_byte_is_found(home: Home) -> None:
    home.first_model()
    answer = procedures.explain(home.parts, MODEL)
    assert answer["intact"] is True
    assert answer["record"]["kind"] == "gate"
    assert any("passed: holdout_rows" in line for line in answer["words"])


def test_audit_lines_are_short_json_and_hold_no_row_value(home: Home) -> None:
    home.first_model()
    deadline = time.monotonic() + 60
    while home.parts.store.audit.unwritten() and time.monotonic() < deadline:
        time.sleep(0.1)
    lines = (home.path / "log" / "ct.log").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert {record["event"] for record in records} >= {
        "CT.Ingest",
        "CT.Trigger",
        "CT.Training",
        "CT.Gate",
        "CT.Promotion",
        "CT.Registry",
    }
    assert all(len(line.encode()) < 1000 for line in lines)
    text = (home.path / "log" / "messages.log").read_text()
    assert "snow" not in text, "a category is a row value"


def test_an_unknown_model_is_named_together_with_the_known_ones(home: Home) -> None:
    with pytest.raises(UnknownModelError, match=r"no model 'bikes'. Known models: rentals"):
        procedures.status(home.parts, "bikes")


def test_a_failed_message_raises_an_alert_that_an_operator_must_act_on(home: Home) -> None:
    home.first_model()
    for file in (home.path / "artifacts").rglob("model.txt"):
        file.write_text("not what its digest says")
    told = home.ingest(rentals(day(30), 2))
    assert told["outcome"] == "stored", "the rows are kept, whatever fails after them"
    deadline = time.monotonic() + 60
    severe: list[str] = []
    while not severe and time.monotonic() < deadline:
        events = home.parts.store.audit.events(newest=100)
        severe = [event.text for event in events if event.severity == 2]
        time.sleep(0.1)
    assert severe
    assert severe[0].startswith("Observation failed in session"), severe
