"""One row, a batch, a table: predicted as the file that holds the same rows, and logged."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import polars as pl
import pytest
from tests.cli.running import MODEL, copy_home, csv, ct
from tests.factories import day, rentals

from iris_ct import procedures
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.core.errors import ConfigError, DataError, NoChampionError, UnknownModelError
from iris_ct.flow.fold import fold_journal

ROW = {"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False}


def logged(parts: Parts) -> int:
    fold_journal(parts.store, parts.clock)
    return sum(parts.store.predictions.counts(MODEL).values())


def shown(parts: Parts, request_id: str) -> int:
    """Count the rows of a request that who asks in SQL finds at once."""
    with closing(sqlite3.connect(parts.home / "store" / "ct.db")) as connection:
        wanted = "SELECT count(*) FROM ctv_prediction WHERE request_id = ?"
        [(found,)] = connection.execute(wanted, [request_id]).fetchall()
    return int(found)


def test_a_row_said_as_json_is_predicted_as_the_same_row_of_a_file(
    parts: Parts, lived: Path, tmp_path: Path
) -> None:
    rows = rentals(day(70), 1).drop("hires")
    file, out = csv(tmp_path / "rows.csv", rows), tmp_path / "out.csv"
    assert ct(lived, "predict", MODEL, "--in", file, "--out", out).code == 0
    before = logged(parts)
    for given, expected in zip(rows.to_dicts(), pl.read_csv(out).to_dicts(), strict=True):
        answer = procedures.predict_row(parts, MODEL, json.dumps(given))
        # The file writes floats shortly: 15 digits.
        assert answer["prediction"] == pytest.approx(expected["prediction"], rel=1e-12)
        assert answer["model_version"] == expected["model_version"] == 2
        assert answer["key"] == f"{given['slot'].replace(' ', 'T')}Z"
        assert answer["probabilities"] is None
    assert logged(parts) == before + 24


@pytest.mark.parametrize(
    "spelled", ["2024-01-05 10:00:00", "2024-01-05T10:00:00Z", "2024-01-05 11:00+01:00"]
)
def test_a_key_finds_its_stored_row_however_the_time_is_spelled(
    parts: Parts, spelled: str
) -> None:
    [row] = (
        rentals(day(0), 30)
        .filter(pl.col("slot") == "2024-01-05 10:00:00")
        .drop("hires")
        .to_dicts()
    )
    said = procedures.predict_row(parts, MODEL, json.dumps(row))
    found = procedures.predict_row(parts, MODEL, spelled)
    assert (found["prediction"], found["key"]) == (said["prediction"], "2024-01-05T10:00:00Z")


def test_the_newest_row_of_a_key_is_meant(copied: Path, tmp_path: Path) -> None:
    again = rentals(day(1), 1).with_columns(pl.lit(-20.0).alias("temperature"))
    assert ct(copied, "ingest", MODEL, csv(tmp_path / "again.csv", again)).code == 0
    [row] = again.filter(pl.col("hour") == 7).drop("hires").to_dicts()
    parts = build(load_settings(copied))
    said = procedures.predict_row(parts, MODEL, json.dumps(row))
    found = procedures.predict_row(parts, MODEL, row["slot"])
    parts.store.close()
    assert found["prediction"] == said["prediction"]


def test_missing_features_count_as_null(parts: Parts) -> None:
    short = procedures.predict_row(parts, MODEL, '{"hour": 5}')
    full = procedures.predict_row(
        parts, MODEL, '{"hour": 5, "temperature": null, "weather": null, "holiday": null}'
    )
    assert short["prediction"] == full["prediction"]
    assert short["key"] is None


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ('{"hours": 5}', "has no feature hours"),
        ('{"hires": 5}', "has no feature hires"),
        ('{"hour": "secret"}', "not_a_number in column 'hour'"),
        ('{"temperature": 61}', "above_maximum in column 'temperature'"),
        ('{"temperature": 1e999}', "not_finite in column 'temperature'"),
        ('{"temperature": NaN}', "NaN or Infinity"),
        ('{"weather": ["secret"]}', "weather: expected a text"),
        ('{"hour": 1, "hour": 2}', "twice"),
        ('{"hour": 1', "no JSON object at character 11"),
        ('{"slot": null, "hour": 1}', "missing_key in column 'slot'"),
        ('{"weather": "\ud800"}', "weather: the text is no Unicode"),
        ('{"weather": "\\ud800"}', "weather: the text is no Unicode"),
        ("secret", "No stored row of 'rentals'"),
        ("\ud800", "The key is no Unicode text"),
    ],
)
def test_what_cannot_be_predicted_is_named_but_never_shown(
    parts: Parts, said: str, named: str
) -> None:
    before = logged(parts)
    with pytest.raises(DataError) as refused:
        procedures.predict_row(parts, MODEL, said)
    assert named in str(refused.value)
    assert "secret" not in str(refused.value)
    assert logged(parts) == before


def test_a_request_that_comes_twice_is_logged_once(parts: Parts) -> None:
    before = logged(parts)
    for _ in range(2):
        answer = procedures.predict_row(parts, MODEL, json.dumps(ROW), request_id="order-7")
        assert answer["request_id"] == "row:order-7"
    assert logged(parts) == before + 1


def test_a_request_that_comes_again_while_it_waits_gets_the_first_answer(parts: Parts) -> None:
    fold_journal(parts.store, parts.clock)
    first = procedures.predict_row(parts, MODEL, json.dumps(ROW), request_id="order-8")
    other = json.dumps({**ROW, "hour": 23})
    assert procedures.predict_row(parts, MODEL, other, request_id="order-8") == first
    fold_journal(parts.store, parts.clock)
    later = procedures.predict_row(parts, MODEL, other, request_id="order-8")
    assert later["prediction"] != first["prediction"]
    before = logged(parts)
    procedures.predict_row(parts, MODEL, other, request_id="order-8")
    assert logged(parts) == before


@pytest.mark.parametrize("request_id", ["a b", "x" * 201, "\ud800", "a\n", "a'; DROP"])
def test_a_request_id_that_no_log_takes_is_refused(parts: Parts, request_id: str) -> None:
    with pytest.raises(DataError, match="The request id"):
        procedures.predict_row(parts, MODEL, json.dumps(ROW), request_id=request_id)


def test_an_appointment_by_another_process_is_noticed(copied: Path) -> None:
    parts, others = build(load_settings(copied)), build(load_settings(copied))
    assert procedures.predict_row(parts, MODEL, json.dumps(ROW))["model_version"] == 2
    others.store.models.appoint(
        MODEL,
        1,
        decision_id="test-1",
        actor="somebody",
        at=others.clock.now(),
        since_position=None,
    )
    deadline = monotonic() + 60
    while procedures.predict_row(parts, MODEL, json.dumps(ROW))["model_version"] != 1:
        assert monotonic() < deadline
    parts.store.close()
    others.store.close()


def test_a_stored_batch_is_predicted_as_a_whole(parts: Parts) -> None:
    before = logged(parts)
    answer = procedures.predict_batch(parts, MODEL, "rentals-000001")
    assert (answer["rows"], answer["model_version"]) == (720, 2)
    assert logged(parts) == before + 720
    assert answer["request_id"].startswith("batch:")
    assert shown(parts, answer["request_id"]) == 720


def test_what_is_neither_batch_nor_listed_table_is_refused(parts: Parts) -> None:
    with pytest.raises(DataError, match="no batch 'rentals-000009'"):
        procedures.predict_batch(parts, MODEL, "rentals-000009")
    with pytest.raises(ConfigError, match="scoring"):
        procedures.predict_batch(parts, MODEL, "Other.People")


def test_a_listed_table_is_predicted_whole_or_not_at_all(lived: Path, tmp_path: Path) -> None:
    home = copy_home(lived, tmp_path / "dur")
    file = home / "models" / f"{MODEL}.toml"
    file.write_text(f'{file.read_text()}\n[scoring]\ntables = ["hourly"]\n')
    rows = rentals(day(80), 2).drop("hires")
    with closing(sqlite3.connect(home / "store" / "ct.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE hourly (slot TEXT, hour INT, temperature REAL, weather TEXT, holiday INT)"
        )
        connection.executemany("INSERT INTO hourly VALUES (?, ?, ?, ?, ?)", rows.rows())
    parts = build(load_settings(home))
    before = logged(parts)
    answer = procedures.predict_batch(parts, MODEL, "hourly")
    assert (answer["rows"], answer["model_version"]) == (48, 2)
    assert logged(parts) == before + 48
    with closing(sqlite3.connect(home / "store" / "ct.db")) as connection, connection:
        connection.execute("UPDATE hourly SET temperature = 61 WHERE slot LIKE '%23:00:00'")
    with pytest.raises(DataError, match=r"2 of 48 rows are bad"):
        procedures.predict_batch(parts, MODEL, "hourly")
    assert logged(parts) == before + 48
    parts.store.close()


def test_nothing_serves_and_no_such_model_are_told_apart(tmp_path: Path, lived: Path) -> None:
    home = copy_home(lived, tmp_path / "dur")
    file = home / "models" / f"{MODEL}.toml"
    (home / "models" / "other.toml").write_text(file.read_text().replace(MODEL, "other"))
    parts = build(load_settings(home))
    with pytest.raises(NoChampionError):
        procedures.predict_row(parts, "other", "{}")
    with pytest.raises(UnknownModelError):
        procedures.predict_row(parts, "nobody", "{}")
    parts.store.close()


def test_predicting_a_row_loads_neither_pandas_nor_mlflow(lived: Path) -> None:
    code = (
        "import json, sys\n"
        "from iris_ct import bootstrap, procedures\n"
        f"answer = procedures.predict_row(bootstrap.parts(), '{MODEL}', '{json.dumps(ROW)}')\n"
        "print(sorted({'pandas', 'mlflow', 'scipy', 'sklearn', 'duckdb', 'matplotlib'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"CT_HOME": str(lived), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("at", "version"),
    [("2020-01-01", None), ("2999-01-01 00:00:00", 2), ("2999-01-01T00:00:00+05:00", 2)],
)
def test_who_served_at_a_time_is_told(parts: Parts, at: str, version: int | None) -> None:
    assert procedures.served_at(parts, MODEL, at)["version"] == version


def test_a_version_serves_from_the_very_instant_of_its_appointment(parts: Parts) -> None:
    first, second = procedures.history(parts, MODEL)
    assert procedures.served_at(parts, MODEL, first["since"])["version"] == 1
    assert procedures.served_at(parts, MODEL, second["since"])["version"] == 2
    moment = datetime.fromisoformat(second["since"]) - timedelta(microseconds=1)
    assert procedures.served_at(parts, MODEL, moment.isoformat())["version"] == 1
    with pytest.raises(DataError, match="is no time"):
        procedures.served_at(parts, MODEL, "yesterday")
