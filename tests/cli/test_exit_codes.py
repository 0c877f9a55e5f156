"""0 done, 1 failed or the answer is no, 2 wrong usage or settings; a message and no traceback."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.running import COMMAND, MODEL, Said, ct, ct_process, make_home, wait_until

from iris_ct.cli.main import EXIT_CODES, exit_code, verb_first


def refused(said: Said, code: int, *words: str) -> None:
    """Check that a command ended with a message on standard error only."""
    assert said.code == code
    assert said.out == ""
    assert "Traceback" not in said.err
    assert all(word in said.err for word in words), said.err


def test_an_unknown_verb_is_wrong_usage_and_says_which_was_meant(tmp_path: Path) -> None:
    refused(ct(tmp_path, "statsu"), 2, "no verb 'statsu'", "'status'", "quarantine")


def test_an_unknown_option_is_wrong_usage_and_points_to_the_help(tmp_path: Path) -> None:
    refused(ct(tmp_path, "status", "--colour"), 2, "--colour", "ct status --help")


def test_a_value_of_the_wrong_kind_is_wrong_usage(tmp_path: Path) -> None:
    refused(ct(tmp_path, "trace", "first"), 2, "first")


def test_options_that_contradict_each_other_are_wrong_usage(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    refused(ct(home, "purge", MODEL, "--dry-run", "--yes"), 2, "--dry-run or --yes")
    refused(ct(home, "retrain", MODEL, "--cancel", "--accept-reused"), 2, "--cancel")
    refused(ct(home, "trace", "1", "--resend", "2"), 2, "one of")
    refused(ct(home, "quarantine", MODEL, "--file", "x.csv"), 2, "--release")


def test_files_are_needed(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    refused(ct(home, "ingest", MODEL), 2, f"ct ingest {MODEL} FILE")
    refused(ct(home, "labels", MODEL), 2, f"ct labels {MODEL} FILE")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["drift"],
        ["history"],
        ["ingest", "x.csv"],
        ["retrain"],
        ["log"],
        ["purge"],
        ["quarantine"],
        ["rollback", "--reason", "x"],
        ["predict", "--in", "a.csv", "--out", "b.csv"],
    ],
)
def test_an_unknown_model_is_refused_with_those_there_are(
    arguments: list[str], tmp_path: Path
) -> None:
    home = make_home(tmp_path / "dur")
    verb, *rest = arguments
    refused(ct(home, verb, "rental", *rest), 1, "'rental'", MODEL)


def test_a_file_that_is_not_there_fails_and_nothing_is_handed_over(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    refused(ct(home, "ingest", MODEL, "none.csv"), 1, "No such file: none.csv", "Nothing")
    assert ct(home, "status", MODEL, "--json").json["batches"] == 0


def test_a_model_that_does_not_serve_predicts_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    refused(ct(home, "predict", MODEL, "--in", "a.csv", "--out", "b.csv"), 1, "serves yet")


def test_a_broken_model_file_is_named_with_key_and_value(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur", head='colour = "red"\n')
    refused(ct(home, "status", MODEL), 2, "rentals.toml", "colour")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    said = ct_process(tmp_path / "dur", "status", CT_LOG_LEVEL="LOUD")
    refused(said, 2, "LOG_LEVEL", "LOUD")


def test_what_was_never_decided_cannot_be_explained(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    refused(ct(home, "explain", "gate-0"), 1, "'gate-0'", MODEL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_cleanly(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "dur")
    process = subprocess.Popen(
        [*COMMAND, "--home", str(home), "log", "--host", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    wait_until(lambda: (home / "store" / "ct.db").exists())
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.startswith("Ended.")
    assert "Traceback" not in err


def test_following_begins_with_the_newest_entries_and_tells_none_that_is_older(
    lived: Path,
) -> None:
    newest = ct(lived, "log", "-n", "3").out.splitlines()
    process = subprocess.Popen(
        [*COMMAND, "--home", str(lived), "log", "-n", "3", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ},
    )
    assert process.stdout is not None
    told = [process.stdout.readline().rstrip("\n") for _ in newest]
    time.sleep(3)  # more than two looks: what follows now would be wrong
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (told, rest) == (newest, "")


def test_the_home_may_stand_before_or_after_the_verb(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    before = ct(home, "status", MODEL, "--json")
    after = ct(tmp_path / "other", "status", MODEL, "--json", "--home", home)
    assert after.code == 2, "a home said twice is a mistake"
    assert before.json["model"] == MODEL


def test_options_before_the_verb_go_behind_it() -> None:
    assert verb_first(["--home=x", "--json", "log", "-n", "3"]) == [
        "log",
        "--home=x",
        "--json",
        "-n",
        "3",
    ]
    assert verb_first(["--home"]) == ["--home"]


def test_the_table_of_exit_codes_names_classes_that_exist() -> None:
    for name in EXIT_CODES:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_an_error_that_nobody_foresaw_is_not_hidden() -> None:
    assert exit_code(ZeroDivisionError()) is None
