"""The life of a message in the store: put, claimed, answered, ended, run again.

Every public method is one short transaction, so a process may be killed between any two of them.
All changes of state say which state they expect: of two slots that want one message, one gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.sql.elements import ColumnElement

from iris_ct.host import statements as sql
from iris_ct.host.bodies import Payload
from iris_ct.host.database import Database, utc_now
from iris_ct.host.errors import HandlerInterrupted, MessageStateError
from iris_ct.host.records import (
    CANCELLED,
    COMPLETED,
    ENDED,
    ERROR,
    INPUT,
    QUEUED,
    REQUEST,
    RESPONSE,
    RETRYING,
    RUNNING,
    SCHEDULED,
    SUSPENDED,
    TIMER,
    WAITING,
    Message,
    Send,
)
from iris_ct.host.tables import message as m


@dataclass(frozen=True)
class Wake:
    """Whom to wake after a change: items with something new in their queue, and a waiter."""

    items: tuple[str, ...] = ()
    waiter: str | None = None


class _LostRaceError(Exception):
    """Another slot was quicker; undoes the transaction."""


class Mailbox:
    """Messages of one store. Used by any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, send: Send) -> int:
        """Store a message in the queue of its target and return its id."""
        with self._database.write() as connection:
            return _insert(connection, send)

    def get(self, message_id: int) -> Message:
        """Read one message.

        Raises
        ------
        MessageStateError
            If there is none with this id.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.BY_ID, {"message_id": message_id}).first()
        if row is None:
            raise MessageStateError(f"There is no message {message_id} in the store.")
        return Message.of(row)

    def find_send(self, parent_id: int, parent_run: int, seq: int) -> Message | None:
        """Find what the n-th send of a handler's run has stored, if it came so far."""
        key = {"parent_id": parent_id, "parent_run": parent_run, "seq": seq}
        with self._database.read() as connection:
            row = connection.execute(sql.BY_SEND, key).first()
        return None if row is None else Message.of(row)

    def set_waiter(self, message_id: int, waiter: str) -> None:
        """Note who waits for the reply now."""
        self._set(message_id, waiter=waiter)

    def give_up(self, message_id: int) -> None:
        """Note that the sender's time was over, so that a repeated handler sees the same."""
        self._set(message_id, gave_up=1)

    # -- the queue ---------------------------------------------------------------------------

    def claim(self, item: str, slot: str, *, replay: bool, events: bool = True) -> Message | None:
        """Take the oldest message an item may work on, or None.

        Parameters
        ----------
        item : str
            Whose queue.
        slot : str
            Who takes it.
        replay : bool
            False: a handler that was begun before gets a new run, which sees no earlier sends.
        events : bool
            The item is a process, so its queue may hold responses and timers.
        """
        query = sql.OLDEST_EVENT if events else sql.OLDEST
        while True:
            with self._database.read() as connection:
                key = {"item": item, "now": utc_now()} if events else {"item": item}
                candidate = connection.execute(query, key).scalar()
            if candidate is None:
                return None
            try:
                with self._database.write() as connection:
                    taken = _take(connection, candidate, slot, replay=replay)
            except _LostRaceError:
                continue
            if taken is not None:
                return taken

    def next_due(self, item: str) -> str | None:
        """Return the instant of an item's next timer."""
        with self._database.read() as connection:
            return connection.execute(sql.NEXT_DUE, {"item": item}).scalar()

    def requeue(self, *, slot: str | None = None, died: bool = False) -> list[int]:
        """Give back what was being worked on, by one slot or by all, to be run again.

        Parameters
        ----------
        slot : str, optional
            Only the messages of this slot.
        died : bool
            Counts a death of a process on each message.

        Returns
        -------
        list of int
            Ids of the messages, oldest first.
        """
        where: ColumnElement[bool] = m.c.status.in_((RUNNING, RETRYING))
        if slot is not None:
            where = and_(where, m.c.slot == slot)
        with self._database.write() as connection:
            rows = connection.execute(select(m.c.id, m.c.kind, m.c.process_id).where(where)).all()
            for row in rows:
                _change(connection, row.id, status=QUEUED, slot=None, held=0)
                if died:
                    death = update(m).where(m.c.id == row.id).values(deaths=m.c.deaths + 1)
                    connection.execute(death)
                if row.process_id is not None and row.kind in {RESPONSE, TIMER}:
                    _change(connection, row.process_id, held=0)
        return sorted(row.id for row in rows)

    def give_back(self, message: Message) -> None:
        """Put a message back that a slot began, unless another run has it by now."""
        with self._database.write() as connection:
            try:
                _check_still_ours(connection, message)
            except HandlerInterrupted:
                return
            _change(connection, message.id, status=QUEUED, slot=None, held=0)
            if message.process_id is not None and message.kind in {RESPONSE, TIMER}:
                _change(connection, message.process_id, held=0)

    def deaths(self, message_id: int) -> int:
        """Count the processes that died while they worked on a message."""
        with self._database.read() as connection:
            query = select(m.c.deaths).where(m.c.id == message_id)
            return int(connection.execute(query).scalar_one())

    # -- endings -----------------------------------------------------------------------------

    def end(self, message: Message, status: str, reply: Payload, failure: str = "") -> Wake:
        """End a request or an input and answer its sender."""
        with self._database.write() as connection:
            _check_still_ours(connection, message)
            wake = _answer(connection, message.id, reply, failure)
            _change(
                connection,
                message.id,
                status=status,
                failure=failure,
                ended_at=utc_now(),
                slot=None,
            )
        return wake

    def answer(self, process_id: int, event: Message, reply: Payload) -> Wake:
        """Answer the sender of a process before its end; a second answer changes nothing."""
        with self._database.write() as connection:
            _check_still_ours(connection, event)
            return _answer(connection, process_id, reply, "")

    def retry_later(self, message: Message, not_before: str, failure: str) -> None:
        """Keep a message for another run of its handler; its slot waits with it."""
        self._set_ours(
            message,
            status=RETRYING,
            not_before=not_before,
            failure=failure,
            run_number=message.run_number + 1,
        )

    def run_again(self, message: Message) -> Message:
        """Begin the next run of a message that waited for it."""
        self._set_ours(message, status=RUNNING, started_at=utc_now(), failure="")
        return self.get(message.id)

    def shelve(self, message: Message, failure: str) -> None:
        """Suspend a message that is being worked on; its sender gets no reply."""
        self._set_ours(message, status=SUSPENDED, failure=failure, slot=None)

    # -- business processes --------------------------------------------------------------------

    def outstanding(self, process_id: int, event: Message) -> tuple[int, int]:
        """Count what a process waits for at the end of an event.

        Returns
        -------
        responses : int
            Responses wanted and not handled yet, the one being handled left out.
        timers : int
            Timers which this event has set.
        """
        calls = {"process_id": process_id, "call_id": event.call_id or 0}
        timers = {"parent_id": event.id, "parent_run": event.run_number}
        with self._database.read() as connection:
            return (
                connection.execute(sql.CALLS_OUTSTANDING, calls).scalar_one(),
                connection.execute(sql.TIMERS_SET, timers).scalar_one(),
            )

    def pause_process(self, process_id: int, event: Message, draft: Payload, props: str) -> None:
        """End an event of a process that waits for more."""
        with self._database.write() as connection:
            _check_still_ours(connection, event)
            _end_event(connection, event)
            _change(
                connection,
                process_id,
                status=WAITING,
                held=0,
                slot=None,
                properties=props,
                draft_class=draft.class_name,
                draft_body=draft.content,
            )

    def end_process(
        self, process_id: int, event: Message, reply: Payload, failure: str, props: str
    ) -> Wake:
        """End an event and its process with it, and answer the sender unless that was done."""
        with self._database.write() as connection:
            _check_still_ours(connection, event)
            _end_event(connection, event)
            wake = _answer(connection, process_id, reply, failure)
            _change(
                connection,
                process_id,
                status=ERROR if failure else COMPLETED,
                failure=failure,
                held=0,
                slot=None,
                properties=props,
                ended_at=utc_now(),
            )
            connection.execute(
                update(m)
                .where(
                    m.c.process_id == process_id,
                    m.c.kind.in_((TIMER, RESPONSE)),
                    m.c.status.in_((SCHEDULED, QUEUED)),
                )
                .values(status=CANCELLED, ended_at=utc_now())
            )
        return wake

    # -- people --------------------------------------------------------------------------------

    def suspend(self, message_id: int) -> None:
        """Take a queued message out of its queue until it is resumed.

        Raises
        ------
        MessageStateError
            If it is not queued.
        """
        self._swap(message_id, QUEUED, SUSPENDED, "suspended")

    def resume(self, message_id: int) -> str:
        """Put a suspended message back into its queue; returns the item."""
        self._swap(message_id, SUSPENDED, QUEUED, "resumed")
        return self.get(message_id).target

    def resend(self, message_id: int) -> tuple[int, str]:
        """Store a copy of a request or input, as the first message of a new session.

        Returns
        -------
        new_id : int
            Id, and session, of the copy.
        target : str
            Item it was queued for.
        """
        old = self.get(message_id)
        if old.kind not in {REQUEST, INPUT}:
            raise MessageStateError(
                f"Message {message_id} is a {old.kind}; only requests and inputs can be resent. "
                f"Resend message {old.process_id}, the process it belongs to."
            )
        send = Send(
            kind=old.kind,
            source=old.source,
            target=old.target,
            payload=old.payload,
            description=old.description,
            resent_from=old.id,
        )
        return self.put(send), old.target

    def _swap(self, message_id: int, expected: str, status: str, wish: str) -> None:
        change = (
            update(m)
            .where(m.c.id == message_id, m.c.status == expected)
            .values(status=status, slot=None, deaths=0)
        )
        with self._database.write() as connection:
            changed = connection.execute(change).rowcount
        if not changed:
            raise MessageStateError(
                f"Message {message_id} is {self.get(message_id).status}; only a message that is "
                f"{expected} can be {wish}."
            )

    def _set_ours(self, message: Message, **values: Any) -> None:
        with self._database.write() as connection:
            _check_still_ours(connection, message)
            _change(connection, message.id, **values)

    def _set(self, message_id: int, **values: Any) -> None:
        with self._database.write() as connection:
            _change(connection, message_id, **values)


def _insert(connection: Connection, send: Send) -> int:
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
        "digest": send.payload.digest,
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
        _change(connection, message_id, session_id=message_id)
    return message_id


def _change(connection: Connection, message_id: int, **values: Any) -> None:
    parameters = {f"new_{name}": value for name, value in values.items()}
    connection.execute(sql.update_of(tuple(values)), {"message_id": message_id, **parameters})


def _take(connection: Connection, message_id: int, slot: str, *, replay: bool) -> Message | None:
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
        raise _LostRaceError
    if row.kind in {RESPONSE, TIMER}:
        process = {"message_id": row.process_id}
        if not connection.execute(sql.HOLD_PROCESS, process).rowcount:
            if connection.execute(sql.STATUS, process).scalar() not in ENDED:
                raise _LostRaceError
            _change(connection, message_id, status=CANCELLED, ended_at=now, slot=None)
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


def _check_still_ours(connection: Connection, message: Message) -> None:
    """Refuse what a handler says after its message was given to another run.

    Every claim counts ``starts`` up, so the number is a fencing token: a slot that was given up
    (a stop that did not wait, a lease that went to another host) cannot write any more.
    """
    row = connection.execute(sql.FENCE, {"message_id": message.id}).first()
    if row is None or row.starts != message.starts or row.status not in {RUNNING, RETRYING}:
        raise HandlerInterrupted


def _end_event(connection: Connection, event: Message) -> None:
    if event.kind == REQUEST:
        return
    _change(connection, event.id, status=COMPLETED, ended_at=utc_now(), slot=None)
    if event.call_id is not None:
        _change(connection, event.call_id, delivered=1)


def _answer(connection: Connection, message_id: int, reply: Payload, failure: str) -> Wake:
    row = connection.execute(sql.BY_ID, {"message_id": message_id}).one()
    if row.answered:
        return Wake()
    _change(
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
    _insert(
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
