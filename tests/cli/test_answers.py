"""The keys of every answer are those that docs/procedures.md promises, no more and no fewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import MODEL, csv, ct, make_home
from tests.factories import day, rentals

PAGE = Path(__file__).parents[2] / "docs" / "procedures.md"
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)


def documented(chapter: str) -> dict[str, str]:
    """Read the keys of a chapter with their types."""
    _, found, rest = PAGE.read_text().partition(f"\n## {chapter}\n")
    assert found, f"docs/procedures.md has no chapter {chapter}"
    return {key: kind.strip() for key, kind in _ROW.findall(rest.partition("\n## ")[0])}


def keys_of(answer: Any, known: dict[str, str], place: str = "") -> set[str]:
    """Name the keys of an answer, dotted; what is documented as a mapping is open."""
    if isinstance(answer, list):
        return {key for one in answer for key in keys_of(one, known, place)}
    if not isinstance(answer, dict):
        return set()
    found = set()
    for key, value in answer.items():
        name = f"{place}{key}"
        found.add(name)
        if not known.get(name, "").startswith("mapping"):
            found |= keys_of(value, known, f"{name}.")
    return found


ASKED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("status", ("status", MODEL)),
    ("drift", ("drift", MODEL, "--newest", "5")),
    ("history", ("history", MODEL)),
    ("decisions", ("history", MODEL, "--decisions")),
    ("served_at", ("history", MODEL, "--at", "2999-01-01")),
    ("predict_row", ("predict", MODEL, "--row", '{"hour": 5}')),
    ("predict_batch", ("predict", MODEL, "--batch", "rentals-000001")),
    ("explain", ("explain", MODEL)),
    ("quarantine", ("quarantine", MODEL)),
    ("purge", ("purge", MODEL)),
    ("log", ("log", MODEL)),
    ("host_log", ("log", "--host")),
    ("sessions", ("trace",)),
    ("trace", ("trace", "1")),
    ("doctor", ("doctor",)),
    ("down", ("down",)),
)


@pytest.mark.parametrize(("chapter", "arguments"), ASKED, ids=lambda said: str(said))
def test_an_answer_has_the_documented_keys(
    chapter: str, arguments: tuple[str, ...], lived: Path
) -> None:
    said = ct(lived, *arguments, "--json")
    assert said.code == 0, said.err
    assert said.json, "an answer without content shows no keys"
    known = documented(chapter)
    assert keys_of(said.json, known) == set(known)


def test_answers_that_change_something_have_the_documented_keys(
    copied: Path, tmp_path: Path
) -> None:
    rows = csv(tmp_path / "rows.csv", rentals(day(60), 20, level=0.5, warmth=-9))
    alone = csv(tmp_path / "first.csv", rentals(day(0), 9))
    held = ct(copied, "quarantine", MODEL, "--json").json[0]["batch_id"]
    out = tmp_path / "out.csv"
    answers = {
        "init": ct(copied, "init", "new", "--from", alone, "--target", "hires", "--json"),
        "ingest": ct(copied, "ingest", MODEL, rows, "--json"),
        "predict": ct(copied, "predict", MODEL, "--in", alone, "--out", out, "--json"),
        "export_quarantine": ct(
            copied, "quarantine", MODEL, "--export", held, tmp_path / "held.csv", "--json"
        ),
        "retrain": ct(copied, "retrain", MODEL, "--json"),
        "roll_back": ct(copied, "rollback", MODEL, "--reason", "x", "--json"),
        "promote": ct(copied, "promote", MODEL, "--version", "1", "--reason", "x", "--json"),
        "resend": ct(copied, "trace", "--resend", "1", "--json"),
    }
    for chapter, said in answers.items():
        assert said.code == 0, (chapter, said.err)
        known = documented(chapter)
        assert keys_of(said.json, known) == set(known), chapter


def test_a_model_without_rows_has_the_same_first_keys(tmp_path: Path) -> None:
    answer = ct(make_home(tmp_path / "dur"), "status", MODEL, "--json").json
    assert set(answer) == {key for key in documented("status") if "." not in key}
    assert answer["champion"] is None
    assert answer["last_drift"] is None


def test_the_keys_that_programs_were_promised_are_there(lived: Path) -> None:
    promised = (
        "model champion rows batches quarantined_rows trainings promotions rejections holds "
        "last_drift pending_messages"
    )
    answer = ct(lived, "status", MODEL, "--json").json
    assert set(promised.split()) <= set(answer)
    assert {"version", "trained_at", "metrics", "window", "rows"} <= set(answer["champion"])
    assert {"drifted", "features"} <= set(answer["last_drift"])
    assert answer["rows"] == 30 * 24 + 20 * 24 - 1
    assert answer["quarantined_rows"] == 1
