"""audit -> console log: write each event that no line carries yet."""

from __future__ import annotations

from iris_ct.core.audit import Severity
from iris_ct.flow.identify import audit_event
from iris_ct.ports import AuditLog, Clock, ConsoleLog


def write_events(*, audit: AuditLog, console: ConsoleLog) -> int:
    """Write the unwritten events, oldest first; give how many.

    A crash between the line and its mark writes the line again: readers know it by its id.
    """
    written = 0
    while events := audit.unwritten():
        for event in events:
            console.write(event)
            audit.mark_written(event.event_id)
            written += 1
    return written


def record_alert(
    *, item: str, session: str, raised_at: str, audit: AuditLog, clock: Clock
) -> None:
    """Record that a message of an item has failed, without the error's own words."""
    audit.record(
        audit_event(
            "",
            "Alert",
            f"{item}:{session}:{raised_at}",
            f"{item} failed in session {session}; see 'ct log --host' and 'ct trace {session}', "
            "then resend the message",
            at=clock.now(),
            severity=Severity.SEVERE,
        )
    )
