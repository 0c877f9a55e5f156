"""The form of a line: IRIS' console log, its structured log, and our JSON inside their text.

The text is one JSON object with ``id`` first; a reader takes lines of the same id for one event,
because a line may be written again after a crash. A structured line stays under 1 kB: IRIS cuts
longer ones apart. Facts that do not fit are left out and counted under ``…``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any

from iris_ct.core.audit import AuditEvent, Severity

LINE_BYTES = 1000
LEFT_OUT = "…"

_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARNING", Severity.SEVERE: "SEVERE"}
_FACT_LENGTH = 120
_TEXT_LENGTH = 300


def event_name(event: AuditEvent, fixed: str | None) -> str:
    """Give the console log's event: ``CT.<Step>``, or the fixed name of a shop's filter."""
    return fixed or f"CT.{event.step}"


def message_text(event: AuditEvent, *, name: str) -> str:
    """Give the text of a line: compact JSON, shortened so that the structured line fits.

    The id and the model are always whole.
    """
    facts = {key: _short(fact) for key, fact in event.facts.items()}
    for text in (event.text, _cut(event.text, _TEXT_LENGTH), _cut(event.text, 60)):
        for kept in range(len(facts), -1, -1):
            said = _text(event, text, dict(list(facts.items())[:kept]), len(facts) - kept)
            if _fits(said, name):
                return said
    return _text(event, "", {}, len(facts))


def console_line(
    event: AuditEvent, text: str, *, name: str, pid: int, time_zone: tzinfo | None = None
) -> str:
    """Give the line of ``messages.log``: ``MM/DD/YY-HH:MM:SS:mmm (pid) severity [Event] text``."""
    local = event.happened_at.astimezone(time_zone)
    when = f"{local:%m/%d/%y-%H:%M:%S}:{local.microsecond // 1000:03d}"
    return f"{when} ({pid}) {int(event.severity)} [{name}] {text}"


def structured_line(
    event: AuditEvent, text: str, *, name: str, pid: int, time_zone: tzinfo | None = None
) -> str:
    """Give the JSON line of the structured log; every value is a string, as IRIS writes them."""
    local = event.happened_at.astimezone(time_zone)
    return _structured(
        f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}",
        str(pid),
        _LEVELS[event.severity],
        name,
        text,
    )


def _text(event: AuditEvent, text: str, facts: Mapping[str, Any], n_left_out: int) -> str:
    shown = {**facts, LEFT_OUT: n_left_out} if n_left_out else facts
    at = event.happened_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {
            "id": event.event_id,
            "model": event.model,
            "at": at.replace("+00:00", "Z"),
            "text": text,
            "facts": shown,
        },
        ensure_ascii=False,
        separators=(",", ":"),
        default=str,
    )


def _fits(text: str, name: str) -> bool:
    widest = _structured("yyyy-mm-dd hh:mm:ss.mmm", "9" * 10, "WARNING", name, text)
    return len(widest.encode()) < LINE_BYTES


def _structured(when: str, pid: str, level: str, name: str, text: str) -> str:
    line = json.dumps(
        {"when": when, "pid": pid, "level": level, "event": name, "text": text},
        ensure_ascii=False,
    )
    return f"{{ {line[1:-1]} }}"


def _short(fact: Any) -> Any:
    """Cut a long fact; a nested one becomes its JSON text first."""
    if isinstance(fact, str):
        return _cut(fact, _FACT_LENGTH)
    if isinstance(fact, Mapping | list | tuple):
        written = json.dumps(fact, ensure_ascii=False, separators=(",", ":"), default=str)
        return fact if len(written) <= _FACT_LENGTH else _cut(written, _FACT_LENGTH)
    return fact


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}{LEFT_OUT}"
