"""What one process of the host shares between its slots: plan, store, signals, routes.

In the default mode there is one node; in strict mode there is one per slot and one in the
supervisor. A node knows how to wake whoever must look into the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from iris_ct.host.bodies import NativeBody, to_payload
from iris_ct.host.database import Database, utc_now
from iris_ct.host.errors import (
    HandlerInterrupted,
    RequestFailedError,
    RequestTimeoutError,
    TargetUnknownError,
)
from iris_ct.host.journal import Journal
from iris_ct.host.mailbox import Mailbox
from iris_ct.host.plan import HostPlan, ItemSpec
from iris_ct.host.records import REQUEST, Message, Send
from iris_ct.host.runtime import LOG_WARNING
from iris_ct.host.signals import Signals, ring
from iris_ct.host.tables import item
from iris_ct.host.transitions import Wake

# Severity (IRIS: -1 debug, 0 info, 1 warning, 2 severe, 3 fatal), text, event name.
Console = Callable[[int, str, str], None]

HOST_ADDRESS = "host"

_logger = logging.getLogger(__name__)

# How long a waiter trusts that it was rung; only a lost ring ever costs this much.
PATIENCE_S = 5.0

# Rung instead of an item's name.
_ENABLED_CHANGED = "\tenabled"

_CONSOLE_LEVELS = {-2: 10, -1: 10, 0: 20, 1: 30, 2: 40, 3: 50}


def log_console_line(severity: int, content: str, event_name: str) -> None:
    """Write a console line by Python's own logging, for hosts that were given no console."""
    level = _CONSOLE_LEVELS.get(severity, logging.INFO)
    logging.getLogger("iris_ct.host.console").log(level, "[%s] %s", event_name, content)


class Node:
    """Shared parts of the slots of one process. Its methods may be called from any thread.

    Attributes
    ----------
    address : str
        Name under which this process is rung: ``host``, or its slot's in strict mode.
    draining : threading.Event
        Set when services must not begin anything new.
    stopping : threading.Event
        Set when handlers must not go on; waits are interrupted.
    """

    def __init__(
        self,
        plan: HostPlan,
        database: Database,
        *,
        replay: bool,
        address: str,
        bells: Path,
        processes: bool,
        console: Console,
    ) -> None:
        self.plan = plan
        self.database = database
        self.mailbox = Mailbox(database)
        self.journal = Journal(database)
        self.replay = replay
        self.address = address
        self._console = console
        self.signals = Signals()
        self.draining = threading.Event()
        self.stopping = threading.Event()
        self._disabled = {s.name for s in plan.items.values() if not s.enabled}
        self._bells = bells
        self._processes = processes

    # -- wake-ups ------------------------------------------------------------------------------

    def ring_item(self, name: str) -> None:
        """Wake the slots of an item: its queue has something."""
        if not self._processes:
            self.signals.get(queue_signal(name)).ring()
            return
        spec = self.plan.items.get(name)
        for slot in spec.slots if spec else ():
            self.ring_address(slot)

    def ring_address(self, address: str) -> None:
        """Wake whoever waits in the process of an address."""
        if not self._processes:
            self.signals.get(address).ring()
        elif address == self.address:
            self.signals.ring_all()
        else:
            ring(bell_path(self._bells, address), "")

    def answer_bell(self, words: list[str]) -> None:
        """Pass on what other processes rang; a word is the name of an item or empty."""
        if _ENABLED_CHANGED in words:
            self.read_enabled()
            self.signals.ring_all()
        if "" in words or self.address != HOST_ADDRESS:
            self.signals.ring_all()
        for name in set(words) - {"", _ENABLED_CHANGED}:
            self.ring_item(name)
            self.signals.get(HOST_ADDRESS).ring()

    def interrupt(self) -> None:
        """Stop all handlers of this process at their next wait or send."""
        self.stopping.set()
        self.signals.ring_all()

    # -- items ---------------------------------------------------------------------------------

    def is_on(self, spec: ItemSpec) -> bool:
        """Say whether an item works now: enabled, and within its schedule."""
        if spec.name in self._disabled:
            return False
        # Schedules are written in the local time of the machine, as on IRIS.
        return not spec.schedule.switches or spec.schedule.is_active(datetime.now().astimezone())

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Switch an item on or off, in all processes, until the host ends."""
        with self.database.write() as connection:
            change = item.update().where(item.c.name == name).values(enabled=int(enabled))
            connection.execute(change)
        self.read_enabled()
        if self._processes:
            spec = self.plan.items[name]
            for address in (HOST_ADDRESS, *spec.slots):
                if address != self.address:
                    ring(bell_path(self._bells, address), _ENABLED_CHANGED)
        self.ring_item(name)

    def read_enabled(self) -> None:
        """Read which items are off."""
        query = select(item.c.name).where(item.c.enabled == 0)
        with self.database.read() as connection:
            self._disabled = set(connection.execute(query).scalars())

    # -- messages --------------------------------------------------------------------------------

    def check_target(self, name: str) -> ItemSpec:
        """Return the item a request may be sent to.

        Raises
        ------
        TargetUnknownError
            If there is no such item, or it is a service.
        """
        spec = self.plan.items.get(name)
        if spec is None or spec.kind == "service":
            takers = sorted(s.name for s in self.plan.items.values() if s.kind != "service")
            what = "no item" if spec is None else "a service, which takes no requests"
            raise TargetUnknownError(
                f"Target {name!r} is {what} of production {self.plan.production_name!r}. "
                f"Expected one of: {', '.join(takers)}."
            )
        return spec

    def post(self, send: Send) -> int:
        """Store a message and wake its target."""
        message_id = self.mailbox.put(send)
        self.ring_item(send.target)
        return message_id

    def wait_reply(self, message_id: int, waiter: str, timeout_s: float) -> Message:
        """Wait until a message is answered.

        Parameters
        ----------
        timeout_s : float
            Seconds; negative waits for ever.

        Raises
        ------
        RequestTimeoutError
            If the time is over first.
        RequestFailedError
            If the target ended with an error.
        HandlerInterrupted
            If the host stops.
        """
        signal = self.signals.get(waiter)
        deadline = None if timeout_s < 0 else time.monotonic() + timeout_s
        while True:
            seen = signal.count
            if self.stopping.is_set():
                raise HandlerInterrupted
            message = self.mailbox.get(message_id)
            if message.answered:
                return reply_or_raise(message)
            left_s = PATIENCE_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise RequestTimeoutError(
                    f"No reply to message {message_id} from {message.target!r} within "
                    f"{timeout_s:g} s; it is {message.status}."
                )
            signal.wait(seen, min(left_s, PATIENCE_S))

    def wake(self, wake: Wake) -> None:
        """Wake all whom the end of a message concerns."""
        for name in wake.items:
            self.ring_item(name)
        if wake.waiter and wake.waiter != HOST_ADDRESS:
            self.ring_address(wake.waiter)
        self.ring_address(HOST_ADDRESS)

    # -- log and alerts ----------------------------------------------------------------------------

    def warn(self, content: str, *, item_name: str = "", severity: int = LOG_WARNING) -> None:
        """Write an entry of the host itself into the event log."""
        self.journal.log(severity, content, item=item_name, source_class="iris_ct.host")

    def alert(self, content: str, *, item_name: str, message: Message | None) -> None:
        """Send an alert to the item for alerts, if the production has one."""
        target = self.plan.alert_target
        if target is None or target == item_name:
            return
        body = NativeBody(
            "Ens.AlertRequest",
            {
                "SourceConfigName": item_name,
                "AlertText": content,
                "AlertTime": utc_now(),
                "SessionId": "" if message is None else str(message.session_id),
                "AlertDestination": "",
            },
        )
        self.post(
            Send(
                kind=REQUEST,
                source=item_name,
                target=target,
                payload=to_payload(body),
                session_id=None if message is None else message.session_id,
                description="alert",
            )
        )

    # As a sink, for threads of components that run no handler.

    def log(self, severity: int, source_class: str, source_method: str, content: str) -> None:
        """Write an entry of a component whose handler is not known."""
        self.journal.log(severity, content, source_class=source_class, source_method=source_method)

    def write_console(self, severity: int, content: str, event_name: str) -> None:
        """Write a line of the console log; one that cannot be written fails no message."""
        try:
            self._console(severity, content, event_name)
        except Exception:
            _logger.exception("The console refused a line of event %s.", event_name)


def reply_or_raise(message: Message) -> Message:
    """Return an answered message, or raise its error."""
    if message.failure:
        raise RequestFailedError(
            f"Message {message.id} to {message.target!r} failed: {message.failure}",
            message.failure,
        )
    return message


def queue_signal(item: str) -> str:
    """Return the name of the signal that an item's slots wait on."""
    return f"queue of {item}"


def bell_path(bells: Path, address: str) -> Path:
    """Return the pipe of an address; item names may hold characters that file names may not."""
    return bells / "".join(c if c.isalnum() or c in "._-#" else f"%{ord(c):x}" for c in address)
