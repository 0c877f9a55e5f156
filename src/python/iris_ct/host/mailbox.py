"""The life of a message in the store: put, claimed, answered, ended, run again.

Every public method is one short transaction, so a process may be killed between any two of them.
All changes of state say which state they expect: of two slots that want one message, one gets it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, select, update
from sqlalchemy.sql.elements import ColumnElement

from iris_ct.host import statements as sql
from iris_ct.host.bodies import Payload
from iris_ct.host.database import Database, utc_now
from iris_ct.host.errors import HandlerInterrupted, MessageStateError
from iris_ct.host.records import (
    CANCELLED,
    COMPLETED,
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
from iris_ct.host.transitions import (
    LostRaceError,
    Wake,
    answer,
    change,
    check_still_ours,
    end_event,
    insert,
    take,
)


class Mailbox:
    """Messages of one store. Used by any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, send: Send) -> int:
        """Store a message in the queue of its target and return its id."""
        with self._database.write() as connection:
            return insert(connection, send)

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
                    taken = take(connection, candidate, slot, replay=replay)
            except LostRaceError:
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
                change(connection, row.id, status=QUEUED, slot=None, held=0)
                if died:
                    death = update(m).where(m.c.id == row.id).values(deaths=m.c.deaths + 1)
                    connection.execute(death)
                if row.process_id is not None and row.kind in {RESPONSE, TIMER}:
                    change(connection, row.process_id, held=0)
        return sorted(row.id for row in rows)

    def give_back(self, message: Message) -> None:
        """Put a message back that a slot began, unless another run has it by now."""
        with self._database.write() as connection:
            try:
                check_still_ours(connection, message)
            except HandlerInterrupted:
                return
            change(connection, message.id, status=QUEUED, slot=None, held=0)
            if message.process_id is not None and message.kind in {RESPONSE, TIMER}:
                change(connection, message.process_id, held=0)

    def deaths(self, message_id: int) -> int:
        """Count the processes that died while they worked on a message."""
        with self._database.read() as connection:
            query = select(m.c.deaths).where(m.c.id == message_id)
            return int(connection.execute(query).scalar_one())

    # -- endings -----------------------------------------------------------------------------

    def end(self, message: Message, status: str, reply: Payload, failure: str = "") -> Wake:
        """End a request or an input and answer its sender."""
        with self._database.write() as connection:
            check_still_ours(connection, message)
            wake = answer(connection, message.id, reply, failure)
            change(
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
            check_still_ours(connection, event)
            return answer(connection, process_id, reply, "")

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
            check_still_ours(connection, event)
            end_event(connection, event)
            change(
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
            check_still_ours(connection, event)
            end_event(connection, event)
            wake = answer(connection, process_id, reply, failure)
            change(
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
            check_still_ours(connection, message)
            change(connection, message.id, **values)

    def _set(self, message_id: int, **values: Any) -> None:
        with self._database.write() as connection:
            change(connection, message_id, **values)
