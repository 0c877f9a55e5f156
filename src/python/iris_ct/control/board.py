"""What the command line and the pages are told: ``<home>/serving/state.json`` and the newest counts."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from iris_ct.control.counts import BranchState, Counts
from iris_ct.control.plan import PlannedService
from iris_ct.procedures.serving_state import STATE

Status = Literal["creating", "running", "error"]

# Statistics frames that are remembered: they come each second, and live numbers look a minute back.
_REMEMBERED = 61


class _Branch(msgspec.Struct):
    """One branch as a statistics frame says it; docs/serving.md has the keys."""

    service: str
    branch: str
    image: str
    pids: list[int]
    requests: int
    errors: int
    timeouts: int
    rows: int
    latency_s: float
    buckets: list[int]
    rejected: int = 0


class _Stats(msgspec.Struct):
    bounds_s: list[float]
    branches: list[_Branch]


class Board:
    """The newest statistics, and the state that is written down; safe from several threads."""

    def __init__(
        self,
        home: Path,
        *,
        address: str,
        pid: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = home / STATE
        self._address, self._pid = address, pid
        self._now_s = now_s
        self._lock = threading.Lock()
        self._stats = _Stats([], [])
        self._recent: deque[tuple[float, _Stats]] = deque(maxlen=_REMEMBERED)
        self._written = b""

    def take(self, text: bytes) -> None:
        """Take a statistics frame.

        Raises
        ------
        msgspec.MsgspecError
            If it is none.
        """
        stats = msgspec.json.decode(text, type=_Stats)
        with self._lock:
            self._stats = stats
            self._recent.append((self._now_s(), stats))

    def states(self) -> list[BranchState]:
        """Give what the gateway runs."""
        with self._lock:
            stats = self._stats
        return _states(stats)

    def recent(self) -> list[tuple[float, list[BranchState]]]:
        """Give what the gateway told of late, oldest first, each with its age in seconds."""
        with self._lock:
            told, now_s = list(self._recent), self._now_s()
        return [(now_s - at_s, _states(stats)) for at_s, stats in told]

    def write(
        self,
        services: Sequence[PlannedService],
        failures: dict[str, str],
        *,
        revision: int,
        settled: bool,
        at: datetime,
    ) -> None:
        """Write down how each service stands, if that has changed.

        Parameters
        ----------
        settled : bool
            The gateway serves this revision.
        """
        running = {state.service: 0 for state in self.states()}
        for state in self.states():
            running[state.service] += len(state.pids)
        told: dict[str, Any] = {}
        for service in services:
            name = service.name
            has_failed = name in failures
            status: Status = "creating"
            if has_failed:
                status = "error"
            elif settled or running.get(name):
                status = "running"
            told[name] = {
                "status": status,
                "reason": failures.get(name, ""),
                "instances": running.get(name, 0),
                "branches": [
                    {
                        "branch": branch.branch,
                        "image": branch.served.image,
                        "weight": branch.weight,
                        "instances": branch.instances,
                        "shadow": branch.shadow,
                    }
                    for branch in service.branches
                ],
            }
        for name, reason in failures.items():
            told.setdefault(
                name, {"status": "error", "reason": reason, "instances": 0, "branches": []}
            )
        content = {
            "address": self._address,
            "pid": self._pid,
            "revision": revision,
            "services": told,
        }
        text = msgspec.json.encode(content)
        if text != self._written:
            fresh = self._path.with_suffix(".new")
            stamped = msgspec.json.encode({**content, "written_at": at.isoformat()})
            fresh.write_bytes(stamped)
            fresh.replace(self._path)
            self._written = text

    def remove(self) -> None:
        """Take the state away when serving ends."""
        self._path.unlink(missing_ok=True)


def _states(stats: _Stats) -> list[BranchState]:
    bounds = tuple(stats.bounds_s)
    return [
        BranchState(
            one.service,
            one.branch,
            one.image,
            tuple(one.pids),
            Counts(
                one.requests, one.errors + one.timeouts, bounds, tuple(one.buckets), one.rejected
            ),
        )
        for one in stats.branches
    ]
