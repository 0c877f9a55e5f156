"""Who served, why, and a person's step back: ``history``, ``explain``, ``retrain`` ..."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.cli.running import COMMAND, MODEL, copy_home, csv, ct, make_home
from tests.factories import day, rentals


def test_history_says_who_served_and_why(lived: Path) -> None:
    served = ct(lived, "history", MODEL, "--json").json
    assert [row["version"] for row in served] == [1, 2]
    assert [row["trigger"] for row in served] == ["first_model", served[1]["trigger"]]
    assert served[1]["trigger"] in {"drift", "error"}
    assert "against the champion" in served[1]["verdict"]
    assert served[0]["since_event"] == "2024-01-30 23:00:00 UTC"
    text = ct(lived, "history", MODEL).out
    assert "version" in text.splitlines()[0]
    assert len(text.splitlines()) == 3


def test_decisions_are_listed_and_each_can_be_explained(lived: Path) -> None:
    taken = ct(lived, "history", MODEL, "--decisions", "--json").json
    assert {"ingest", "retrain", "gate", "promotion"} <= {one["kind"] for one in taken}
    for one in taken:
        said = ct(lived, "explain", one["decision_id"])
        assert said.code == 0
        assert said.out.endswith("The chain of records is intact.\n")
    by_model = ct(lived, "explain", MODEL, "--json").json
    assert by_model["record"]["kind"] == "gate"
    by_cycle = ct(lived, "explain", "rentals-cycle-00001", "--json").json
    assert by_cycle["record"]["cycle_id"] == "rentals-cycle-00001"


def test_a_changed_record_breaks_the_chain(copied: Path) -> None:
    database = copied / "store" / "ct.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "UPDATE ct_decision SET content = REPLACE(content, 'promote', 'reject') "
            "WHERE decision_id LIKE 'gate-%'"
        )
        connection.commit()
    said = ct(copied, "explain", MODEL)
    assert said.code == 1
    assert "BROKEN" in said.out
    records = next(
        found
        for found in ct(copied, "doctor", "--json").json["checks"]
        if found["name"] == "records"
    )
    assert records["state"] == "failed"


def test_an_earlier_version_serves_again(copied: Path) -> None:
    assert ct(copied, "rollback", MODEL).code == 2, "a reason is needed"
    said = ct(copied, "rollback", MODEL, "--reason", "too high at night")
    assert (said.code, said.out) == (0, f"Version 1 of {MODEL} serves again.\n")
    assert ct(copied, "status", MODEL, "--json").json["champion"]["version"] == 1
    assert "too high at night" in ct(copied, "explain", MODEL).out
    newest = ct(copied, "history", MODEL, "--json").json[-1]
    assert (newest["version"], newest["trigger"]) == (1, "rollback")
    assert "too high at night" in newest["verdict"]
    again = ct(copied, "rollback", MODEL, "--to", "1", "--reason", "x")
    assert (again.code, "serves already" in again.err) == (1, True)
    unknown = ct(copied, "rollback", MODEL, "--to", "9", "--reason", "x")
    assert (unknown.code, "9" in unknown.err) == (1, True)


def test_a_person_may_ask_too_early_and_the_gate_holds(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    ct(home, "ingest", MODEL, csv(tmp_path / "few.csv", rentals(day(0), 2)))
    said = ct(home, "retrain", MODEL, "--json")
    assert said.code == 0
    assert (said.json["outcome"], said.json["cycle"]["outcome"]) == ("retrain", "held")


def test_a_wish_is_fulfilled_and_the_gate_may_say_no(copied: Path) -> None:
    said = ct(copied, "retrain", MODEL)
    assert said.code == 0
    first, second = said.out.splitlines()
    assert first.startswith("retrain: ")
    assert second.startswith("cycle rentals-cycle-00003: ")


def test_all_models_have_a_line_each(lived: Path, tmp_path: Path) -> None:
    home = copy_home(lived, tmp_path / "dur")
    file = home / "models" / f"{MODEL}.toml"
    (home / "models" / "other.toml").write_text(
        file.read_text().replace('name = "rentals"', 'name = "other"')
    )
    lines = ct(home, "status").out.splitlines()
    assert [line.split()[0] for line in lines] == ["model", "other", MODEL]
    assert "version 2" in lines[2]
    assert [one["model"] for one in ct(home, "status", "--json").json] == ["other", MODEL]


def test_a_home_without_models_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "dur" / "models").mkdir(parents=True)
    assert "ct init NAME" in ct(tmp_path / "dur", "status").out


def test_a_terminal_gets_a_table_with_a_line(lived: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "--home", str(lived), "history", MODEL],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
        check=True,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert "──────" in shown.decode()
    assert done.stderr == b"", "progress is shown on a terminal only"


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so at the end of a terminal whose other side is closed
        return b""
