"""Rows of a table reach a served model by themselves, as those of files do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from tests.e2e.conftest import MakeHome
from tests.e2e.homes import MODEL, Home
from tests.factories import day, rentals

from iris_ct import procedures
from iris_ct.adapters.store import SqlStore

pytestmark = pytest.mark.e2e

SOURCE = """
[source]
table = "rental_slots"
id = "slot_id"
"""
PATIENCE_S = 120.0


def fill(home: Home, rows: pl.DataFrame, *, first_id: int) -> None:
    """Write rows into the table, as another program would."""
    store = home.parts.store
    assert isinstance(store, SqlStore)
    numbered = rows.with_row_index("slot_id", first_id)
    names = ", ".join(f":{name}" for name in numbered.columns)
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS rental_slots (slot_id BIGINT PRIMARY KEY, slot TEXT, "
            "hour INTEGER, temperature DOUBLE PRECISION, weather TEXT, holiday BOOLEAN, "
            "hires DOUBLE PRECISION)"
        )
        connection.execute(
            sa.text(f"INSERT INTO rental_slots VALUES ({names})"), numbered.to_dicts()
        )


def wait_until(reached: Callable[[], object]) -> None:
    """Wait for a condition."""
    give_up = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.2)


def test_rows_of_a_table_make_a_champion_and_are_corrected(
    make_home: MakeHome, store_url: str
) -> None:
    home = make_home(extra=SOURCE, store_url=store_url)
    fill(home, rentals(day(0), 30), first_id=1)
    # The item looks at once when it starts, and then at its interval; this is the same look.
    procedures.ingest_source(home.parts, home.door, MODEL, wait=True)
    wait_until(lambda: home.status()["champion"])
    assert home.status()["rows"] == 720
    store = home.parts.store
    assert isinstance(store, SqlStore)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rental_slots SET hires = 500 WHERE slot_id = 720")
        connection.exec_driver_sql("DELETE FROM rental_slots WHERE slot_id = 719")
    fill(home, rentals(day(30), 1), first_id=721)
    answer = procedures.ingest_source(home.parts, home.door, MODEL, wait=True)
    assert (answer["new"], answer["changed"], answer["deleted"]) == (24, 1, 1)
    (batch,) = answer["batches"]
    assert (batch["outcome"], batch["rows"]) == ("stored", 25)
    source = home.status()["source"]
    assert (source["new_rows"], source["changed_rows"], source["deleted_rows"]) == (744, 1, 1)
    assert source["failure"] is None
    again = procedures.ingest_source(home.parts, home.door, MODEL, wait=True)
    assert (again["new"], again["batches"]) == (0, [])
    assert home.parts.source_files.waiting([batch["file"]]) == []
    archived = list((home.path / "archive" / MODEL).iterdir())
    assert len(archived) == 2, "the batches are kept as files"


def test_the_production_looks_by_itself_and_a_broken_table_stops_no_other(
    make_home: MakeHome,
) -> None:
    home = make_home()
    text = (home.path / "models" / f"{MODEL}.toml").read_text()
    broken = text.replace('name = "rentals"', 'name = "broken"')
    (home.path / "models" / "broken.toml").write_text(
        broken + SOURCE.replace("rental_slots", "nowhere")
    )
    fill(home, rentals(day(0), 2), first_id=1)
    home.write_model(extra=SOURCE)
    wait_until(lambda: home.status()["rows"] == 48)

    def failure() -> str | None:
        said: str | None = procedures.status(home.parts, "broken")["source"]["failure"]
        return said

    # A look that began before the model's file was there knows the other model only.
    wait_until(failure)
    assert "nowhere" in str(failure())
    told = [e for e in home.parts.store.audit.events("broken") if e.step == "Source"]
    assert len(told) == 1


def test_a_batch_that_its_reader_could_not_hand_over_is_sent_by_the_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader ended between its last record and its first message."""
    home = Home(tmp_path / "dur", monkeypatch, extra=SOURCE)
    fill(home, rentals(day(0), 2), first_id=1)
    procedures.read_source_now(home.parts, MODEL)
    with home:
        wait_until(lambda: home.status()["rows"] == 48)
        assert home.status()["source"]["new_rows"] == 48
