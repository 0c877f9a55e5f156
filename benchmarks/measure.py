"""Measuring: sides interleaved, medians, work in child processes with their peak memory."""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Side = Callable[[], float]
"""Does its work once and gives the seconds of the work itself."""


def timed(work: Callable[..., object], *arguments: Any) -> float:
    """Give the wall seconds that a call takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def interleaved(sides: Mapping[str, Side], *, runs: int) -> dict[str, float]:
    """Run all sides in turn, again and again, so that a busy spell meets all of them.

    Returns
    -------
    dict
        Median seconds by side.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs):
        # Every other turn backwards: no side is always the one that finds warm caches.
        for name in list(sides) if run % 2 == 0 else reversed(list(sides)):
            seconds[name].append(sides[name]())
    return {name: statistics.median(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class Child:
    """What a child process measured.

    Attributes
    ----------
    answer : dict
        What its function returned.
    base_mb, peak_mb : float
        Resident memory before the function, after its imports, and at the highest point.
    wall_s : float
        Seconds of the whole process, seen from outside.
    """

    answer: dict[str, Any]
    base_mb: float
    peak_mb: float
    wall_s: float


def in_child(function: str, **arguments: Any) -> Child:
    """Run ``module:function`` with JSON arguments in a process of its own.

    Raises
    ------
    RuntimeError
        If it failed; with what it wrote.
    """
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", function, json.dumps(arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src/python"), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    if ran.returncode != 0:
        raise RuntimeError(f"{function} ended with code {ran.returncode}:\n{ran.stderr}")
    told = json.loads(ran.stdout.splitlines()[-1])
    return Child(told["answer"], told["base_mb"], told["peak_mb"], wall)


def resident_mb() -> float:
    """Give this process's resident memory."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


class PeakMemory:
    """The highest resident memory while a block runs, looked at 200 times a second.

    The kernel's own high-water mark (``ru_maxrss``) is inherited from the process that forked, so
    it would tell of the parent.
    """

    def __enter__(self) -> PeakMemory:
        """Begin to look."""
        self.base_mb = self.peak_mb = resident_mb()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop looking."""
        self._ended.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self.peak_mb = max(self.peak_mb, resident_mb())


def _run_child() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    with PeakMemory() as memory:
        answer = function(**json.loads(sys.argv[2]))
    told = {"answer": answer, "base_mb": memory.base_mb, "peak_mb": memory.peak_mb}
    print(json.dumps(told))


if __name__ == "__main__":
    _run_child()
