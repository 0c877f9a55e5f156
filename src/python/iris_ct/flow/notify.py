"""audit -> console log: write each event that no line carries yet."""

from __future__ import annotations

from iris_ct.ports import AuditLog, ConsoleLog


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
