"""Truth that changes or comes late: labels, corrections, quarantine, and MLflow away."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.e2e.conftest import MakeHome
from tests.e2e.homes import MODEL, Home
from tests.factories import day, rentals

from iris_ct import procedures

pytestmark = pytest.mark.e2e


def test_rows_without_a_target_are_predicted_and_train_once_their_label_arrives(
    make_home: MakeHome, store_url: str
) -> None:
    home = make_home(store_url=store_url)
    home.first_model()
    rows = rentals(day(30), 20, level=1.6)
    unlabelled = home.ingest(rows.drop("hires"))
    assert unlabelled["rows"] == 480
    assert unlabelled["decision"] == "skip", "without labels nothing can judge"
    labelled = home.ingest(rows.select("slot", "hires"), kind="labels")
    assert labelled["decision"] == "retrain"
    assert labelled["cycle"]["outcome"] == "promoted"
    assert home.status()["champion"]["rows"] >= 480
    drift = procedures.drift(home.parts, MODEL)[0]
    assert drift["error"]["n_rows"] == 480, "all predictions were scored when the labels came"


def test_rows_younger_than_the_label_delay_neither_train_nor_judge(make_home: MakeHome) -> None:
    home = make_home(head='label_delay = "5d"\n')
    home.first_model()
    assert home.status()["champion"]["until_event"] == "2024-01-25 23:00:00 UTC"
    home.ingest(rentals(day(30), 20, level=1.6))
    drift = procedures.drift(home.parts, MODEL)[0]
    assert drift["error"]["n_rows"] == 15 * 24, "days 30 to 44 of 49 are mature"


def test_a_corrected_row_replaces_the_old_one_and_past_snapshots_stay(home: Home) -> None:
    home.first_model()
    store = home.parts.store
    before = store.snapshots.get("rentals-cycle-00001")
    corrected = rentals(day(29), 1).with_columns(hires=pl.lit(500.0))
    home.ingest(corrected)
    home.ingest(rentals(day(30), 20, level=1.6))
    after = store.snapshots.read(store.snapshots.get("rentals-cycle-00002"), ["hires"])
    assert (after["hires"] == 500.0).sum() == 24
    assert store.snapshots.get("rentals-cycle-00001") == before
    assert (store.snapshots.read(before, ["hires"])["hires"] == 500.0).sum() == 0


def test_keys_that_are_known_are_held_back_where_the_model_rejects_duplicates(
    make_home: MakeHome,
) -> None:
    home = make_home(head='on_duplicate = "reject"\n')
    home.ingest(rentals(day(0), 3))
    told = home.ingest(rentals(day(2), 30, seed=2))
    assert (told["rows"], told["quarantined_rows"]) == (29 * 24, 24)
    held = procedures.quarantine(home.parts, MODEL)
    assert held[0]["reasons"] == {"known_key:slot": 24}


def test_bad_rows_are_held_back_with_reasons_and_released_after_a_mending(home: Home) -> None:
    rows = rentals(day(0), 10).with_row_index("place")
    broken = rows.with_columns(
        temperature=pl.when(pl.col("place") < 5).then(999.0).otherwise("temperature")
    ).drop("place")
    told = home.ingest(broken)
    assert (told["rows"], told["quarantined_rows"]) == (235, 5)
    held = procedures.quarantine(home.parts, MODEL)
    assert held[0]["reasons"] == {"above_maximum:temperature": 5}
    refused = procedures.release(home.parts, home.door, MODEL, held[0]["batch_id"])
    assert refused["outcome"] == "refused"
    assert "5 rows are still bad" in refused["text"]

    export = home.path.parent / "held.csv"
    procedures.export_quarantine(home.parts, MODEL, held[0]["batch_id"], export)
    mended = home.path.parent / "mended.csv"
    pl.read_csv(export).with_columns(temperature=pl.lit(12.5)).write_csv(mended)
    released = procedures.release(home.parts, home.door, MODEL, held[0]["batch_id"], mended=mended)
    assert (released["outcome"], released["rows"]) == ("stored", 5)
    assert procedures.quarantine(home.parts, MODEL) == []
    assert home.status()["rows"] == 240


def test_too_many_bad_rows_hold_back_the_whole_batch(home: Home) -> None:
    broken = rentals(day(0), 10).with_columns(temperature=pl.lit("warm"))
    told = home.ingest(broken)
    assert told["outcome"] == "quarantined"
    held = procedures.quarantine(home.parts, MODEL)[0]
    assert (held["rows"], held["whole_batch"]) == (240, True)
    assert held["reasons"] == {"not_a_number:temperature": 240}
    status = home.status()
    assert (status["rows"], status["quarantined_rows"]) == (0, 240)


def test_a_file_without_a_declared_column_is_set_aside_with_a_report(home: Home) -> None:
    told = home.ingest(rentals(day(0), 3).drop("weather"))
    assert told["outcome"] == "refused"
    assert "weather" in told["text"]
    files = sorted(path.name for path in (home.path / "quarantine" / MODEL / "files").iterdir())
    assert len(files) == 3, "the file and its report as text and JSON"


def test_mlflow_away_loses_nothing_and_is_finished_later(
    make_home: MakeHome, tmp_path: Path
) -> None:
    home = make_home(MLFLOW_TRACKING_URI="http://127.0.0.1:9", CT_MLFLOW_TIMEOUT_S="1")
    assert home.first_model()["cycle"]["outcome"] == "promoted"
    status = home.status()
    assert (status["champion"]["version"], status["unregistered_versions"]) == (1, 1)
    out = tmp_path / "out.csv"
    procedures.predict(home.parts, MODEL, home.file(rentals(day(30), 1)), out)
    assert pl.read_csv(out).height == 24, "predictions go on without MLflow"

    back = make_back(home)
    assert back["n_pending"] == 0
    assert home.status()["champion"]["mlflow_version"] == "1"


def make_back(home: Home) -> dict[str, int]:
    """Let MLflow come back, as an embedded store, and finish what is pending."""
    from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
    from iris_ct.flow.register import update_registry

    registry = MlflowRegistry(f"sqlite:///{home.path / 'mlflow.db'}")
    state = update_registry(
        store=home.parts.store, jobs=home.parts.jobs, registry=registry, clock=home.parts.clock
    )
    assert registry.get_alias(MODEL, "champion") == "1"
    return {"n_pending": state.n_pending}


def test_a_labels_file_tells_how_many_labels_match_no_row(home: Home) -> None:
    home.first_model()
    labels = rentals(day(29), 2).select("slot", "hires")
    told = home.ingest(labels, kind="labels")
    assert told["rows"] == 48
    assert told["text"].endswith("; 24 of the labels match no stored row yet")


def test_a_file_without_the_target_says_which_column_may_be_meant(home: Home) -> None:
    told = home.ingest(rentals(day(0), 2).rename({"hires": "hiers"}))
    assert "there is no column 'hires', the target, but 'hiers'" in told["text"]


def test_a_batch_that_is_held_back_says_why(home: Home) -> None:
    told = home.ingest(rentals(day(0), 2).with_columns(slot=pl.lit("never")))
    assert told["outcome"] == "quarantined"
    assert "not_a_time:slot (48 rows)" in told["text"]


def test_one_time_in_the_far_future_does_not_move_the_models_clock(home: Home) -> None:
    home.first_model()
    before = home.status()["newest_event"]
    rows = rentals(day(30), 1).with_row_index("place")
    late = pl.when(pl.col("place") == 3).then(pl.lit("2999-01-01T00:00:00Z"))
    told = home.ingest(
        rows.with_columns(slot=late.otherwise(pl.col("slot").cast(pl.String))).drop("place")
    )
    assert "time_in_future:slot (1 rows)" in told["text"]
    assert before < home.status()["newest_event"] < "2900"
