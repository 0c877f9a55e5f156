"""What changes while a champion serves: its specification, or the champion during a cycle."""

from __future__ import annotations

import polars as pl
import pytest
from tests.e2e.conftest import MakeHome
from tests.e2e.homes import MODEL, Home
from tests.factories import RENTALS, day, rentals

from iris_ct import procedures
from iris_ct.core.errors import SpecificationError
from iris_ct.flow.conclude import conclude
from iris_ct.flow.decide import Wish, decide_retraining
from iris_ct.flow.evaluate import judge_challenger
from iris_ct.flow.snapshot import cut_snapshot
from iris_ct.flow.train import train

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


def test_a_dropped_feature_is_still_seen_by_the_champion_that_is_judged(home: Home) -> None:
    """Else a worse model would win against a champion that was made blind."""
    home.write_model(extra="[trigger]\non_drift = false\non_error = false")
    home.first_model()
    home.ingest(rentals(day(30), 20))
    change_model(home, 'hour = "numeric"\n', "")
    told = procedures.retrain(home.parts, home.door, MODEL)
    gate = home.decisions("gate")[-1]["numbers"]
    assert gate["champion_loss"] < 6, "it saw the hours"
    assert told["cycle"]["outcome"] == "rejected"


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


@pytest.mark.parametrize("key", ["key", "event_time"])
def test_what_identifies_or_orders_stored_rows_cannot_change(home: Home, key: str) -> None:
    home.ingest(rentals(day(0), 2))
    change_model(home, f'{key} = "slot"', f'{key} = "weather"')
    with pytest.raises(SpecificationError, match=f"changes {key}, but 48 rows are stored"):
        home.ingest(rentals(day(2), 2))
    change_model(home, f'{key} = "slot"\n', f'{key} = "slot"\n')
    assert home.ingest(rentals(day(4), 2))["outcome"] == "stored"


def test_a_rollback_during_a_cycle_is_not_overruled_by_its_end(make_home: MakeHome) -> None:
    home = make_home(extra="[trigger]\non_drift = false\non_error = false")
    home.first_model()
    home.ingest(rentals(day(30), 20, level=1.6))
    assert procedures.retrain(home.parts, home.door, MODEL)["cycle"]["outcome"] == "promoted"
    home.ingest(rentals(day(50), 20, level=1.6))
    store, jobs, clock = home.parts.store, home.parts.jobs, home.parts.clock
    specification = store.specifications.newest(MODEL)
    assert specification is not None
    wish = Wish("by hand", "manual", "me")
    opened = decide_retraining(wish, specification=specification, store=store, clock=clock)
    cycle_id = opened.cycle_id
    cut_snapshot(cycle_id, store=store, jobs=jobs, clock=clock)
    trainer = home.parts.trainer
    train(cycle_id, "challenger", store=store, jobs=jobs, trainer=trainer, clock=clock)
    assert judge_challenger(cycle_id, store=store, jobs=jobs, clock=clock).outcome == "promote"
    procedures.roll_back(home.parts, home.door, MODEL, reason="complaints")
    ended = conclude(cycle_id, failure="", store=store, jobs=jobs, clock=clock)
    assert (ended.state, ended.version) == ("held", 3)
    assert home.status()["champion"]["version"] == 1
    withheld = home.decisions("promotion")[-1]
    assert withheld["outcome"] == "held"
    assert "judged against version 2" in withheld["reason"]
