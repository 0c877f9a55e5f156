"""What is stored about a message, as values: states, a message, a send, a line of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from iris_ct.host.bodies import Payload

# Kinds of messages.
REQUEST, INPUT, RESPONSE, TIMER = "request", "input", "response", "timer"

# States that lead on.
QUEUED = "queued"
RUNNING = "running"
WAITING = "waiting"
RETRYING = "retrying"
SCHEDULED = "scheduled"
ACTIVE = (QUEUED, RUNNING, WAITING, RETRYING, SCHEDULED)

# States that stay until a person or nobody changes them.
SUSPENDED = "suspended"
COMPLETED = "completed"
ERROR = "error"
CANCELLED = "cancelled"
ENDED = (COMPLETED, ERROR, CANCELLED)


@dataclass(frozen=True)
class Send:
    """A message about to be stored.

    Attributes
    ----------
    session_id : int or None
        None begins a session.
    parent_id, parent_run, seq : int or None
        Which send of which run of which handler this is; None outside of a stored handler.
    process_id : int or None
        The process request that wants the response, or that a timer or response belongs to.
    waiter : str or None
        Address that waits for the reply.
    not_before : str or None
        Instant of a timer.
    """

    kind: str
    source: str
    target: str
    payload: Payload
    session_id: int | None = None
    parent_id: int | None = None
    parent_run: int | None = None
    seq: int | None = None
    process_id: int | None = None
    call_id: int | None = None
    wants_response: bool = False
    completion_key: str | None = None
    description: str | None = None
    waiter: str | None = None
    not_before: str | None = None
    resent_from: int | None = None


@dataclass(frozen=True)
class Message:
    """A stored message, as it was when it was read."""

    id: int
    session_id: int
    kind: str
    source: str
    target: str
    status: str
    parent_id: int | None
    parent_run: int | None
    process_id: int | None
    call_id: int | None
    wants_response: bool
    completion_key: str | None
    description: str | None
    payload: Payload
    answered: bool
    reply: Payload
    draft: Payload
    failure: str
    waiter: str | None
    gave_up: bool
    run_number: int
    starts: int
    slot: str | None
    properties: str
    not_before: str | None
    first_started_at: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Message:
        """Read a row of ``host_message``."""
        return cls(
            id=row.id,
            session_id=row.session_id,
            kind=row.kind,
            source=row.source,
            target=row.target,
            status=row.status,
            parent_id=row.parent_id,
            parent_run=row.parent_run,
            process_id=row.process_id,
            call_id=row.call_id,
            wants_response=bool(row.wants_response),
            completion_key=row.completion_key,
            description=row.description,
            payload=Payload(row.body_class, row.body),
            answered=bool(row.answered),
            reply=Payload(row.reply_class, row.reply_body),
            draft=Payload(row.draft_class, row.draft_body),
            failure=row.failure,
            waiter=row.waiter,
            gave_up=bool(row.gave_up),
            run_number=row.run_number,
            starts=row.starts,
            slot=row.slot,
            properties=row.properties,
            not_before=row.not_before,
            first_started_at=row.first_started_at,
        )


@dataclass(frozen=True)
class TraceRow:
    """One message of a session, for people. Instants are ISO 8601 text, UTC."""

    id: int
    session_id: int
    parent_id: int | None
    kind: str
    source: str
    target: str
    status: str
    body_class: str
    body: str
    reply_class: str
    reply_body: str
    failure: str
    description: str | None
    completion_key: str | None
    resent_from: int | None
    created_at: str
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True)
class SessionRow:
    """One session: its first message and how it stands."""

    session_id: int
    source: str
    target: str
    body_class: str
    n_messages: int
    n_active: int
    n_errors: int
    created_at: str
    ended_at: str | None


@dataclass(frozen=True)
class EventRow:
    """One entry of the event log.

    ``severity`` uses IRIS' numbers: 1 assert, 2 error, 3 warning, 4 info, 5 trace, 6 alert.
    """

    id: int
    logged_at: str
    severity: int
    item: str
    session_id: int | None
    message_id: int | None
    source_class: str
    source_method: str
    pid: int
    content: str
