"""What the store tells people: traces, sessions, queues, the event log; and what it forgets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, delete, func, select

from iris_ct.host.database import Database, to_text, utc_now
from iris_ct.host.records import (
    ACTIVE,
    ERROR,
    QUEUED,
    RETRYING,
    RUNNING,
    EventRow,
    SessionRow,
    TraceRow,
)
from iris_ct.host.tables import event as e
from iris_ct.host.tables import message as m

_INSERT_EVENT = e.insert()
_TRACE_COLUMNS = tuple(m.c[name] for name in TraceRow.__dataclass_fields__)


class Journal:
    """Reads of one store, and its event log. Used by any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(
        self,
        severity: int,
        content: str,
        *,
        item: str = "",
        session_id: int | None = None,
        message_id: int | None = None,
        source_class: str = "",
        source_method: str = "",
    ) -> None:
        """Write an entry of the event log."""
        entry = {
            "logged_at": utc_now(),
            "severity": severity,
            "item": item,
            "session_id": session_id,
            "message_id": message_id,
            "source_class": source_class,
            "source_method": source_method,
            "pid": os.getpid(),
            "content": content,
        }
        with self._database.write() as connection:
            connection.execute(_INSERT_EVENT, entry)

    def events(
        self,
        limit: int = 100,
        *,
        session_id: int | None = None,
        item: str | None = None,
        after_id: int = 0,
        severities: Iterable[int] = (),
    ) -> list[EventRow]:
        """Return the newest entries that fit, oldest first."""
        query = select(*(e.c[name] for name in EventRow.__dataclass_fields__))
        query = query.where(e.c.id > after_id)
        if session_id is not None:
            query = query.where(e.c.session_id == session_id)
        if item is not None:
            query = query.where(e.c.item == item)
        wanted = tuple(severities)
        if wanted:
            query = query.where(e.c.severity.in_(wanted))
        rows = self._newest(query.order_by(e.c.id.desc()), limit)
        return [EventRow(*row) for row in reversed(rows)]

    def trace(self, session_id: int) -> list[TraceRow]:
        """Return all messages of a session, in the order they were stored."""
        query = select(*_TRACE_COLUMNS).where(m.c.session_id == session_id).order_by(m.c.id)
        with self._database.read() as connection:
            return [TraceRow(*row) for row in connection.execute(query)]

    def messages(self, status: str, limit: int = 100) -> list[TraceRow]:
        """Return the newest messages in a state, newest first."""
        query = select(*_TRACE_COLUMNS).where(m.c.status == status).order_by(m.c.id.desc())
        return [TraceRow(*row) for row in self._newest(query, limit)]

    def sessions(self, limit: int = 20) -> list[SessionRow]:
        """Return the newest sessions, newest first."""
        query = select(m).where(m.c.id == m.c.session_id).order_by(m.c.id.desc())
        rows = self._newest(query, limit)
        counts = self._session_counts([row.session_id for row in rows])
        # One that was purged between the two queries is left out.
        return [_session(row, *counts[row.session_id]) for row in rows if row.session_id in counts]

    def queues(self) -> dict[str, int]:
        """Return how many messages wait in each queue that is not empty."""
        query = (
            select(m.c.target, func.count())
            .where(m.c.status.in_((QUEUED, RETRYING)))
            .group_by(m.c.target)
        )
        with self._database.read() as connection:
            return dict(connection.execute(query).all())

    def waiting(self) -> dict[str, tuple[int, str]]:
        """Return how many messages wait for each item, and since when the oldest does."""
        query = (
            select(m.c.target, func.count(), func.min(m.c.created_at))
            .where(m.c.status == QUEUED)
            .group_by(m.c.target)
        )
        with self._database.read() as connection:
            return {name: (n, since) for name, n, since in connection.execute(query)}

    def pending(self) -> int:
        """Count the messages that are not at their end."""
        return self._count(m.c.status.in_(ACTIVE))

    def active_in_session(self, session_id: int) -> int:
        """Count the messages of a session that are not at their end."""
        return self._count(and_(m.c.session_id == session_id, m.c.status.in_(ACTIVE)))

    def busy(self, items: Iterable[str]) -> int:
        """Count the messages that some items are working on, or could right now."""
        states = m.c.status.in_((QUEUED, RUNNING))
        return self._count(and_(m.c.target.in_(tuple(items)), states))

    def newest_message_id(self) -> int:
        """Return the id of the newest message, 0 without any."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(m.c.id))).scalar() or 0

    def purge(self, before: datetime) -> int:
        """Forget sessions and log entries older than an instant; returns how many messages.

        A session of which any message is not at its end, or is suspended, or ended later, stays
        whole.
        """
        limit = to_text(before)
        kept = (
            select(m.c.session_id)
            .where((m.c.ended_at.is_(None)) | (m.c.ended_at >= limit))
            .distinct()
        )
        with self._database.write() as connection:
            connection.execute(delete(e).where(e.c.logged_at < limit))
            return connection.execute(delete(m).where(m.c.session_id.not_in(kept))).rowcount

    def _session_counts(self, sessions: Sequence[int]) -> dict[int, tuple[int, int, int]]:
        """Count the messages of each session: all, those under way, those that failed."""
        query = (
            select(
                m.c.session_id,
                func.count(),
                func.sum(case((m.c.status.in_(ACTIVE), 1), else_=0)),
                func.sum(case((m.c.status == ERROR, 1), else_=0)),
            )
            .where(m.c.session_id.in_(sessions))
            .group_by(m.c.session_id)
        )
        with self._database.read() as connection:
            return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query)}

    def _count(self, where: Any) -> int:
        query = select(func.count()).select_from(m).where(where)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _newest(self, query: Select[Any], limit: int) -> Sequence[Any]:
        # Sorted and cut by the reader: LIMIT beside ORDER BY does not travel to every database.
        with self._database.read() as connection:
            streamed = connection.execution_options(stream_results=True)
            with streamed.execute(query) as result:
                return result.fetchmany(limit)


def _session(row: Any, n_messages: int, n_active: int, n_errors: int) -> SessionRow:
    return SessionRow(
        session_id=row.session_id,
        source=row.source,
        target=row.target,
        body_class=row.body_class,
        n_messages=n_messages,
        n_active=n_active,
        n_errors=n_errors,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
