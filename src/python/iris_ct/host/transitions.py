"""The changes of state a message goes through, each within a transaction of its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from iris_ct.host import statements as sql
from iris_ct.host.bodies import Payload
from iris_ct.host.database import utc_now
from iris_ct.host.errors import HandlerInterrupted, MessageStateError
from iris_ct.host.records import (
    CANCELLED,
    COMPLETED,
    ENDED,
    QUEUED,
    REQUEST,
    RESPONSE,
    RETRYING,
    RUNNING,
    SCHEDULED,
    TIMER,
    Message,
    Send,
)
from iris_ct.host.tables import message as m


@dataclass(frozen=True)
class Wake:
    """Whom to wake after a change: items with something new in their queue, and a waiter."""

    items: tuple[str, ...] = ()
    waiter: str | None = None


class LostRaceError(Exception):
    """Another slot was quicker; undoes the transaction."""


def insert(connection: Connection, send: Send) -> int:
    """Store a message, or a timer, and return its id; without a session it begins one."""
    values: dict[str, Any] = {
        "session_id": send.session_id or 0,
        "kind": send.kind,
        "source": send.source,
        "target": send.target,
        "status": SCHEDULED if send.not_before else QUEUED,
        "parent_id": send.parent_id,
        "parent_run": send.parent_run,
        "seq": send.seq,
        "process_id": send.process_id,
        "call_id": send.call_id,
        "wants_response": int(send.wants_response),
        "completion_key": send.completion_key,
        "description": send.description,
        "body_class": send.payload.class_name,
        "body": send.payload.content,
        "waiter": send.waiter,
        "not_before": send.not_before,
        "resent_from": send.resent_from,
        "created_at": utc_now(),
    }
    result = connection.execute(sql.INSERT, values)
    key = result.inserted_primary_key
    if key is None:
        raise MessageStateError("The store did not say under which id it kept the message.")
    message_id = int(key[0])
    if send.session_id is None:
        change(connection, message_id, session_id=message_id)
    return message_id


def change(connection: Connection, message_id: int, **values: Any) -> None:
    """Set some columns of one message."""
    parameters = {f"new_{name}": value for name, value in values.items()}
    connection.execute(sql.update_of(tuple(values)), {"message_id": message_id, **parameters})


def take(connection: Connection, message_id: int, slot: str, *, replay: bool) -> Message | None:
    """Claim one message; None when it turned out to be of no use to anybody."""
    row = connection.execute(sql.BY_ID, {"message_id": message_id}).one()
    now = utc_now()
    new_run = row.starts > 0 and not replay
    claim = {
        "message_id": message_id,
        "old_status": row.status,
        "old_starts": row.starts,
        "new_slot": slot,
        "new_starts": row.starts + 1,
        "new_run_number": row.run_number + int(new_run),
        "new_first_started_at": row.first_started_at or now,
        "now": now,
        "new_held": int(row.kind == REQUEST),
    }
    if row.status not in {QUEUED, SCHEDULED} or not connection.execute(sql.CLAIM, claim).rowcount:
        raise LostRaceError
    if row.kind in {RESPONSE, TIMER}:
        process = {"message_id": row.process_id}
        if not connection.execute(sql.HOLD_PROCESS, process).rowcount:
            if connection.execute(sql.STATUS, process).scalar() not in ENDED:
                raise LostRaceError
            change(connection, message_id, status=CANCELLED, ended_at=now, slot=None)
            return None
    if new_run:
        _forget_sends(connection, message_id)
    return Message.of(connection.execute(sql.BY_ID, {"message_id": message_id}).one())


def _forget_sends(connection: Connection, parent_id: int) -> None:
    """Let a new run not be disturbed by responses to the sends of the one before."""
    calls = select(m.c.id).where(m.c.parent_id == parent_id)
    connection.execute(
        update(m)
        .where(m.c.kind == RESPONSE, m.c.status == QUEUED, m.c.call_id.in_(calls))
        .values(status=CANCELLED, ended_at=utc_now())
    )
    connection.execute(
        update(m)
        .where(m.c.kind == TIMER, m.c.status == SCHEDULED, m.c.parent_id == parent_id)
        .values(status=CANCELLED, ended_at=utc_now())
    )
    connection.execute(update(m).where(m.c.parent_id == parent_id).values(wants_response=0))


def check_still_ours(connection: Connection, message: Message) -> None:
    """Refuse what a handler says after its message was given to another run.

    Every claim counts ``starts`` up, so the number is a fencing token: a slot that was given up
    (a stop that did not wait, a lease that went to another host) cannot write any more.
    """
    row = connection.execute(sql.FENCE, {"message_id": message.id}).first()
    if row is None or row.starts != message.starts or row.status not in {RUNNING, RETRYING}:
        raise HandlerInterrupted


def end_event(connection: Connection, event: Message) -> None:
    """End a response or timer of a process; the request ends with its process."""
    if event.kind == REQUEST:
        return
    change(connection, event.id, status=COMPLETED, ended_at=utc_now(), slot=None)
    if event.call_id is not None:
        change(connection, event.call_id, delivered=1)


def answer(connection: Connection, message_id: int, reply: Payload, failure: str) -> Wake:
    """Answer the sender of a message: note the reply, queue a response for a process.

    A second answer changes nothing: a process may have replied before its end.
    """
    row = connection.execute(sql.BY_ID, {"message_id": message_id}).one()
    if row.answered:
        return Wake()
    change(
        connection,
        message_id,
        answered=1,
        failure=failure,
        reply_class=reply.class_name,
        reply_body=reply.content,
    )
    if not row.wants_response or row.process_id is None:
        return Wake(waiter=row.waiter)
    status = connection.execute(sql.STATUS, {"message_id": row.process_id}).scalar()
    if status in ENDED:
        return Wake(waiter=row.waiter)
    insert(
        connection,
        Send(
            kind=RESPONSE,
            source=row.target,
            target=row.source,
            payload=Payload(),
            session_id=row.session_id,
            process_id=row.process_id,
            call_id=message_id,
            completion_key=row.completion_key,
            description=row.description,
        ),
    )
    return Wake((row.source,), row.waiter)
