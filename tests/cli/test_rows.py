"""Rows in, predictions out, and what is held back: ``ingest``, ``labels``, ``quarantine`` ..."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from tests.cli.running import MODEL, csv, ct, ct_process, make_home
from tests.factories import day, rentals


def test_each_file_is_told_with_drift_decision_and_outcome(lived: Path, tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    first = csv(tmp_path / "first.csv", rentals(day(0), 30))
    said = ct_process(home, "ingest", MODEL, first, "--wait")
    assert said.code == 0
    assert said.out.splitlines() == [
        "stored: first.csv: 720 rows stored as rentals-000001",
        "  drift: no",
        "  decision: retrain, first model",
        "  cycle rentals-cycle-00001: promoted with version 1",
    ]
    assert said.err == ""


def test_all_files_are_handled_although_one_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    good = rentals(day(0), 4)
    refused = csv(tmp_path / "refused.csv", good.drop("temperature"))
    bad = csv(tmp_path / "bad.csv", good.with_columns(temperature=pl.lit(99.0)))
    fine = csv(tmp_path / "fine.csv", good)
    said = ct(home, "ingest", MODEL, refused, bad, fine, fine, "--json")
    assert said.code == 1
    assert [answer["outcome"] for answer in said.json] == [
        "refused",
        "quarantined",
        "stored",
        "duplicate",
    ]
    assert "temperature" in said.json[0]["text"]
    assert ct(home, "status", MODEL, "--json").json["rows"] == 96


def test_a_file_whose_training_fails_is_stored_and_ends_with_code_1(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    model = home / "models" / "skies.toml"
    model.write_text(
        'task = "binary"\ntarget = "weather"\n[features]\nhour = "numeric"\n'
        "[training]\nmin_rows = 300\n[gate]\nmin_holdout_rows = 60\n"
    )
    rows = rentals(day(0), 30)
    assert rows["weather"].n_unique() > 2, "more classes than a binary model can have"
    said = ct(home, "ingest", "skies", csv(tmp_path / "rows.csv", rows))
    assert said.code == 1
    assert said.out.splitlines()[0] == "stored: rows.csv: 720 rows stored as skies-000001"
    assert said.out.splitlines()[-2:] == [
        "  cycle skies-cycle-00001: failed",
        "  'ct log' says why it failed",
    ]
    assert "binary" in ct(home, "log", "skies").out


def test_a_duplicate_alone_is_told_and_is_no_failure(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    rows = csv(tmp_path / "rows.csv", rentals(day(0), 4))
    assert ct(home, "ingest", MODEL, rows).code == 0
    again = ct(home, "ingest", MODEL, rows)
    assert again.code == 0
    assert "arrived before" in again.out


def test_labels_that_come_later_are_joined_by_key(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    rows = rentals(day(0), 4)
    unknown = csv(tmp_path / "rows.csv", rows.with_columns(hires=pl.lit(None, pl.Float64)))
    assert ct(home, "ingest", MODEL, unknown).code == 0
    labels = csv(tmp_path / "labels.csv", rows.select("slot", "hires"))
    said = ct(home, "labels", MODEL, labels, "--json")
    assert said.code == 0
    assert (said.json[0]["outcome"], said.json[0]["rows"]) == ("stored", 96)
    assert ct(home, "status", MODEL, "--json").json["label_files"] == 1


def test_held_back_rows_are_exported_mended_and_released(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    rows = rentals(day(0), 4)
    rows[3, "temperature"] = 99.0
    assert ct(home, "ingest", MODEL, csv(tmp_path / "rows.csv", rows)).code == 0
    held = ct(home, "quarantine", MODEL, "--json").json
    assert [(row["rows"], row["whole_batch"]) for row in held] == [(1, False)]
    assert list(held[0]["reasons"].values()) == [1]
    batch, file = held[0]["batch_id"], tmp_path / "held.csv"
    assert ct(home, "quarantine", MODEL, "--export", batch, file, "--json").json["rows"] == 1
    still_bad = ct(home, "quarantine", MODEL, "--release", batch)
    assert (still_bad.code, "still bad" in still_bad.out) == (1, True)
    csv(file, pl.read_csv(file).with_columns(temperature=pl.lit(9.0)))
    released = ct(home, "quarantine", MODEL, "--release", batch, "--file", file, "--json")
    assert released.code == 0
    assert released.json["rows"] == 1
    assert ct(home, "quarantine", MODEL).out == f"Nothing of {MODEL} is held back.\n"
    assert ct(home, "quarantine", MODEL, "--released", "--json").json[0]["released"] is True
    unknown = ct(home, "quarantine", MODEL, "--release", batch)
    assert (unknown.code, "Batches in quarantine: none" in unknown.err) == (1, True)


def test_predictions_hold_key_prediction_and_version(lived: Path) -> None:
    written = pl.read_csv(lived.parent / "predicted.csv")
    assert written.columns == ["key", "prediction", "model_version"]
    assert written.height == 24
    assert written["model_version"].unique().to_list() == [2]


def test_a_file_with_one_bad_row_is_not_predicted(lived: Path, tmp_path: Path) -> None:
    rows = rentals(day(50), 1).drop("hires")
    rows[3, "temperature"] = 99.0
    bad, out = csv(tmp_path / "bad.csv", rows), tmp_path / "predicted.csv"
    said = ct(lived, "predict", MODEL, "--in", bad, "--out", out)
    assert (said.code, out.exists()) == (1, False)
    first, *rest = said.err.splitlines()
    assert first == ("bad.csv was not predicted: 1 of 24 rows are bad; expected none.")
    assert "above_maximum in column 'temperature', 1 rows (row 4)" in rest[0]
    assert rest[-1] == "Mend or remove these rows; nothing was written."


def test_a_destination_of_another_kind_is_wrong_usage(lived: Path) -> None:
    rows = lived.parent / "tomorrow.csv"
    said = ct(lived, "predict", MODEL, "--in", rows, "--out", lived.parent / "x.xlsx")
    assert (said.code, ".parquet" in said.err) == (2, True)


def test_purging_lists_and_removes_only_with_yes(copied: Path) -> None:
    assert ct(copied, "purge", MODEL).out.startswith("0 files are older")
    model = copied / "models" / f"{MODEL}.toml"
    model.write_text(model.read_text() + "\n[retention]\nbatches_days = 1\n")
    assert ct(copied, "purge", MODEL, "--json").json == {
        "model": MODEL,
        "dry_run": True,
        "files": [],
        "messages_forgotten": 0,
    }
    assert ct(copied, "purge", MODEL, "--yes", "--json").json["dry_run"] is False
