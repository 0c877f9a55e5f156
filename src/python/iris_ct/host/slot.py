"""One place of an item's pool: takes messages from the queue, one after the other.

A slot is a thread in the default mode and a process in strict mode; the code is the same.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime

from iris_ct.host.actions import decide
from iris_ct.host.activation import Activation
from iris_ct.host.bodies import Payload
from iris_ct.host.component import Component, describe, log_failure, logging_to
from iris_ct.host.database import to_text
from iris_ct.host.errors import HandlerInterrupted, HostStoppedError, ReplayMismatchError
from iris_ct.host.events import run_event
from iris_ct.host.foreign import Foreign
from iris_ct.host.handles import SlotHandle
from iris_ct.host.node import PATIENCE_S, Node, queue_signal
from iris_ct.host.plan import ItemSpec
from iris_ct.host.records import COMPLETED, ERROR, INPUT, Message
from iris_ct.host.runtime import LOG_WARNING

_logger = logging.getLogger(__name__)

# How often a slot with a schedule looks at the clock.
_SCHEDULE_CHECK_S = 1.0
# Pause after a failure of the host itself, doubled up to the last.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 30.0


class Slot:
    """Works for one item until the node stops. `run` belongs to one thread."""

    def __init__(self, node: Node, spec: ItemSpec, address: str) -> None:
        self.node = node
        self.spec = spec
        self.address = address
        self.opened = threading.Event()
        self.failure: BaseException | None = None
        self._signal = node.signals.get(queue_signal(spec.name))
        self._component: Component | None = None
        self._next_poll = 0.0
        self._poll_failure = ""
        # Begun, and neither ended nor given back, because the host itself failed.
        self._unfinished: Message | None = None

    def run(self, go: threading.Event) -> None:
        """Open the component, wait for ``go``, work, close it."""
        try:
            with Foreign() as call:
                self._open()
            self.failure = call.error
        except HandlerInterrupted:
            return
        finally:
            self.opened.set()
        if self.failure is not None:
            # Told by whoever waits for `opened`.
            return
        while not go.wait(PATIENCE_S) and not self._over():
            pass
        if self._work() and self._component is not None:
            with logging_to(self._component.handle.activation):
                self._component.close()

    # -- loop ----------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.spec.kind == "process":
            return
        activation = Activation(self.node, self.spec, self.address, None)
        component = Component(self.spec, SlotHandle(activation))
        with logging_to(activation):
            component.open()
        self._component = component

    def _over(self) -> bool:
        return self.node.stopping.is_set()

    def _work(self) -> bool:
        """Work until the end; False when the host is gone by then."""
        pause_s = _FIRST_PAUSE_S
        while not self._over():
            try:
                self._work_once()
                pause_s = _FIRST_PAUSE_S
            except HandlerInterrupted:
                continue
            except HostStoppedError:
                # This handler has outlived its host; nothing of it may be written any more.
                return False
            except Exception:
                # The store is away, or the host has a defect; neither may end the slot silently.
                _logger.exception(
                    "Slot %s cannot work; it tries again in %.1f s.", self.address, pause_s
                )
                self.node.stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LAST_PAUSE_S)
        return True

    def _work_once(self) -> None:
        seen = self._signal.count
        if not self.node.is_on(self.spec):
            self._signal.wait(
                seen, _SCHEDULE_CHECK_S if self.spec.schedule.switches else PATIENCE_S
            )
            return
        if self._unfinished is not None:
            self.node.mailbox.give_back(self._unfinished)
            self._unfinished = None
        message = self.node.mailbox.claim(
            self.spec.name,
            self.address,
            replay=self.node.replay,
            events=self.spec.kind == "process",
        )
        if message is not None and not self.node.is_on(self.spec):
            # Switched off between the look and the claim.
            self.node.mailbox.give_back(message)
        elif message is not None:
            self._handle(message)
        elif self._poll_is_due():
            self._poll()
        else:
            self._signal.wait(seen, self._rest_s())

    def _rest_s(self) -> float:
        rest_s = _SCHEDULE_CHECK_S if self.spec.schedule.switches else PATIENCE_S
        if self.spec.polls and not self.node.draining.is_set():
            rest_s = min(rest_s, self._next_poll - time.monotonic())
        if self.spec.kind == "process":
            due = self.node.mailbox.next_due(self.spec.name)
            if due is not None:
                rest_s = min(rest_s, _seconds_until(due))
        return rest_s

    # -- polls ---------------------------------------------------------------------------------

    def _poll_is_due(self) -> bool:
        return (
            self.spec.polls
            and not self.node.draining.is_set()
            and time.monotonic() >= self._next_poll
        )

    def _poll(self) -> None:
        component = self._started()
        activation = component.handle.activation = Activation(
            self.node, self.spec, self.address, None
        )
        wait = True
        with logging_to(activation):
            with Foreign() as call:
                wait = component.poll()
            if call.error is None:
                self._poll_failure = ""
            else:
                self._after_poll_error(activation, call.error)
        self._next_poll = time.monotonic() + (self.spec.call_interval_s if wait else 0.0)

    def _after_poll_error(self, activation: Activation, error: BaseException) -> None:
        """Log each error; raise one alert for a row of equal ones, however often it polls."""
        failure = describe(error)
        if failure == self._poll_failure:
            log_failure(activation, error)
            return
        self._poll_failure = failure
        self._report(activation, error)

    # -- messages --------------------------------------------------------------------------------

    def _handle(self, message: Message) -> None:
        try:
            if self.spec.kind == "process":
                run_event(self.node, self.spec, self.address, message)
            else:
                self._handle_until_done(message)
        except HandlerInterrupted:
            self.node.mailbox.give_back(message)
            raise
        except Exception:
            self._unfinished = message
            raise

    def _handle_until_done(self, message: Message) -> None:
        """Run a service's input or an operation's request, again after each error to retry."""
        current: Message | None = self._wait_until_due(message)
        while current is not None:
            current = self._attempt(current)

    def _attempt(self, message: Message) -> Message | None:
        component = self._started()
        activation = component.handle.activation = Activation(
            self.node, self.spec, self.address, message
        )
        with logging_to(activation):
            with Foreign() as call:
                if message.kind == INPUT:
                    reply = component.process_input(message.payload, message.id)
                else:
                    reply = component.handle_message(message.payload, message.id)
            activation.check_uninterrupted()
            if call.error is not None:
                return self._after_error(activation, message, call.error)
        self.node.wake(self.node.mailbox.end(message, COMPLETED, reply))
        return None

    def _after_error(
        self, activation: Activation, message: Message, error: BaseException
    ) -> Message | None:
        failure = describe(error)
        # Another try would not cure a handler that does not repeat itself, only double its sends.
        may_retry = self._may_retry(message) and not isinstance(error, ReplayMismatchError)
        rules = self.spec.reply_actions if self.spec.kind == "operation" else ()
        verdict = decide(rules, failure, may_retry=may_retry)
        mailbox = self.node.mailbox
        if verdict.outcome == "retry":
            log_failure(activation, error, LOG_WARNING)
            mailbox.retry_later(message, _instant_in(self.spec.retry_interval_s), failure)
            return self._wait_until_due(mailbox.get(message.id))
        self._report(activation, error, message)
        if verdict.outcome == "suspended":
            mailbox.shelve(message, failure)
        else:
            completed = verdict.outcome == COMPLETED
            self.node.wake(
                mailbox.end(
                    message,
                    COMPLETED if completed else ERROR,
                    Payload(),
                    "" if completed else failure,
                )
            )
        if verdict.disable:
            self.node.set_enabled(self.spec.name, enabled=False)
            self.node.warn(
                "The item was disabled by its ReplyCodeActions.", item_name=self.spec.name
            )
        return None

    def _may_retry(self, message: Message) -> bool:
        if self.spec.failure_timeout_s < 0 or message.first_started_at is None:
            return True
        elapsed_s = -_seconds_until(message.first_started_at)
        return elapsed_s + self.spec.retry_interval_s <= self.spec.failure_timeout_s

    def _wait_until_due(self, message: Message) -> Message:
        """Keep the slot, and so the order of the queue, until a message may be tried again."""
        if message.not_before is None:
            return message
        while (left_s := _seconds_until(message.not_before)) > 0:
            if self.node.stopping.wait(left_s):
                raise HandlerInterrupted
        return self.node.mailbox.run_again(message)

    def _report(
        self, activation: Activation, error: BaseException, message: Message | None = None
    ) -> None:
        log_failure(activation, error)
        if self.spec.alert_on_error:
            self.node.alert(describe(error), item_name=self.spec.name, message=message)

    def _started(self) -> Component:
        if self._component is None:
            raise RuntimeError(f"Slot {self.address} works before it was opened.")
        return self._component


def _instant_in(seconds: float) -> str:
    return to_text(datetime.fromtimestamp(time.time() + seconds, UTC))


def _seconds_until(instant: str) -> float:
    return (datetime.fromisoformat(instant) - datetime.now(UTC)).total_seconds()
