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


def add_rows(path: Path, first_id: int, n_days: int) -> None:
    """Write more rows into the table, as another program would."""
    rows = rentals(day(first_id), n_days).with_row_index("slot_id", first_id)
    with closing(sqlite3.connect(path)) as database, database:
        marks = ", ".join("?" * rows.width)
        database.executemany(f"INSERT INTO slots VALUES ({marks})", rows.rows())


def test_a_batch_that_fails_each_time_is_named_with_since_why_and_what_to_do(
    home: Path, tmp_path: Path
) -> None:
    """It keeps later ones waiting, for they may hold newer values of the same rows."""
    # What is stored cannot move away: a file lies where the folder should be.
    blocked = home / "archive" / MODEL
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    assert ct(home, "ingest", MODEL).code == 1
    add_rows(tmp_path / "slots.db", 100, 1)
    assert ct(home, "ingest", MODEL).code == 1
    source = ct(home, "status", MODEL, "--json").json["source"]
    assert (source["new_rows"], source["waiting"], source["failure"]) == (72, 2, None)
    words = source["standstill"]
    assert words.startswith(
        f"stands still: 2 batches wait, the oldest since {source['waiting_since'][:10]} "
    )
    assert "_slots-000001.parquet cannot be stored: FileExistsError: File exists (" in words
    assert "at once by 'ct ingest rentals'" in words
    assert words in ct(home, "status", MODEL).out.replace("\n", "")
    assert f"rentals, table slots: {words}" in ct(home, "status").out
    checks = {check["name"]: check for check in ct(home, "doctor", "--json").json["checks"]}
    assert (checks["sources"]["state"], words in checks["sources"]["text"]) == ("warning", True)
    told = [
        event
        for event in ct(home, "log", MODEL, "--json").json
        if "cannot be stored" in event["text"]
    ]
    assert [event["severity"] for event in told] == ["WARNING"], "once, not at each attempt"
    blocked.unlink()
    assert ct(home, "ingest", MODEL).code == 0
    source = ct(home, "status", MODEL, "--json").json["source"]
    assert (source["waiting"], source["waiting_since"], source["standstill"]) == (0, None, None)
    assert ct(home, "status", MODEL, "--json").json["rows"] == 72
