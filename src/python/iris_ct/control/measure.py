"""What worker processes use: processor time in millicores, memory in MiB."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil

_MIB = 1024 * 1024
# Seconds that a new process is not measured: what it takes to start says nothing of its use.
SETTLE_S = 15.0
# Seconds over which processor time is averaged, as often as the autoscaler of Kubernetes looks.
WINDOW_S = 15.0


@dataclass(frozen=True)
class Use:
    """What one process used of late; ``memory`` is what it holds now."""

    cpu: float
    """Millicores: thousandths of one core, on average over the last `WINDOW_S` seconds."""

    memory: float
    """MiB of resident memory."""


@dataclass(frozen=True)
class _Seen:
    """A process: its start, which tells a number that was given again; since when it is known."""

    started: float
    since_s: float
    # When it was looked at, and the seconds of processor time that it had used by then.
    looks: deque[tuple[float, float]] = field(default_factory=deque)

    def cpu(self, now_s: float, used_s: float, window_s: float) -> float | None:
        """Take one look; give millicores since the first one of the window."""
        looks = self.looks
        while len(looks) > 1 and looks[1][0] <= now_s - window_s:
            looks.popleft()
        if not looks or looks[-1][0] < now_s:
            looks.append((now_s, used_s))
        then_s, before_s = looks[0]
        return (
            None if now_s <= then_s else max(0.0, 1000.0 * (used_s - before_s) / (now_s - then_s))
        )


class Meter:
    """Looks at processes again and again; owned by one thread.

    Parameters
    ----------
    settle_s : float
        Seconds that a process must be known before it is measured.
    window_s : float
        Seconds over which processor time is averaged.
    """

    def __init__(self, *, settle_s: float = SETTLE_S, window_s: float = WINDOW_S) -> None:
        self._settle_s, self._window_s = settle_s, window_s
        self._seen: dict[int, _Seen] = {}

    def use(self, pids: Iterable[int], *, now_s: float) -> dict[int, Use]:
        """Measure processes.

        Parameters
        ----------
        pids : iterable of int
        now_s : float
            The time on a steady clock.

        Returns
        -------
        dict
            By process; those that are too new to be measured or have gone are not in it.
        """
        found: dict[int, Use] = {}
        seen: dict[int, _Seen] = {}
        for pid in pids:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    started, times = process.create_time(), process.cpu_times()
                    memory = process.memory_info().rss / _MIB
            except psutil.NoSuchProcess:
                continue
            known = self._seen.get(pid)
            if known is None or known.started != started:
                known = _Seen(started, now_s)
            seen[pid] = known
            if now_s - known.since_s >= self._settle_s:
                cpu = known.cpu(now_s, times.user + times.system, self._window_s)
                if cpu is not None:
                    found[pid] = Use(cpu, memory)
        self._seen = seen
        return found
