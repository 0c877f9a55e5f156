"""``ct ingest MODEL`` reads the model's table, and ``ct status`` and ``ct doctor`` say how it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.running import MODEL, ct, make_home
from tests.factories import day, rentals

SOURCE = """
[source]
table = "slots"
id = "slot_id"
url_env = "SLOTS_URL"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose model reads a table of another SQLite file with two days of rows."""
    path = tmp_path / "slots.db"
    rows = rentals(day(0), 2).with_row_index("slot_id", 1)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE slots ({', '.join(rows.columns)})")
        marks = ", ".join("?" * rows.width)
        database.executemany(f"INSERT INTO slots VALUES ({marks})", rows.rows())
    monkeypatch.setenv("SLOTS_URL", f"sqlite:///{path}")
    return make_home(tmp_path / "dur", extra=SOURCE)


def test_ingest_without_files_reads_the_table(home: Path, tmp_path: Path) -> None:
    said = ct(home, "ingest", MODEL)
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "slots: 48 new, 0 changed, 0 deleted rows in 1 batches"
    assert "stored: slots-000001.parquet: 48 rows stored as rentals-000001" in said.out
    with closing(sqlite3.connect(tmp_path / "slots.db")) as database, database:
        database.execute("DELETE FROM slots WHERE slot_id = 7")
    answer = ct(home, "ingest", MODEL, "--sweep", "--json").json
    assert (answer["new"], answer["deleted"], answer["swept"]) == (0, 1, True)
    status = ct(home, "status", MODEL).out
    assert "48 new, 0 changed, 1 deleted rows" in status
    assert "the tables of rentals are read" in ct(home, "doctor").out


def test_a_table_that_cannot_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTS_URL", "")
    said = ct(home, "ingest", MODEL)
    assert said.code == 2
    assert "The environment variable SLOTS_URL, which url_env names, is empty" in said.err
    assert "broken: The environment variable SLOTS_URL" in ct(home, "status", MODEL).out
    checks = {check["name"]: check for check in ct(home, "doctor", "--json").json["checks"]}
    assert checks["sources"]["state"] == "warning"
    assert "SLOTS_URL" in checks["sources"]["text"]
