"""A person lets a version serve that the gate refused, and the record says who and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import MODEL, csv
from tests.factories import day, rentals
from tests.procedures.conftest import Running

from iris_ct import procedures
from iris_ct.core.errors import CTError


@pytest.fixture
def refused(running: Running, tmp_path: Path) -> Running:
    """A home whose gate has refused version 3: one round of boosting learns next to nothing."""
    file = running.parts.settings.models_dir / f"{MODEL}.toml"
    file.write_text(file.read_text().replace("rounds = 30", "rounds = 1"))
    rows = csv(tmp_path / "more.csv", rentals(day(50), 10, level=1.6, warmth=9))
    [answer] = procedures.ingest(running.parts, running.door, MODEL, [rows])
    assert answer["cycle"] is not None, answer
    assert (answer["cycle"]["outcome"], answer["cycle"]["version"]) == ("rejected", 3)
    return running


def test_a_refused_version_serves_because_a_person_says_so(refused: Running) -> None:
    answer = procedures.promote(
        refused.parts, refused.door, MODEL, version=3, reason="seen on the other site"
    )
    assert answer["version"] == 3
    assert procedures.status(refused.parts, MODEL)["champion"]["version"] == 3
    newest = procedures.history(refused.parts, MODEL)[-1]
    assert (newest["trigger"], newest["actor"]) == ("manual", refused.parts.settings.who)
    told = procedures.explain(refused.parts, MODEL)
    record = told["record"]
    assert (record["kind"], record["outcome"]) == ("appointment", "appointed")
    assert record["decision_id"] == answer["decision"]
    assert "seen on the other site" in record["reason"]
    assert record["rule"].startswith("a person decides")
    assert record["inputs"]["gate_outcome"] == "reject"
    assert (record["inputs"]["from_version"], record["inputs"]["to_version"]) == (2, 3)
    assert told["intact"]
    assert told["words"][0].startswith("Appointment of rentals: appointed. version 3 serves")


def test_drift_is_measured_against_what_a_promoted_version_was_fitted_on(refused: Running) -> None:
    assert refused.parts.store.summaries.reference(MODEL, 3) is None
    procedures.promote(refused.parts, refused.door, MODEL, version=3, reason="x")
    assert refused.parts.store.summaries.reference(MODEL, 3) is not None


def test_the_step_back_leads_to_who_served_before(refused: Running) -> None:
    procedures.promote(refused.parts, refused.door, MODEL, version=3, reason="x")
    assert procedures.roll_back(refused.parts, refused.door, MODEL)["version"] == 2


@pytest.mark.parametrize(
    ("version", "reason", "said"),
    [(9, "x", "no version 9"), (2, "x", "serves already"), (1, "  ", "needs a reason")],
)
def test_what_cannot_serve_is_refused_and_nothing_changes(
    running: Running, version: int, reason: str, said: str
) -> None:
    with pytest.raises(CTError, match=said):
        procedures.promote(running.parts, running.door, MODEL, version=version, reason=reason)
    assert procedures.status(running.parts, MODEL)["champion"]["version"] == 2
    kinds = [d["kind"] for d in procedures.decisions(running.parts, MODEL, newest=None)]
    assert "appointment" not in kinds
    assert [e for e in running.door.events(50) if e["severity"] == 6] == [], "nobody is alerted"
