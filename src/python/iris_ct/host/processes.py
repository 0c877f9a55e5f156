"""Strict mode: every slot in an operating-system process of its own, as on IRIS.

A thread per slot has the process forked, waits for its end, and has it forked again when it dies.
A process dies with its host: by the kernel (``PR_SET_PDEATHSIG``) and by the end of its orders.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

from iris_ct.host.database import Synchronous
from iris_ct.host.errors import ComponentStartError, MessageStateError
from iris_ct.host.node import Node
from iris_ct.host.nursery import Child, Nursery
from iris_ct.host.plan import ItemSpec
from iris_ct.host.runtime import LOG_ERROR

_logger = logging.getLogger(__name__)

# A handler that was interrupted unwinds at its next wait or send; then its process is killed.
_UNWIND_S = 5.0
# A message that was being worked on at the death of so many processes is suspended: it is more
# likely their killer than their victim.
MAX_DEATHS = 5
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 30.0
# A process that lived so long did not die of its start.
_SETTLED_S = 10.0


@dataclass(frozen=True)
class WorkerSettings:
    """What all workers need to know, as plain values.

    They travel through a socket, not the command line, where a password would be seen.
    """

    store_url: str
    bells: str
    replay: bool
    synchronous: Synchronous


class ProcessPool:
    """The slots of all items as processes. Started and stopped by the host, once."""

    def __init__(self, node: Node, nursery: Nursery, settings: WorkerSettings) -> None:
        self._nursery = nursery
        self._workers = [
            _Worker(node, spec, address, settings, self._nursery)
            for spec in node.plan.items.values()
            for address in spec.slots
        ]
        self._node = node

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers by slot address."""
        return {w.address: w.pid for w in self._workers if w.pid}

    def start(self) -> None:
        """Start all processes; let them work when all have opened their component.

        Raises
        ------
        ComponentStartError
            If any could not; nothing was worked on.
        """
        for worker in self._workers:
            worker.start()
        for worker in self._workers:
            worker.reported.wait()
        failed = [w for w in self._workers if w.failure]
        if failed:
            lines = "".join(f"\n  - {w.address}: {w.failure}" for w in failed)
            raise ComponentStartError(f"Components failed to start:{lines}")
        for worker in self._workers:
            worker.let_go()

    def drain(self) -> None:
        """Let services begin nothing new."""
        for worker in self._workers:
            worker.tell("drain")

    def stop(self) -> None:
        """End all processes; those that do not end in time are killed."""
        self._node.interrupt()
        for worker in self._workers:
            worker.stop()
        deadline = time.monotonic() + _UNWIND_S
        for worker in self._workers:
            worker.join(deadline)
        self._nursery.close()


class _Worker:
    """Keeps the process of one slot alive."""

    def __init__(
        self,
        node: Node,
        spec: ItemSpec,
        address: str,
        settings: WorkerSettings,
        nursery: Nursery,
    ) -> None:
        self._nursery = nursery
        self.address = address
        self.reported = threading.Event()
        self.failure = ""
        self._node = node
        self._spec = spec
        self._settings = settings
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._going = False
        self._child: Child | None = None
        self._orders: IO[str] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"host-{address}", daemon=True)

    @property
    def pid(self) -> int:
        """Number of the running process, 0 without one."""
        child = self._child
        return child.pid if child is not None else 0

    def start(self) -> None:
        self._thread.start()

    def let_go(self) -> None:
        with self._lock:
            self._going = True
        self.tell("go")

    def tell(self, word: str) -> None:
        # A process that is dying reads no more; its successor is told when it starts.
        with self._lock, suppress(OSError):
            if self._orders is not None:
                self._orders.write(f"{word}\n")
                self._orders.flush()

    def stop(self) -> None:
        self._stopping.set()
        self.tell("stop")

    def join(self, deadline: float) -> None:
        if self._thread.ident is None:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        child = self._child
        if self._thread.is_alive() and child is not None:
            self._node.warn(
                "The host stopped while a handler was running on; its process was killed, its "
                "message is kept and will be run again.",
                item_name=self._spec.name,
                severity=LOG_ERROR,
            )
            child.kill()
        self._thread.join()

    # -- in the thread ---------------------------------------------------------------------------

    def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if not self.reported.is_set():
                self.failure = self.failure or f"its process ended with code {code}"
            self.reported.set()
            if self._stopping.is_set() or not self._going:
                return
            if time.monotonic() - began > _SETTLED_S:
                pause_s = _FIRST_PAUSE_S
            self._after_death(code)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def _run_once(self) -> int:
        """Have a process forked and wait for its end; returns its exit code."""
        reader, writer = os.pipe()
        orders_reader, orders_writer = os.pipe()
        settings = asdict(self._settings) | {"slot": self.address, "item": self._spec.name}
        try:
            child = self._nursery.fork(settings, orders_reader, writer)
        except ComponentStartError as error:
            self.failure = str(error)
            os.close(reader)
            os.close(orders_writer)
            return 1
        finally:
            os.close(writer)
            os.close(orders_reader)
        with self._lock:
            self._child, self._orders = child, os.fdopen(orders_writer, "w")
        if self._going:
            self.tell("go")
        if self._stopping.is_set():
            self.tell("stop")
        reports = threading.Thread(
            target=self._read_reports, args=(os.fdopen(reader),), daemon=True
        )
        reports.start()
        code = child.wait()
        # What it wrote last is still in the pipe; a grandchild may hold that open, so not for ever.
        reports.join(_UNWIND_S)
        with self._lock:
            self._child = None
            with suppress(OSError):
                self._orders.close()
            self._orders = None
        return code

    def _read_reports(self, reports: IO[str]) -> None:
        with reports:
            for line in reports:
                try:
                    self._take(json.loads(line))
                except ValueError:
                    _logger.warning("A report of slot %s was cut off.", self.address)

    def _take(self, report: dict[str, Any]) -> None:
        if "console" in report:
            severity, content, event_name = report["console"]
            self._node.write_console(int(severity), str(content), str(event_name))
        elif "opened" in report:
            self.failure = str(report["opened"])
            self.reported.set()

    def _after_death(self, code: int) -> None:
        node = self._node
        lost = node.mailbox.requeue(slot=self.address, died=True)
        node.warn(
            f"Process of slot {self.address} ended with code {code} and is started again"
            + (f"; message {lost[0]} goes back to its queue." if lost else "."),
            item_name=self._spec.name,
            severity=LOG_ERROR,
        )
        for message_id in lost:
            if node.mailbox.deaths(message_id) >= MAX_DEATHS:
                self._shelve(message_id)
        node.ring_item(self._spec.name)

    def _shelve(self, message_id: int) -> None:
        node = self._node
        with suppress(MessageStateError):
            node.mailbox.suspend(message_id)
            node.warn(
                f"Message {message_id} was being worked on when {MAX_DEATHS} processes died. It "
                "is suspended; find the cause, then resume it.",
                item_name=self._spec.name,
                severity=LOG_ERROR,
            )
            if self._spec.alert_on_error:
                message = node.mailbox.get(message_id)
                node.alert(
                    "a message kills its process", item_name=self._spec.name, message=message
                )
