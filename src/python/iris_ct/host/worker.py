"""The process of one slot in strict mode, forked from the nursery."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

from iris_ct.host.component import describe
from iris_ct.host.database import Database
from iris_ct.host.node import Node, bell_path
from iris_ct.host.plan import HostPlan
from iris_ct.host.runtime import bound
from iris_ct.host.signals import Doorbell
from iris_ct.host.slot import Slot

# <sys/prctl.h>: the signal this process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


class _Reports:
    """Lines of JSON to the supervisor: that the component opened, and console lines."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def opened(self, failure: str) -> None:
        self._write({"opened": failure})

    def console(self, severity: int, content: str, event_name: str) -> None:
        self._write({"console": [severity, content, event_name]})

    def _write(self, report: dict[str, Any]) -> None:
        line = json.dumps(report).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]


def run_slot(settings: dict[str, Any], plan: HostPlan, orders: IO[str], report_to: int) -> None:
    """Work as one slot until told to stop.

    Parameters
    ----------
    settings : dict
        Slot, item, store and mode, as plain values.
    plan : HostPlan
        The production.
    orders : text file
        Words of the supervisor, a line each; its end means that the supervisor is dead.
    report_to : int
        Descriptor for reports to the supervisor.
    """
    die_with(settings["parent"])
    reports = _Reports(report_to)
    address = settings["slot"]
    bells = Path(settings["bells"])
    database = Database(settings["store_url"], settings["synchronous"])
    node = Node(
        plan,
        database,
        replay=settings["replay"],
        address=address,
        bells=bells,
        processes=True,
        console=reports.console,
    )
    node.read_enabled()
    slot = Slot(node, plan.items[settings["item"]], address)
    go = threading.Event()
    bell = Doorbell(bell_path(bells, address), node.answer_bell)
    threading.Thread(target=_obey, args=(node, go, orders), daemon=True).start()
    opening = threading.Thread(target=_report, args=(slot, reports), daemon=True)
    opening.start()
    with bound(node):
        slot.run(go)
    # A component that failed to open ends at once; its reason must leave before the process does.
    opening.join()
    bell.close()
    database.close()


def _report(slot: Slot, reports: _Reports) -> None:
    slot.opened.wait()
    reports.opened("" if slot.failure is None else describe(slot.failure))


def _obey(node: Node, go: threading.Event, orders: IO[str]) -> None:
    for line in orders:
        word = line.strip()
        if word == "go":
            go.set()
        elif word == "drain":
            node.draining.set()
        elif word == "stop":
            node.interrupt()
            go.set()
    if not node.stopping.is_set():
        # The pipe ended without a word: the host is dead, and another may start any moment.
        os._exit(1)


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; end now if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
