"""The demo, shortened to five months, against the files it left and the published data."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from iris_ct.cli.main import main
from iris_ct.core.errors import ConfigError
from iris_ct.demo.data import DATA_DIGEST, environment, example_directory, prepare_home
from iris_ct.demo.facts import DemoResult

# Counted in hour.csv with grep -c: rows whose observed_at starts with the month.
ROWS = {"2011-01": 688, "2011-02": 649, "2011-03": 730, "2011-04": 719, "2011-05": 744}
KEYS = {
    "served_mae",
    "frozen_mae",
    "trainings",
    "promotions",
    "rejections",
    "holds",
    "failures",
    "seconds",
    "months",
}


class Demo:
    """One finished demo: its home, its answer as JSON, and what it printed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.json = home.parent / "answer.json"
        arguments = ["demo", "--keep", str(home), "--json", str(self.json), "--months", "5"]
        self.code = main(arguments)
        self.answer = json.loads(self.json.read_text())
        self.months = {month["month"]: month for month in self.answer["months"]}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, str]:
    """The demo of five months and its printed lines; run once, because it trains three models."""
    folder = tmp_path_factory.mktemp("demo")
    lines = folder / "printed.txt"
    with lines.open("w") as file:
        before, sys.stdout = sys.stdout, file
        try:
            demo = Demo(folder / "home")
        finally:
            sys.stdout = before
    return demo, lines.read_text()


@pytest.fixture
def demo(printed: tuple[Demo, str]) -> Demo:
    """The finished demo."""
    return printed[0]


pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_the_demo_answers_with_the_promised_keys(demo: Demo) -> None:
    assert demo.code == 0
    assert set(demo.answer) == KEYS


def test_every_month_brings_its_rows(demo: Demo) -> None:
    assert {name: month["rows"] for name, month in demo.months.items()} == ROWS


def test_two_months_are_too_few_for_a_first_model(demo: Demo) -> None:
    """688 + 649 rows are below the 2000 that a first model needs; March makes them 2067."""
    decisions = [demo.months[name]["decision"] for name in ("2011-01", "2011-02", "2011-03")]
    assert decisions == ["skip", "skip", "promoted"]


def test_a_month_is_predicted_before_it_trains(demo: Demo) -> None:
    """March makes version 1, so April is predicted by it, and is the first month that is."""
    served = [demo.months[name]["served_version"] for name in ("2011-03", "2011-04")]
    assert served == [None, 1]


def test_frozen_and_served_error_are_one_while_the_first_model_serves(demo: Demo) -> None:
    """Two ways to one number: the prediction log, and the loaded first version."""
    april = demo.months["2011-04"]
    assert april["served_mae"] == pytest.approx(april["frozen_mae"], rel=1e-9)


def test_the_served_error_follows_from_the_logged_predictions(demo: Demo) -> None:
    """Recomputed from the prediction files and hour.csv by plain Polars, without the product."""
    logged = pl.concat(
        pl.read_parquet(path, columns=["_position", "prediction"])
        for path in demo.home.glob("store/**/predictions/**/*.parquet")
    )
    truth = pl.read_csv(example_directory() / "hour.csv", try_parse_dates=True).select(
        _position=pl.col("observed_at").cast(pl.Datetime("us")).cast(pl.Int64), truth="cnt"
    )
    both = logged.join(truth, on="_position", how="inner")
    assert both.height == ROWS["2011-04"] + ROWS["2011-05"]
    expected = float(np.abs(both["prediction"].to_numpy() - both["truth"].to_numpy()).mean())
    assert demo.answer["served_mae"] == pytest.approx(expected, rel=1e-9)


def test_retraining_was_worth_it(demo: Demo) -> None:
    assert demo.answer["served_mae"] < demo.answer["frozen_mae"]


def test_every_training_ended_in_a_decision(demo: Demo) -> None:
    answer = demo.answer
    decided = answer["promotions"] + answer["rejections"] + answer["holds"]
    assert (answer["trainings"], answer["failures"]) == (decided, 0)


def test_the_files_came_through_the_inbox(demo: Demo) -> None:
    archived = sorted(path.name[-11:] for path in (demo.home / "archive" / "bikes").iterdir())
    assert archived == [f"{month}.csv" for month in ROWS]
    assert not [path for path in (demo.home / "inbox" / "bikes").iterdir() if path.is_file()]


def test_the_plot_is_an_image_and_a_page_without_a_network(demo: Demo) -> None:
    image = (demo.home / "demo" / "bikes.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    page = (demo.home / "demo" / "bikes.html").read_text()
    assert all(month in page for month in ROWS)
    assert (
        re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|url\((?!#)[^)]*\)|@import|<script", page) == []
    )


def test_the_lines_fit_a_hundred_columns_and_carry_no_escapes(printed: tuple[Demo, str]) -> None:
    """Standard output was a file, so nothing of a terminal may be in it."""
    demo, text = printed
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if line[:7] in {*ROWS, "month  "}]
    assert len(lines) == len(ROWS) + 1
    assert max(map(len, lines)) <= 100
    assert f"ct --home {demo.home} status bikes" in text


def test_a_home_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        prepare_home(tmp_path, n_months=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_demo_keeps_away_from_stores_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    monkeypatch.delenv("CT_STORE_URL", raising=False)
    with environment(tmp_path):
        inside = os.environ["MLFLOW_TRACKING_URI"], os.environ["CT_STORE_URL"]
    assert inside == ("", "")
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mlflow.example"
    assert "CT_STORE_URL" not in os.environ


def test_the_example_names_its_digest_and_its_licence() -> None:
    readme = (example_directory() / "README.md").read_text()
    assert DATA_DIGEST in readme
    assert "CC BY 4.0" in readme


def test_the_months_hold_every_row_once(tmp_path: Path) -> None:
    """17,379 rows, as the data's README says; counted with the csv module of Python."""
    files = prepare_home(tmp_path / "home", n_months=24)
    counts = []
    for month in files:
        with month.path.open(newline="") as file:
            counts.append(sum(1 for _ in csv.DictReader(file)))
    assert (len(files), sum(counts)) == (24, 17379)


def test_a_demo_without_a_champion_quotes_no_error() -> None:
    result = DemoResult(None, None, 0, 0, 0, 0, 0, 1.0, ())
    assert len(result.quotes()) == 1
