"""The process of one slot in strict mode. Started by `processes`, not meant to be run by hand."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from iris_ct.host.component import describe
from iris_ct.host.database import Database
from iris_ct.host.node import Node, bell_path
from iris_ct.host.plan import HostPlan, load_production
from iris_ct.host.runtime import bound
from iris_ct.host.signals import Doorbell
from iris_ct.host.slot import Slot

# <sys/prctl.h>: the signal this process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


class _Reports:
    """Lines of JSON to the supervisor: that the component opened, and console lines."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
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


def run(settings: dict[str, Any]) -> None:
    """Work as one slot until told to stop."""
    _die_with(settings["parent"])
    # Ctrl-C reaches the whole group; only the host decides how it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports = _Reports(settings["report_to"])
    try:
        plan = HostPlan.from_production(load_production(settings["production"]))
    except Exception as error:  # noqa: BLE001 - whatever importing the production raises
        reports.opened(describe(error))
        return
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
    for target, arguments in ((_obey, (node, go)), (_report, (slot, reports))):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    with bound(node):
        slot.run(go)
    bell.close()
    database.close()


def _report(slot: Slot, reports: _Reports) -> None:
    slot.opened.wait()
    reports.opened("" if slot.failure is None else describe(slot.failure))


def _obey(node: Node, go: threading.Event) -> None:
    for line in sys.stdin:
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


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
