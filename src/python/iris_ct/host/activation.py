"""One run of one handler: numbers its sends, repeats them after a crash, and takes its log."""

from __future__ import annotations

import threading
from dataclasses import replace

from iris_ct.host.bodies import Payload
from iris_ct.host.errors import HandlerInterrupted, ReplayMismatchError, RequestTimeoutError
from iris_ct.host.node import Node
from iris_ct.host.plan import ItemSpec
from iris_ct.host.records import REQUEST, TIMER, Message, Send
from iris_ct.host.runtime import LOG_ALERT


class Activation:
    """What a handle and the log need to know while a handler runs.

    Parameters
    ----------
    node : Node
        The process.
    spec : ItemSpec
        The item whose handler runs.
    slot : str
        Address of the slot that runs it.
    message : Message or None
        What is being handled; None for a poll or a start, whose sends begin sessions.
    """

    def __init__(self, node: Node, spec: ItemSpec, slot: str, message: Message | None) -> None:
        self.node = node
        self.spec = spec
        self.slot = slot
        self.message = message
        self.session_id = None if message is None else message.session_id
        # The host stopped while this handler waited or sent: whatever it returns or raises now is
        # not what it would have said, so it counts for nothing.
        self.interrupted = False
        self._lock = threading.Lock()
        self._sends = 0

    def request(
        self,
        target: str,
        payload: Payload,
        *,
        description: str | None,
        process_id: int | None = None,
        wants_response: bool = False,
        completion_key: str | None = None,
        waiter: str | None = None,
    ) -> int:
        """Send a request, or find the one a crashed run of this handler has sent; its id."""
        self.node.check_target(target)
        send = Send(
            kind=REQUEST,
            source=self.spec.name,
            target=target,
            payload=payload,
            process_id=process_id,
            wants_response=wants_response,
            completion_key=completion_key,
            description=description,
            waiter=waiter,
        )
        return self._send(send)

    def timer(self, process_id: int, not_before: str, completion_key: str | None) -> int:
        """Set a timer of a process, or find the one a crashed run has set; its id."""
        send = Send(
            kind=TIMER,
            source=self.spec.name,
            target=self.spec.name,
            payload=Payload(),
            process_id=process_id,
            completion_key=completion_key,
            not_before=not_before,
        )
        return self._send(send)

    def wait(self, message_id: int, timeout_s: float) -> Message:
        """Wait for the reply to a request of this handler.

        A wait that was given up before a crash is given up again at once.
        """
        if self.message is not None and self.message.starts > 1:
            self._wait_again(message_id)
        try:
            return self.node.wait_reply(message_id, self.slot, timeout_s)
        except RequestTimeoutError:
            self.node.mailbox.give_up(message_id)
            raise
        except HandlerInterrupted:
            self.interrupted = True
            raise

    def must_stop(self) -> bool:
        """Say whether the host stops, and note that the handler was told."""
        self.interrupted = self.interrupted or self.node.stopping.is_set()
        return self.interrupted

    def check_uninterrupted(self) -> None:
        """Refuse the outcome of a handler that was interrupted, however it took that."""
        if self.interrupted:
            raise HandlerInterrupted

    def _wait_again(self, message_id: int) -> None:
        message = self.node.mailbox.get(message_id)
        if message.gave_up:
            raise RequestTimeoutError(
                f"No reply to message {message_id} from {message.target!r} in time, as before "
                "this handler was interrupted."
            )
        if not message.answered and message.waiter != self.slot:
            self.node.mailbox.set_waiter(message_id, self.slot)

    def _send(self, send: Send) -> int:
        if self.must_stop():
            raise HandlerInterrupted
        message = self.message
        with self._lock:
            if message is None:
                message_id = self.node.post(_with(send, session_id=self.session_id))
                self.session_id = self.session_id or message_id
                return message_id
            self._sends += 1
            seq = self._sends
        if message.starts > 1 and self.node.replay:
            earlier = self.node.mailbox.find_send(message.id, message.run_number, seq)
            if earlier is not None:
                _check_same(message, seq, earlier, send)
                return earlier.id
        return self.node.post(
            _with(
                send,
                session_id=message.session_id,
                parent_id=message.id,
                parent_run=message.run_number,
                seq=seq,
            )
        )

    # -- LogSink ---------------------------------------------------------------------------------

    def log(self, severity: int, source_class: str, source_method: str, content: str) -> None:
        """Write an entry of the component into the event log; alerts are sent on."""
        self.node.journal.log(
            severity,
            content,
            item=self.spec.name,
            session_id=self.session_id,
            message_id=None if self.message is None else self.message.id,
            source_class=source_class,
            source_method=source_method,
        )
        if severity == LOG_ALERT:
            self.node.alert(content, item_name=self.spec.name, message=self.message)

    def write_console(self, severity: int, content: str, event_name: str) -> None:
        """Write a line of the console log."""
        self.node.write_console(severity, content, event_name)


def _with(
    send: Send,
    *,
    session_id: int | None,
    parent_id: int | None = None,
    parent_run: int | None = None,
    seq: int | None = None,
) -> Send:
    return replace(
        send, session_id=session_id, parent_id=parent_id, parent_run=parent_run, seq=seq
    )


def _check_same(message: Message, seq: int, earlier: Message, send: Send) -> None:
    expected = (earlier.kind, earlier.target, earlier.payload)
    if expected == (send.kind, send.target, send.payload):
        return
    raise ReplayMismatchError(
        f"The handler of message {message.id} at {message.target!r} was interrupted and is run "
        f"again, but does not repeat itself. Its send number {seq} was a {earlier.kind} "
        f"{earlier.payload.class_name or '(no body)'} to {earlier.target!r} (message "
        f"{earlier.id}) and is now a {send.kind} {send.payload.class_name or '(no body)'} to "
        f"{send.target!r}"
        + (" with another content" if expected[:2] == (send.kind, send.target) else "")
        + ". Take times, random numbers and anything else that changes from the message or from "
        "a reply, and resend the message."
    )
