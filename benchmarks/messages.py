"""The message host: a chain of durable messages beside bare commits, and what idling costs."""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iop import BusinessOperation, BusinessProcess, BusinessService, Message, Production, target

from benchmarks.data import model_file
from benchmarks.home import parts_of, production, workplace
from benchmarks.measure import in_child, interleaved, timed
from benchmarks.table import Table, ms, times
from iris_ct.host import Host

_MESSAGES_IN_CHAIN = 3


@dataclass
class Ask(Message):
    """A question that goes all the way."""

    number: int = 0


@dataclass
class Tell(Message):
    """Its answer."""

    number: int = 0


class Entry(BusinessService):
    """Passes a question on and gives the answer back."""

    Output = target()

    def on_message(self, request: Message | None = None) -> Any:
        """Ask the process."""
        return self.send_request_sync(self.Output, request)


class Router(BusinessProcess):
    """Passes a question on."""

    Output = target()

    def on_ask(self, request: Ask) -> Any:
        """Ask the operation."""
        return self.send_request_sync(self.Output, request)


class Answer(BusinessOperation):
    """Answers."""

    def on_ask(self, request: Ask) -> Tell:
        """Reply at once."""
        return Tell(request.number)


chain = Production("Benchmark.Chain", actor_pool_size=1)
_entry = chain.service("Entry", Entry, pool_size=0)
_router = chain.process("Router", Router, pool_size=1)
_answer = chain.operation("Answer", Answer)
chain.connect(_entry.Output, _router)
chain.connect(_router.Output, _answer)


def run(*, n_chains: int = 200, runs: int = 3, idle_s: float = 10.0) -> list[Table]:
    """Measure chains one by one, many at once, and the production doing nothing."""
    latencies: list[float] = []
    with workplace() as work:
        host = Host(
            "benchmarks.messages:chain",
            store_url=f"sqlite:///{work / 'messages.db'}",
            lock_path=work / "host.lock",
        )
        with host:
            found = interleaved(
                {
                    "one": lambda: timed(lambda: latencies.extend(_one_by_one(host, n_chains))),
                    "many": lambda: timed(lambda: _at_once(host, n_chains)),
                    "commits": lambda: _commits(work / "bare.db", n_chains * 10),
                },
                runs=runs,
            )
    commit = found["commits"] / (n_chains * 10)
    latency = statistics.median(latencies)
    per_message = found["many"] / (n_chains * _MESSAGES_IN_CHAIN)
    idle = in_child("benchmarks.messages:idle", seconds=idle_s)
    table = Table("G. Message host, threads, SQLite", ("what", "measured", "in bare commits"))
    table.add("SQLite commit of one row, WAL, NORMAL", ms(commit), "1")
    table.add(
        f"service, process, operation and back, {_MESSAGES_IN_CHAIN} messages",
        ms(latency),
        times(latency / commit),
    )
    table.add(
        f"{n_chains} chains at once",
        f"{1 / per_message:.0f} messages/s",
        f"{times(per_message / commit)} a message",
    )
    table.add(
        f"the product's production idle for {idle_s:g} s",
        f"{idle.answer['cpu_share']:.2%} of a core, {idle.answer['resident_mb']:.0f} MB",
        "",
    )
    return [table]


def _one_by_one(host: Host, n: int) -> list[float]:
    return [timed(host.call, "Entry", Ask(i), 60) for i in range(n)]


def _at_once(host: Host, n: int) -> None:
    for session in [host.send("Entry", Ask(i)) for i in range(n)]:
        if not host.wait_session(session, timeout_s=300):
            raise RuntimeError("A chain did not end within five minutes.")


def _commits(path: Path, n: int) -> float:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, body TEXT)")
    started = time.perf_counter()
    for number in range(n):
        connection.execute("INSERT INTO message (body) VALUES (?)", (f'{{"number": {number}}}',))
        connection.commit()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def idle(seconds: float) -> dict[str, float]:
    """Run the product's production with nothing to do; give its share of a core."""
    from benchmarks.measure import resident_mb

    with workplace() as work, parts_of(work / "home", bench=model_file()) as parts:
        with production(parts):
            # Until everything is started and has looked once.
            time.sleep(min(seconds, 3.0))
            before = sum(os.times()[:2])
            time.sleep(seconds)
            spent = sum(os.times()[:2]) - before
        return {"cpu_share": spent / seconds, "resident_mb": resident_mb()}
