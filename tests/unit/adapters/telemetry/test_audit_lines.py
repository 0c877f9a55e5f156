"""Lines must be exactly those of IRIS, so that a shop's readers take them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from iris_ct.adapters.telemetry.audit_lines import (
    LINE_BYTES,
    console_line,
    event_name,
    message_text,
    structured_line,
)
from iris_ct.core.audit import AuditEvent, Severity

VIENNA = ZoneInfo("Europe/Vienna")
EVENT = AuditEvent(
    event_id="0f1e2d3c4b5a69788796",
    model="bikes",
    step="Gate",
    severity=Severity.WARNING,
    text="the challenger is rejected",
    facts={"subject": "c-7", "n_rows": 720},
    happened_at=datetime(2026, 5, 26, 9, 50, 27, 68_000, tzinfo=UTC),
)
TEXT = (
    '{"id":"0f1e2d3c4b5a69788796","model":"bikes","at":"2026-05-26T09:50:27.068Z",'
    '"text":"the challenger is rejected","facts":{"subject":"c-7","n_rows":720}}'
)


def test_the_text_is_compact_json_with_the_id_first() -> None:
    assert message_text(EVENT, name="CT.Gate") == TEXT


def test_a_console_line_has_the_form_of_messages_log() -> None:
    line = console_line(EVENT, TEXT, name="CT.Gate", pid=656, time_zone=VIENNA)
    assert line == f"05/26/26-11:50:27:068 (656) 1 [CT.Gate] {TEXT}"


def test_a_structured_line_has_the_form_of_irislogd() -> None:
    """The sample line of a real file: ``{ "when": "2026-05-26 11:50:27.068", "pid": "656", ...``."""
    line = structured_line(EVENT, "...", name="Utility.Event", pid=656, time_zone=VIENNA)
    assert line == (
        '{ "when": "2026-05-26 11:50:27.068", "pid": "656", "level": "WARNING", '
        '"event": "Utility.Event", "text": "..." }'
    )


def test_every_value_of_a_structured_line_is_a_string() -> None:
    line = structured_line(EVENT, TEXT, name="CT.Gate", pid=1, time_zone=VIENNA)
    assert {type(found) for found in json.loads(line).values()} == {str}


@pytest.mark.parametrize(
    ("severity", "number", "level"),
    [
        (Severity.INFO, "0", "INFO"),
        (Severity.WARNING, "1", "WARNING"),
        (Severity.SEVERE, "2", "SEVERE"),
    ],
)
def test_severities_are_those_of_iris(severity: Severity, number: str, level: str) -> None:
    event = replace(EVENT, severity=severity)
    assert f" (1) {number} [x] " in console_line(event, "t", name="x", pid=1)
    assert json.loads(structured_line(event, "t", name="x", pid=1))["level"] == level


def test_the_event_is_the_step_unless_a_fixed_name_is_given() -> None:
    assert event_name(EVENT, None) == "CT.Gate"
    assert event_name(EVENT, "Utility.Event") == "Utility.Event"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("short", {f"fact_{i}": "x" * 90 for i in range(40)}),
        ("long " * 400, {"subject": "c-7"}),
        ('quote " and \\ and\nline break ' * 90, {"nested": {"a": ["b" * 300] * 20}}),
        ("Grüße 🚲 " * 200, {"ä" * 200: "ö" * 400}),
    ],
)
def test_a_line_stays_under_a_kilobyte_and_keeps_id_and_model_whole(
    text: str, facts: dict[str, Any]
) -> None:
    event = replace(EVENT, text=text, facts=facts)
    said = message_text(event, name="CT.Gate")
    line = structured_line(event, said, name="CT.Gate", pid=4_194_304)
    assert len(line.encode()) < LINE_BYTES
    assert "\n" not in line
    inner = json.loads(json.loads(line)["text"])
    assert (inner["id"], inner["model"]) == ("0f1e2d3c4b5a69788796", "bikes")


def test_facts_that_do_not_fit_are_counted() -> None:
    event = replace(EVENT, facts={f"fact_{i}": "x" * 90 for i in range(40)})
    facts = json.loads(message_text(event, name="CT.Gate"))["facts"]
    kept = [key for key in facts if key.startswith("fact_")]
    assert 0 < len(kept) < 40
    assert facts["…"] == 40 - len(kept)


def test_a_long_fact_is_cut_with_a_marker() -> None:
    event = replace(EVENT, facts={"error": "e" * 500})
    cut = json.loads(message_text(event, name="CT.Gate"))["facts"]["error"]
    assert cut.endswith("…")
    assert len(cut) == 120
