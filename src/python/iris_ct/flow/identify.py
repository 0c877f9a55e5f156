"""Identifiers that name the same work each time, so that a repeated step changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from iris_ct.core.audit import AuditEvent, Severity
from iris_ct.core.canonical import digest


def decision_id(kind: str, *parts: str) -> str:
    """Name a decision by what it is about: ``gate-3f2a...``."""
    return f"{kind}-{digest([kind, *parts])[:16]}"


def audit_event(
    model: str,
    step: str,
    subject: str,
    text: str,
    *,
    at: datetime,
    severity: Severity = Severity.INFO,
    facts: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Make the audit event of one step about one subject; told twice, it is kept once."""
    return AuditEvent(
        event_id=digest([model, step, subject])[:20],
        model=model,
        step=step,
        severity=severity,
        text=text,
        facts={"subject": subject, **(facts or {})},
        happened_at=at,
    )
