"""``python -m tests.serving.soak``: a long proof under load, on a home and processes of its own.

    python -m tests.serving.soak --requests 100000
    python -m tests.serving.soak --minutes 10

Clients ask without a pause in all protocols, single rows and sets. Meanwhile champions are swapped,
instances are added and taken away, weights are set anew, workers and the control process are killed
with SIGKILL; at the end the gateway itself is. Then every request must have been answered once, every
answered row must be in the log of predictions once, weights must be kept and memory must stay.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import psutil
import uvloop
from scipy.stats import binomtest
from tests.cli.running import MODEL, ct_process
from tests.serving.asking import AB, ENOUGH, Client, Seen
from tests.serving.real import Serving, home_with_two_versions, serving, wait_for

from iris_ct import bootstrap
from iris_ct.config import load_settings
from iris_ct.flow.fold import fold_journal

# Share of version 1 in the service with weights.
SHARE = 0.8
# How seldom a right gateway may be called wrong.
CONFIDENCE = 0.999_999
# Memory may grow by so much of a process before it is called a leak.
GROWTH = 0.10
GROWTH_MB = 8.0


@dataclass
class Told:
    """What a run showed."""

    requests: int = 0
    rows: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    actions: Counter[str] = field(default_factory=Counter)
    share: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    memory: list[dict[str, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(
    home: Path,
    *,
    requests: int | None = None,
    seconds: float | None = None,
    clients: int = 8,
    every_s: float = 3.0,
    kill_gateway: bool = True,
    say: Callable[[str], None] = lambda _line: None,
) -> Told:
    """Run the proof; `Told.wrong` is empty if it holds.

    Parameters
    ----------
    home
        As of `home_with_two_versions`; changed.
    requests, seconds
        How many answers, or how long; one of them.
    every_s
        Pause between two of the things that happen to the gateway.
    """
    made = ct_process(
        home,
        *("service", "create", "--name", AB, "--models", f"{MODEL}:1,{MODEL}:2"),
        *("--weights", str(SHARE), "--instances", "2"),
    )
    assert made.code == 0, made.err
    told, seen = Told(), Seen()
    # A moment without a worker while it is started again is no failure.
    with serving(home, CT_SERVE_DRAIN_S="60") as running:
        wait_for(lambda: _serves(running))
        began = time.monotonic()
        uvloop.run(
            _under_load(
                running, seen, told, requests, seconds, clients, every_s, kill_gateway, say
            )
        )
        told.seconds = time.monotonic() - began
    _check(home, seen, told)
    return told


def _serves(running: Serving) -> bool:
    import http.client

    connection = http.client.HTTPConnection(running.netloc, timeout=30)
    try:
        found = []
        for name in (AB, MODEL):
            connection.request("GET", f"/v2/models/{name}/ready")
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        return found == [200, 200]
    finally:
        connection.close()


async def _under_load(
    running: Serving,
    seen: Seen,
    told: Told,
    requests: int | None,
    seconds: float | None,
    clients: int,
    every_s: float,
    kill_gateway: bool,
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()

    def is_over() -> bool:
        if len(seen.wrong) >= ENOUGH:
            return True
        if seconds is not None:
            return time.monotonic() - began >= seconds
        return seen.n_answered >= (requests or 0)

    asking = [
        asyncio.create_task(Client(number, running.netloc, seen, is_over).run())
        for number in range(clients)
    ]
    happening = asyncio.create_task(_happen(running, told, every_s, is_over))
    watching = asyncio.create_task(_watch(running, seen, told, is_over, say))
    await asyncio.gather(*asking, happening, watching)
    if kill_gateway:
        await _end_by_kill(running, seen, told, clients)
        told.actions["kill gateway"] += 1


async def _end_by_kill(running: Serving, seen: Seen, told: Told, clients: int) -> None:
    """Kill the gateway while it is asked."""
    goal = seen.n_answered + 200
    last = [
        asyncio.create_task(Client(1000 + number, running.netloc, seen, lambda: False).run())
        for number in range(clients)
    ]
    while seen.n_answered < goal and not all(one.done() for one in last):
        await asyncio.sleep(0.01)
    processes = running.processes()
    seen.is_end_expected = True
    running.process.kill()
    await asyncio.gather(*last)
    running.process.wait()
    _, left = await asyncio.to_thread(psutil.wait_procs, processes[1:], 60)
    for process in left:
        told.wrong.append(f"process {process.pid} outlived the gateway: {process.cmdline()}")
        process.kill()


async def _happen(
    running: Serving, told: Told, every_s: float, is_over: Callable[[], bool]
) -> None:
    """Do to the gateway what may happen to it, one after the other."""
    chance = random.Random(1)  # noqa: S311 - no secret

    async def command(*said: str) -> None:
        done = await asyncio.to_thread(ct_process, running.home, *said)
        if done.code != 0:
            told.wrong.append(f"ct {' '.join(said)}: {done.code} {done.err}")

    async def kill(kind: str) -> None:
        pids = running.pids(kind)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)

    async def swap(version: int) -> None:
        await command("promote", MODEL, "--version", str(version), "--reason", "soak")

    async def scale(instances: int) -> None:
        await command("service", "modify", "--name", AB, "--instances", str(instances))

    acts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("kill worker", lambda: kill("workers")),
        ("swap champion", lambda: swap(1)),
        ("kill worker", lambda: kill("workers")),
        ("scale up", lambda: scale(3)),
        ("kill worker", lambda: kill("workers")),
        ("swap champion", lambda: swap(2)),
        ("kill control", lambda: kill("control")),
        ("scale down", lambda: scale(1)),
        ("kill worker", lambda: kill("workers")),
        ("scale up", lambda: scale(2)),
    ]
    for name, act in itertools.cycle(acts):
        if is_over():
            return
        await act()
        told.actions[name] += 1
        await asyncio.sleep(every_s)


async def _watch(
    running: Serving,
    seen: Seen,
    told: Told,
    is_over: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Look at memory, and say how far it is."""
    began = time.monotonic()
    for look in itertools.count():
        if is_over():
            return
        await asyncio.sleep(0.5)
        if look % 10 == 0:
            sizes = running.memory_mb()
            at = time.monotonic() - began
            found = {"s": at, **{kind: max(mb, default=0.0) for kind, mb in sizes.items()}}
            told.memory.append(found)
            say(
                f"{at:6.0f} s  {seen.n_answered:7d} answers  {len(seen.wrong)} wrong  "
                + "  ".join(f"{kind} {found[kind]:.0f} MB" for kind in sizes)
                + f"  {len(sizes['workers'])} workers  load {os.getloadavg()[0]:.1f}"
            )


def _check(home: Path, seen: Seen, told: Told) -> None:
    told.wrong += seen.wrong
    told.requests, told.slowest_s = seen.n_answered, seen.slowest_s
    told.rows = sum(seen.rows[puid] for puid in seen.answered)
    twice = [puid for puid, n in seen.answered.items() if n != 1]
    if twice:
        told.wrong.append(f"{len(twice)} requests were answered twice, such as {twice[0]}")
    _check_log(home, seen, told)
    _check_share(seen, told)
    _check_memory(told)


def _check_log(home: Path, seen: Seen, told: Told) -> None:
    """Hold the log of predictions against what was answered, row by row."""
    parts = bootstrap.parts(load_settings(home))
    with contextlib.closing(parts.store):
        fold_journal(parts.store, parts.clock)
        left = parts.store.journal.segments()
        logged = parts.store.predictions.find(MODEL, seen.rows)
    if left:
        told.wrong.append(f"{len(left)} segments of the journal were not folded")
    found = logged.group_by("_puid").agg(
        n=pl.len(), places=pl.col("_place").n_unique(), last=pl.col("_place").max()
    )
    by_puid = {row["_puid"]: row for row in found.iter_rows(named=True)}
    missing = [puid for puid in seen.answered if puid not in by_puid]
    if missing:
        told.wrong.append(f"{len(missing)} answers are not in the log, such as {missing[0]}")
    uneven = [
        puid
        for puid, row in by_puid.items()
        if not row["n"] == row["places"] == row["last"] + 1 == seen.rows[puid]
    ]
    if uneven:
        first = uneven[0]
        told.wrong.append(
            f"{len(uneven)} requests have not each row once in the log, such as {first}: "
            f"{by_puid[first]} of {seen.rows[first]}"
        )


def _check_share(seen: Seen, told: Told) -> None:
    """Hold the share of version 1 against its weight by an exact binomial interval."""
    n, one = seen.images.total(), seen.images[f"{MODEL}:1"]
    if n == 0:
        told.wrong.append("the service with weights was not asked")
        return
    interval = binomtest(one, n, SHARE).proportion_ci(CONFIDENCE, "exact")
    told.share, told.interval = one / n, (float(interval.low), float(interval.high))
    if not interval.low <= SHARE <= interval.high:
        told.wrong.append(f"version 1 answered {one} of {n}: {interval} is without {SHARE}")


def _check_memory(told: Told) -> None:
    """Hold the last third of the looks against the second; the first is for warming up."""
    third = len(told.memory) // 3
    if third < 4:
        return
    for kind in ("gateway", "workers"):
        sizes = [look[kind] for look in told.memory]
        before = statistics.median(sizes[third : 2 * third])
        after = statistics.median(sizes[2 * third :])
        if after > before * (1 + GROWTH) + GROWTH_MB:
            told.wrong.append(f"{kind} grew from {before:.0f} to {after:.0f} MB")


def main() -> int:
    """Run the proof and print what it showed."""
    parser = argparse.ArgumentParser(prog="python -m tests.serving.soak")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--requests", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--clients", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ct-soak-") as name:
        home = home_with_two_versions(Path(name))
        told = run(
            home,
            requests=asked.requests,
            seconds=None if asked.minutes is None else asked.minutes * 60,
            clients=asked.clients,
            say=_say,
        )
    low, high = told.interval
    _say(
        f"{told.requests} requests, {told.rows} rows in {told.seconds:.0f} s; slowest answer "
        f"{told.slowest_s:.2f} s\n"
        + ", ".join(f"{n} x {name}" for name, n in told.actions.items())
        + f"\nversion 1 answered {told.share:.4f} of the service with weight {SHARE}; the exact "
        f"binomial interval of {CONFIDENCE:%} is [{low:.4f}, {high:.4f}]"
    )
    for kind in ("gateway", "control", "workers"):
        sizes = [round(look[kind]) for look in told.memory]
        _say(f"{kind}, MB of the largest: {sizes[:: max(1, len(sizes) // 12)]}")
    _say("\n".join(["WRONG:", *told.wrong[:20]]) if told.wrong else "Nothing is wrong.")
    return 1 if told.wrong else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
