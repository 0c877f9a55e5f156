"""Serving over HTTP beside a bare handler and, where they are installed, MLServer and MLflow.

``BENCH_PEERS=/path/to/python`` names the interpreter of an environment with mlserver,
mlserver-lightgbm and mlflow; without it the sides are ours and the limit.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, predicting, served
from benchmarks.home import workplace
from benchmarks.load import Rate, client, load
from benchmarks.served import FEATURES, Model, Side
from benchmarks.servers import ask
from benchmarks.table import Table, ms, s, times

Floats = NDArray[np.float64]


@dataclass
class _Seen:
    """What was measured of one side, run by run."""

    one: list[Rate] = field(default_factory=list)
    same: list[Rate] = field(default_factory=list)
    different: list[Rate] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    answering_mb: list[float] = field(default_factory=list)
    all_mb: list[float] = field(default_factory=list)

    def middle(self, what: str, of: str = "requests_per_s") -> float:
        """Give the median of what was seen."""
        values: list[Any] = getattr(self, what)
        numbers = [float(getattr(v, of) if isinstance(v, Rate) else v) for v in values]
        return statistics.median(numbers)


def run(
    *,
    n_rows: int = 20_000,
    rounds: int = 100,
    runs: int = 3,
    seconds: float = 3.0,
    connections: int = 16,
    rows_asked: int = 1_000,
    n_scored: int = 1_000_000,
) -> list[Table]:
    """Let every side serve the same champion in turn, then measure predictions in process."""
    with workplace() as work, served.model(work, n_rows=n_rows, rounds=rounds) as (parts, made):
        # First, before millions of predictions are logged.
        alone = predicting.run(parts, made, runs=runs, n_scored=n_scored)
        bodies = _bodies(rows_asked)
        sides = _sides(work, made, bodies)
        seen: dict[str, _Seen] = defaultdict(_Seen)
        for turn in range(runs):
            for side in sides if turn % 2 == 0 else reversed(sides):
                _measure(side, bodies, seen[side.name], seconds, connections)
        return [_table(sides, seen, made, connections, rows_asked), *alone]


def _bodies(rows_asked: int) -> dict[str, Floats]:
    frame = served.rows(rows_asked, seed=2).select(FEATURES)
    matrix = np.ascontiguousarray(frame.to_numpy())
    return {"one": matrix[:1], "same": np.repeat(matrix[:1], rows_asked, 0), "different": matrix}


def _sides(work: Path, made: Model, bodies: dict[str, Floats]) -> list[Side]:
    off = served.bare_gateway(work, made)
    sizes = _check(off, made, bodies)
    peers = served.peers(work, made)
    ours = [off, served.full_gateway(made)]
    ours += [served.full_gateway(made, mlflow=True)] if peers else []
    return [served.limit(work, sizes), *ours, *peers]


def _check(side: Side, made: Model, bodies: dict[str, Floats]) -> dict[str, int]:
    """Hold the gateway's answers against LightGBM's; give their sizes."""
    booster = lightgbm.Booster(model_str=made.text)
    sizes = {}
    with side.serving(bodies["one"]) as (_, port):
        for what, matrix in bodies.items():
            said = ask(side.question(what, matrix, port)) or b"{}"
            told = json.loads(said)["outputs"][0]["data"]
            if told != np.asarray(booster.predict(matrix)).tolist():
                raise RuntimeError("The gateway answers otherwise than LightGBM.")
            sizes[what] = len(said)
    return sizes


def _measure(
    side: Side, bodies: dict[str, Floats], seen: _Seen, seconds: float, connections: int
) -> None:
    with side.serving(bodies["one"]) as (server, port):
        seen.cold_s.append(server.cold_start_s)
        first = side.question("one", bodies["one"], port)
        load(first, seconds=min(seconds, 1.0), connections=connections)
        for what, matrix in bodies.items():
            question = side.question(what, matrix, port)
            rates: list[Rate] = getattr(seen, what)
            rates.append(load(question, seconds=seconds, connections=connections))
        answering, every = server.memory_mb(side.answering)
        seen.answering_mb.append(answering)
        seen.all_mb.append(every)


def _table(
    sides: list[Side], seen: dict[str, _Seen], made: Model, connections: int, rows_asked: int
) -> Table:
    table = Table(
        f"H. Serving over HTTP, LightGBM, {made.size}",
        (
            "side",
            "single rows/s",
            "beside bare",
            "p50",
            "p99",
            f"rows/s, {rows_asked:,} same",
            f"rows/s, {rows_asked:,} different",
            "MB of who answers / all",
            "start to first answer",
        ),
    )
    limit = seen[sides[0].name].middle("one")
    for side in sides:
        found = seen[side.name]
        one = found.middle("one")
        table.add(
            side.name,
            f"{one:,.0f}",
            times(one / limit),
            ms(found.middle("one", "p50_s")),
            ms(found.middle("one", "p99_s")),
            *(f"{found.middle(what) * rows_asked / 1e3:.0f}k" for what in ("same", "different")),
            f"{found.middle('answering_mb'):.0f} / {found.middle('all_mb'):.0f}",
            s(found.middle("cold_s")),
        )
    table.notes = [
        f"client: {client()}, {connections} connections, on the same cores",
        "the bare handler reads the same bodies, parses and predicts nothing",
        *_beside_peers(sides, seen),
        machine.load(),
    ]
    return table


def _beside_peers(sides: list[Side], seen: dict[str, _Seen]) -> list[str]:
    """Compare run by run what was asked in the same protocol."""
    notes = []
    for is_mlflow in (False, True):
        ours = [x for x in sides if x.is_mlflow == is_mlflow and x.answering]
        for peer in [x for x in sides if x.is_mlflow == is_mlflow and x.is_peer]:
            for side in ours:
                pairs = zip(seen[side.name].one, seen[peer.name].one, strict=True)
                ratios = sorted(a.requests_per_s / b.requests_per_s for a, b in pairs)
                shown = ", ".join(times(ratio) for ratio in ratios)
                notes.append(f"{side.name}, beside {peer.name}, run by run: {shown}")
    return notes or [f"no peers: {served.PEERS} names no Python with mlserver and mlflow"]
