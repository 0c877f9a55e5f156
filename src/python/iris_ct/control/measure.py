"""What worker processes use: processor time in millicores, memory in MiB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Use:
    """What one process used since it was looked at before; ``memory`` is what it holds now."""

    cpu: float
    """Millicores: thousandths of one core, on average since the look before."""

    memory: float
    """MiB of resident memory."""


class Meter:
    """Looks at processes again and again; owned by one thread."""

    def __init__(self) -> None:
        # Per process: its start, which tells a number that was given again, and what it had used.
        self._before: dict[int, tuple[float, float, float]] = {}

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
            By process; those that are seen for the first time or have gone are not in it.
        """
        found: dict[int, Use] = {}
        seen: dict[int, tuple[float, float, float]] = {}
        for pid in pids:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    started, times = process.create_time(), process.cpu_times()
                    memory = process.memory_info().rss / _MIB
            except psutil.NoSuchProcess:
                continue
            used = times.user + times.system
            seen[pid] = (started, used, now_s)
            before = self._before.get(pid)
            if before is not None and before[0] == started and now_s > before[2]:
                cpu = 1000.0 * (used - before[1]) / (now_s - before[2])
                found[pid] = Use(max(0.0, cpu), memory)
        self._before = seen
        return found
