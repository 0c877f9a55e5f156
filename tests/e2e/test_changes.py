"""A specification that changes while a champion serves: it serves on, and is judged fairly."""

from __future__ import annotations

import polars as pl
import pytest
from tests.e2e.homes import MODEL, Home
from tests.factories import RENTALS, day, rentals

pytestmark = pytest.mark.e2e


def change_model(home: Home, before: str, after: str) -> None:
    text = RENTALS.format(extra="")
    assert before in text
    (home.path / "models" / f"{MODEL}.toml").write_text(text.replace(before, after))


def test_a_feature_of_another_kind_is_read_as_the_champion_knows_it(home: Home) -> None:
    home.first_model()
    change_model(home, 'hour = "numeric"', 'hour = "categorical"')
    answer = home.ingest(rentals(day(30), 20))
    assert answer["failure"] is None
    assert home.decisions("retrain")[-1]["reason"] == "specification"
    gate = home.decisions("gate")[-1]["numbers"]
    assert gate["kind"] == "replace"
    # The noise of the rows alone is 2.4 (3 times the square root of 2 / pi).
    assert gate["champion_loss"] < 6, "it saw the hours"


def test_another_target_is_judged_against_the_baseline_and_no_served_error_is_told(
    home: Home,
) -> None:
    home.first_model()
    change_model(home, '"regression"\ntarget = "hires"', '"binary"\ntarget = "busy"')
    busy = pl.when(pl.col("hires") > 40).then(pl.lit("yes")).otherwise(pl.lit("no"))
    answer = home.ingest(rentals(day(30), 20).with_columns(busy=busy))
    assert answer["failure"] is None
    assert answer["cycle"]["outcome"] == "promoted"
    gate = home.decisions("gate")[-1]["numbers"]
    assert (gate["kind"], gate["champion"]) == ("first", None)
    assert home.status()["champion"]["version"] == 2
