"""``ct up`` and ``ct down``: one host for a home, started and stopped cleanly."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from tests.cli.running import MODEL, csv, ct, ct_process, ct_up, make_home, wait_until
from tests.factories import day, rentals

from iris_ct import bootstrap
from iris_ct.config import load_settings
from iris_ct.embedded import host_client
from iris_ct.messages import FileArrived

pytestmark = pytest.mark.integration

# No fit ends in time: each round improves the loss a little, for far too many rounds.
ENDLESS = """
[training]
min_rows = 300
rounds = 1000000
windows = ["all"]
threads = 1
parameters = { learning_rate = 1e-9, num_leaves = 2 }
"""


def endless_home(path: Path) -> Path:
    """Make a home whose trainings never end."""
    home = make_home(path)
    file = home / "models" / f"{MODEL}.toml"
    before, _, after = file.read_text().partition("[training]")
    file.write_text(before + ENDLESS + "\n[gate]" + after.partition("[gate]")[2])
    return home


def test_a_running_production_takes_files_and_is_stopped_by_down(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    with ct_up(home) as process:
        rows = csv(tmp_path / "rows.csv", rentals(day(0), 5))
        handed = ct(home, "ingest", MODEL, rows)
        assert handed.code == 0
        assert "handed over" in handed.out, "a running host is not waited for"
        wait_until(lambda: ct(home, "status", MODEL, "--json").json["rows"] == 120)
        waited = ct(home, "ingest", MODEL, rows, "--wait", "--json").json
        assert [answer["outcome"] for answer in waited] == ["duplicate"]
        inbox = home / "inbox" / MODEL
        inbox.mkdir(parents=True, exist_ok=True)
        csv(inbox / "dropped.csv", rentals(day(5), 5))
        wait_until(lambda: ct(home, "status", MODEL, "--json").json["rows"] == 240)
        down = ct(home, "down", "--json")
        assert down.json == {
            "stopped": True,
            "pid": process.pid,
            "machine": socket.gethostname(),
            "since": down.json["since"],
            "found": "running",
            "processes": down.json["processes"],
        }
        assert [one["pid"] for one in down.json["processes"]] == [process.pid]
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read().splitlines()[-1] == "Stopped."
    again = ct(home, "down")
    assert (again.code, again.out) == (0, "No production runs on this home.\n")


def test_a_second_host_says_who_holds_the_home_and_changes_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    with ct_up(home) as process:
        second = ct_process(home, "up")
        assert second.code == 1
        assert str(process.pid) in second.err
        assert socket.gethostname() in second.err
        assert "since" in second.err
        assert "Traceback" not in second.err
        holder = next(
            found
            for found in ct(home, "doctor", "--json").json["checks"]
            if found["name"] == "host"
        )
        assert (holder["state"], str(process.pid) in holder["text"]) == ("ok", True)


def test_ctrl_c_stops_the_production_and_keeps_the_training_for_the_next_start(
    tmp_path: Path,
) -> None:
    home = endless_home(tmp_path / "dur")
    with ct_up(home) as process:
        ct(home, "ingest", MODEL, csv(tmp_path / "rows.csv", rentals(day(0), 20)))
        wait_until(lambda: "read 100%" in ct(home, "log", "--host").out)
        # To the whole group, as a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(120) == 0
    status = ct(home, "status", MODEL, "--json").json
    assert status["open_cycle"] == "rentals-cycle-00001"
    assert status["failures"] == 0
    assert status["pending_messages"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--processes",), ("--no-replay",)])
def test_a_training_is_cancelled_in_whatever_process_it_runs(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    home = endless_home(tmp_path / "dur")
    with ct_up(home, *options):
        ct(home, "ingest", MODEL, csv(tmp_path / "rows.csv", rentals(day(0), 20)))
        wait_until(lambda: "read 100%" in ct(home, "log", "--host").out)
        cancelled = ct(home, "retrain", MODEL, "--cancel", "--wait", "--json")
        assert cancelled.code == 0
        assert cancelled.json["state"] == "cancelled"
    status = ct(home, "status", MODEL, "--json").json
    assert (status["open_cycle"], status["failures"]) == (None, 0)
    refused = ct(home, "retrain", MODEL, "--cancel")
    assert (refused.code, "none to cancel" in refused.err) == (1, True)


def test_a_training_that_nobody_runs_is_cancelled_by_the_command_itself(tmp_path: Path) -> None:
    home = endless_home(tmp_path / "dur")
    with ct_up(home) as process:
        ct(home, "ingest", MODEL, csv(tmp_path / "rows.csv", rentals(day(0), 20)))
        wait_until(lambda: "read 100%" in ct(home, "log", "--host").out)
        process.kill()
        process.wait(60)
    said = ct_process(home, "retrain", MODEL, "--cancel", "--json")
    assert said.json["state"] == "cancelled"


def test_a_command_that_began_at_a_running_host_goes_on_when_that_ends(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    with ct_up(home) as process:
        process.kill()
        process.wait(60)
    rows = csv(tmp_path / "rows.csv", rentals(day(0), 5))
    answer = ct_process(home, "ingest", MODEL, rows, "--json").json
    assert [file["outcome"] for file in answer] == ["stored"]


def test_a_waiting_message_is_suspended_and_sent_again(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    rows = csv(tmp_path / "rows.csv", rentals(day(0), 5))
    assert ct(home, "ingest", MODEL, rows).code == 0
    parts = bootstrap.parts(load_settings(home))
    again = FileArrived(MODEL, parts.inbox.take_in(MODEL, rows).path, "rows.csv")
    with host_client(parts) as client:
        message = client.send("Requests", again)
    waiting = ct(home, "trace", message, "--json").json
    assert (waiting["active"], waiting["messages"][0]["status"]) == (1, "queued")
    said = ct(home, "trace", "--suspend", message, "--json")
    assert said.json == {"message_id": message, "status": "suspended"}
    twice = ct(home, "trace", "--suspend", message)
    assert (twice.code, "Traceback" in twice.err) == (1, False)
    resent = ct(home, "trace", "--resend", message, "--json").json
    tree = ct(home, "trace", resent["session"], "--json").json
    assert tree["messages"][0]["resent_from"] == message
    assert (tree["active"], tree["errors"]) == (0, 0)
    assert "FileStored" in ct(home, "trace", resent["session"]).out
