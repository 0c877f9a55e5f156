"""All slots as threads of this process: the default way to run the items."""

from __future__ import annotations

import threading
import time

from iris_ct.host.component import describe
from iris_ct.host.errors import ComponentStartError
from iris_ct.host.node import Node
from iris_ct.host.runtime import LOG_ERROR
from iris_ct.host.slot import Slot

# A handler that was interrupted unwinds at its next wait or send; most do at once.
_UNWIND_S = 5.0


class ThreadPool:
    """The slots of all items. Started and stopped by the host, once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._go = threading.Event()
        self._slots = [
            Slot(node, spec, address)
            for spec in node.plan.items.values()
            for address in spec.slots
        ]
        self._threads = [
            threading.Thread(
                target=slot.run, args=(self._go,), name=f"host-{slot.address}", daemon=True
            )
            for slot in self._slots
        ]

    def start(self) -> None:
        """Open all components, then let all slots work.

        Raises
        ------
        ComponentStartError
            If any ``on_init`` failed; nothing was worked on.
        """
        for thread in self._threads:
            thread.start()
        for slot in self._slots:
            slot.opened.wait()
        failed = [s for s in self._slots if s.failure is not None]
        if failed:
            lines = "".join(
                f"\n  - {s.address}: {describe(s.failure)}" for s in failed if s.failure
            )
            raise ComponentStartError(f"Components failed to start:{lines}")
        self._go.set()

    def drain(self) -> None:
        """Let services begin nothing new."""
        self._node.draining.set()

    def stop(self) -> None:
        """End all slots; a handler that does not unwind is left behind and cannot write."""
        self._node.interrupt()
        self._go.set()
        deadline = time.monotonic() + _UNWIND_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        for slot, thread in zip(self._slots, self._threads, strict=True):
            if thread.is_alive():
                self._node.warn(
                    "The host stopped while a handler was running on; its message is kept and "
                    "will be run again.",
                    item_name=slot.spec.name,
                    severity=LOG_ERROR,
                )
