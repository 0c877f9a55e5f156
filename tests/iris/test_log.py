"""Audit events reach messages.log of the instance and, as JSON, dur/log/ct.log, and only ours do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.iris.conftest import MODEL, wait_until
from tests.iris.stack import Stack

pytestmark = pytest.mark.iris


def lines(text: str) -> list[dict[str, Any]]:
    """Parse tolerantly: IRIS cuts long lines apart and may write one twice."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def test_every_event_has_a_line_in_both_logs(stack: Stack, champion: dict[str, Any]) -> None:
    events = stack.query("SELECT event_id FROM CT.Log(?, 50)", MODEL)
    ids = {event["event_id"] for event in events}
    assert ids

    def told() -> set[str]:
        structured = lines(stack.exec("cat", "/dur/log/ct.log"))
        return {str(json.loads(line["text"])["id"]) for line in structured}

    # The daemon writes every ten seconds.
    wait_until(lambda: ids <= told())
    console = stack.exec("cat", "/dur/iconfig/mgr/messages.log")
    assert [event_id for event_id in ids if event_id not in console] == []


def test_the_structured_log_holds_our_events_only(stack: Stack, champion: dict[str, Any]) -> None:
    structured = lines(stack.exec("cat", "/dur/log/ct.log"))
    assert structured
    assert {line["event"].partition(".")[0] for line in structured} == {"CT"}
    assert {"when", "pid", "level", "event", "text"} <= structured[0].keys()


def test_no_value_of_a_row_is_in_a_line(stack: Stack, champion: dict[str, Any]) -> None:
    """Weather is a category of the rows; 'snow' stands nowhere else."""
    assert "snow" not in stack.exec("cat", "/dur/log/ct.log")
