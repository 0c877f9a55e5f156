"""``ct init``: a model file from rows, or from a data scientist's run."""

from __future__ import annotations

import shlex
import shutil
import tomllib
from pathlib import Path

import polars as pl
import pytest
from tests.cli.running import MODEL, csv, ct
from tests.factories import day, rentals


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    (tmp_path / "dur" / "models").mkdir(parents=True)
    return tmp_path / "dur"


def test_a_model_file_is_proposed_and_says_what_was_guessed(home: Path, tmp_path: Path) -> None:
    rows = rentals(day(0), 20).with_columns(double=pl.col("hires") * 2)
    file = csv(tmp_path / "rows.csv", rows)
    said = ct(home, "init", "bikes", "--from", file, "--target", "hires", "--key", "slot")
    assert said.code == 0
    assert said.out.startswith(f"Wrote {home / 'models' / 'bikes.toml'}\n")
    assert "task regression" in said.out
    assert "double" in said.out.partition("To look at")[2], "it leaks the target"
    assert "--exclude double" in said.out
    written = tomllib.loads((home / "models" / "bikes.toml").read_text())
    assert (written["task"], written["target"], written["key"]) == (
        "regression",
        "hires",
        ["slot"],
    )
    assert ct(home, "status", "bikes", "--json").json["task"] == "regression"


def test_a_proposed_command_can_be_given_to_a_shell(home: Path, tmp_path: Path) -> None:
    column = "hires (total) & more"
    rows = rentals(day(0), 20).with_columns((pl.col("hires") * 2).alias(column))
    file = csv(tmp_path / "my rows.csv", rows)
    said = ct(home, "init", "bikes", "--from", file, "--target", "hires", "--key", "slot")
    advice = next(line for line in said.out.splitlines() if line.startswith("If they leak"))
    following = said.out.splitlines()[-1].removeprefix("Next: ")
    assert shlex.split(advice.partition(": ")[2]) == ["--exclude", column, "--force"]
    assert shlex.split(following) == ["ct", "ingest", "bikes", str(file)]


def test_a_file_that_is_there_stays_unless_forced(home: Path, tmp_path: Path) -> None:
    file = csv(tmp_path / "rows.csv", rentals(day(0), 20))
    options = ("--from", file, "--target", "hires", "--time", "slot")
    assert ct(home, "init", "bikes", *options).code == 0
    model = home / "models" / "bikes.toml"
    model.write_text(model.read_text() + "# mine\n")
    again = ct(home, "init", "bikes", *options)
    assert (again.code, "exists already" in again.err) == (2, True)
    assert model.read_text().endswith("# mine\n")
    forced = ct(home, "init", "bikes", *options, "--exclude", "holiday", "--force", "--json")
    assert forced.code == 0
    assert "holiday" not in forced.json["features"]
    assert "# mine" not in model.read_text()


def test_too_little_is_said(home: Path, tmp_path: Path) -> None:
    file = csv(tmp_path / "rows.csv", rentals(day(0), 20))
    nothing = ct(home, "init", "bikes")
    assert (nothing.code, "--from FILE" in nothing.err) == (2, True)
    no_target = ct(home, "init", "bikes", "--from", file)
    assert (no_target.code, "--target" in no_target.err) == (2, True)
    wrong = ct(home, "init", "bikes", "--from", file, "--target", "hire")
    assert (wrong.code, "hires" in wrong.err) == (2, True)
    absent = ct(home, "init", "bikes", "--from", tmp_path / "no.csv", "--target", "hires")
    assert (absent.code, "No such file" in absent.err) == (1, True)
    name = ct(home, "init", "Bad Name", "--from", file, "--target", "hires")
    assert (name.code, "Bad Name" in name.err) == (2, True)
    assert list((home / "models").iterdir()) == []


@pytest.mark.integration
def test_a_run_becomes_a_model_with_its_features_parameters_and_lineage(
    lived: Path, copied: Path
) -> None:
    run = ct(lived, "history", MODEL, "--json").json[-1]["mlflow_run"]
    said = ct(copied, "init", "copy", "--from-run", run, "--time", "slot", "--json")
    assert said.code == 0, said.err
    assert said.json["target"] == "hires"
    assert said.json["lineage"]["run_id"] == run
    assert said.json["features"] == ["hour", "temperature", "weather", "holiday"]
    text = (copied / "models" / "copy.toml").read_text()
    assert f"# run_id: {run}" in text
    assert tomllib.loads(text)["features"]["temperature"] == "numeric"
    file = lived.parent / "first.csv"
    beside = ct(
        copied, "init", "both", "--from-run", run, "--from", file, "--key", "slot", "--json"
    )
    assert beside.code == 0, beside.err
    assert (beside.json["event_time"], beside.json["key"]) == ("slot", ["slot"])
    shutil.copy(lived.parent / "predicted.csv", copied / "other.csv")
    lacks = ct(copied, "init", "lacks", "--from-run", run, "--from", copied / "other.csv")
    assert lacks.code == 2
    unknown = ct(copied, "init", "none", "--from-run", "0" * 32)
    assert (unknown.code, "no run" in unknown.err) == (1, True)
