"""Audit events: committed here once, then written to the console log at least once."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.audit import AuditEvent, Severity
from iris_ct.core.canonical import canonical_json

_T = tables.audit_event


class SqlAudit:
    """`ports.AuditLog` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, event: AuditEvent) -> bool:
        """Keep it; tell whether it was new."""
        with self._database.writing(event.model) as connection:
            known = sa.select(_T.c.event_id).where(_T.c.event_id == event.event_id)
            if connection.scalar(known) is not None:
                return False
            connection.execute(
                sa.insert(_T).values(
                    event_id=event.event_id,
                    model=event.model,
                    step=event.step,
                    severity=int(event.severity),
                    sentence=event.text,
                    facts=canonical_json(dict(event.facts)),
                    happened_at=event.happened_at,
                    written=0,
                )
            )
            return True

    def unwritten(self, limit: int = 100) -> list[AuditEvent]:
        """List events that no console log line carries yet, oldest first."""
        wanted = sa.select(_T).where(_T.c.written == 0).order_by(_T.c.happened_at, _T.c.event_id)
        with self._database.reading() as connection:
            return [_event(row) for row in islice(connection.execute(wanted), limit)]

    def mark_written(self, event_id: str) -> None:
        """Note that the line was written."""
        with self._database.begin() as connection:
            connection.execute(sa.update(_T).where(_T.c.event_id == event_id).values(written=1))

    def events(self, model: str | None = None, *, newest: int = 50) -> list[AuditEvent]:
        """List the newest events, oldest of them first."""
        latest = (_T.c.happened_at.desc(), _T.c.event_id.desc())
        # Numbered by a window: plain SQL that needs no ORDER BY beside LIMIT.
        numbered = sa.select(_T, sa.func.row_number().over(order_by=latest).label("place"))
        if model is not None:
            numbered = numbered.where(_T.c.model == model)
        ranked = numbered.subquery()
        wanted = sa.select(ranked).where(ranked.c.place <= newest).order_by(ranked.c.place.desc())
        with self._database.reading() as connection:
            return [_event(row) for row in connection.execute(wanted)]


def _event(row: Any) -> AuditEvent:
    return AuditEvent(
        event_id=row.event_id,
        model=row.model,
        step=row.step,
        severity=Severity(row.severity),
        text=row.sentence,
        facts=json.loads(row.facts),
        happened_at=row.happened_at,
    )
