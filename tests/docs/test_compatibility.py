"""The compatibility page answers every row of the comparison, once, and promises only what exists."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from iris_ct.core.specification import Specification

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"

# Title and number of rows of each group of the comparison, by the letter of their ids.
GROUPS = {
    "S": ("Re-training by telemetry", 12),
    "I": ("CT in IRIS", 17),
    "C": ("Continuous X", 12),
    "Q": ("Quality contracts", 14),
    "M": ("Model environment - commands", 17),
    "R": ("Model environment - rules", 21),
    "F": ("Wire and file formats", 14),
}
ANSWER = re.compile(r"works|written for IRIS|planned \(later\)|how to get the same|out of scope")
VERBS = """
    init up down ingest labels predict retrain status drift history explain rollback
    quarantine trace log purge doctor demo promote serve service model token
"""


@dataclass(frozen=True)
class Row:
    """One table row of the page and the heading it stands under."""

    group: str
    id: str
    capability: str
    answer: str
    how: str


def rows_of(text: str) -> list[Row]:
    """Read every table row whose first cell looks like an id."""
    rows, group = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ").strip()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-Z]\d+", cells[0]):
            assert len(cells) == 4, f"Row {cells[0]} has {len(cells)} cells, expected 4"
            rows.append(Row(group, *cells))
    return rows


ROWS = rows_of(PAGE.read_text(encoding="utf-8"))


def test_every_row_is_there_exactly_once() -> None:
    expected = [
        f"{letter}{n}" for letter, (_, n_rows) in GROUPS.items() for n in range(1, n_rows + 1)
    ]
    assert Counter(row.id for row in ROWS) == Counter(expected)


def test_every_row_stands_under_its_group() -> None:
    assert [row.id for row in ROWS if row.group != GROUPS[row.id[0]][0]] == []


def test_every_answer_is_one_of_five() -> None:
    assert [(row.id, row.answer) for row in ROWS if not ANSWER.fullmatch(row.answer)] == []


def test_no_answer_is_empty() -> None:
    empty = [
        row.id
        for row in ROWS
        if not row.capability or len(row.how.split()) < 5 or not row.how.endswith(".")
    ]
    assert empty == []


def test_every_verb_named_is_a_command() -> None:
    """In every row, since a planned one may say which part works already."""
    named = {(row.id, verb) for row in ROWS for verb in re.findall(r"`ct ([a-z-]+)", row.how)}
    assert [pair for pair in sorted(named) if pair[1] not in VERBS.split()] == []


def test_what_works_names_what_to_type_or_open() -> None:
    assert [row.id for row in ROWS if row.answer == "works" and "`" not in row.how] == []


def test_every_setting_named_is_a_key_of_the_specification() -> None:
    groups = {
        group: set(getattr(field.annotation, "model_fields", {}))
        for group, field in Specification.model_fields.items()
    }
    named = {pair for row in ROWS for pair in re.findall(r"`([a-z]+)\.([a-z_]+)`", row.how)}
    settings = {(group, key) for group, key in named if group in groups}
    assert settings
    assert {(group, key) for group, key in settings if key not in groups[group]} == set()
