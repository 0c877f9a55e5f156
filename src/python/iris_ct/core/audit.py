"""An audit event: what happened, for operators and auditors; never a row value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """Severity as IRIS' console log counts it."""

    INFO = 0
    """Normal."""
    WARNING = 1
    """Refused data or a refused model."""
    SEVERE = 2
    """An operator must act now."""


@dataclass(frozen=True)
class AuditEvent:
    """One start, end or decision.

    Attributes
    ----------
    event_id : str
        Deterministic: a repeated step makes the same id, which is stored once.
    step : str
        ``Ingest``, ``Training``, ``Gate`` ...; the console log's event is ``CT.<step>``.
    text : str
        One sentence, no line break.
    facts : mapping
        Identifiers, counts and digests; JSON values.
    """

    event_id: str
    model: str
    step: str
    severity: Severity
    text: str
    facts: Mapping[str, Any]
    happened_at: datetime
