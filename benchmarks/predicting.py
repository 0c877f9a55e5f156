"""Predictions without HTTP: one row through each door, and a whole batch, beside LightGBM's own."""

from __future__ import annotations

import ctypes
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks import served
from benchmarks.home import hand_over, ingest
from benchmarks.measure import Side, interleaved, timed
from benchmarks.served import FEATURES, MODEL, Model
from benchmarks.table import Table, s, times
from iris_ct import procedures
from iris_ct.adapters.bundles import load_bundle
from iris_ct.bootstrap import Parts
from iris_ct.core.dataset.batch import Batch
from iris_ct.core.scoring.inputs import Inputs
from iris_ct.core.scoring.record import Entry
from iris_ct.flow.predict_batch import predict_batch
from iris_ct.flow.predict_row import predict_row

_ROWS = 1_000
_CALLS = 2_000
# Of single rows: a turn is a fraction of a second, and a busy machine spoils some.
_TURNS = 5


def run(parts: Parts, made: Model, *, runs: int, n_scored: int) -> list[Table]:
    """Measure single rows, then sets."""
    return [_single(parts, made, runs), _sets(parts, made, runs, n_scored)]


class _NoLog:
    """`ports.JournalWriter` that keeps nothing: what a prediction costs without its log."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class _Unlogged:
    """As much of a store as a row that is said needs."""

    journal_writer: _NoLog


def _single(parts: Parts, made: Model, runs: int) -> Table:
    matrix = np.ascontiguousarray(served.rows(_ROWS, seed=3).select(FEATURES).to_numpy())
    named = [dict(zip(FEATURES, row, strict=True)) for row in matrix.tolist()]
    texts = [json.dumps(row) for row in named]
    booster = lightgbm.Booster(model_str=made.text)
    scorer = load_bundle(made.home / made.bundle)
    champion = parts.champions.require(MODEL)
    unlogged: Any = _Unlogged(_NoLog())
    calls: dict[str, Callable[[int], Any]] = {
        "LightGBM's C call SingleRowFast (the limit)": bare_call(made.text, matrix),
        "Scorer.score_row": lambda n: scorer.score_row(named[n]).prediction[0],
        "flow.predict_row, its log left out": lambda n: predict_row(
            champion, texts[n], store=unlogged, clock=parts.clock
        )["prediction"],
        "procedures.predict_row, what CT.Predict calls": lambda n: procedures.predict_row(
            parts, MODEL, texts[n]
        )["prediction"],
        "Booster.predict, one thread": lambda n: np.asarray(
            booster.predict(matrix[n : n + 1], num_threads=1)
        )[0],
    }
    expected = np.asarray(booster.predict(matrix)).tolist()
    for name, call in calls.items():
        if [float(call(n)) for n in range(_ROWS)] != expected:
            raise RuntimeError(f"{name} does not give what Booster.predict gives.")
    different = interleaved(
        {name: _repeat(call, _ROWS) for name, call in calls.items()}, runs=runs * _TURNS
    )
    same = interleaved(
        {name: _repeat(call, 1) for name, call in calls.items()}, runs=runs * _TURNS
    )
    table = Table(
        f"H. One row in process: {_ROWS:,} different rows in turn, and the same row again and again",
        ("call", "a row of many", "beside the C call", "the same row", "beside the C call"),
    )
    first = next(iter(calls))
    for name in calls:
        columns = []
        for found in (different, same):
            columns.append(f"{found[name] / _CALLS * 1e6:.1f} us")
            columns.append(times(found[name] / found[first]))
        table.add(name, *columns)
    table.notes = [
        "predict_row also reads JSON, looks who serves and writes the journal",
        "of the same row a processor learns the way through all trees",
    ]
    return table


def _repeat(call: Callable[[int], Any], n_rows: int) -> Callable[[], float]:
    places = [number % n_rows for number in range(_CALLS)]

    def often() -> None:
        for place in places:
            call(place)

    return lambda: timed(often)


def bare_call(text: str, matrix: NDArray[np.float64]) -> Callable[[int], float]:
    """Give a function that only calls LightGBM's C function for a row, all prepared."""
    (path,) = (Path(lightgbm.__file__).parent / "lib").glob("lib_lightgbm.*")
    library = ctypes.CDLL(str(path))
    model, config, rounds = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    told = library.LGBM_BoosterLoadModelFromString(
        text.encode(), ctypes.byref(rounds), ctypes.byref(model)
    )
    # Normal prediction, all rounds, of float64.
    told |= library.LGBM_BoosterPredictForMatSingleRowFastInit(
        model, 0, 0, -1, 1, matrix.shape[1], b"num_threads=1", ctypes.byref(config)
    )
    if told != 0:
        raise RuntimeError("LightGBM's library refused the model.")
    result, written = ctypes.c_double(), ctypes.c_int64()
    rows = [row.ctypes.data_as(ctypes.c_void_p) for row in matrix]
    outs = (ctypes.byref(written), ctypes.byref(result))
    predict = library.LGBM_BoosterPredictForMatSingleRowFast

    def call(place: int) -> float:
        predict(config, rows[place], *outs)
        return result.value

    return call


def _sets(parts: Parts, made: Model, runs: int, n_scored: int) -> Table:
    file = made.home / "scored.parquet"
    served.rows(n_scored, seed=4).write_parquet(file)
    batch = _ingested(parts, file)
    scorer = load_bundle(made.home / made.bundle, threads=2)
    booster = lightgbm.Booster(model_str=made.text)
    matrix = _read(file)

    def read_and_predict() -> None:
        booster.predict(_read(file), num_threads=2)

    def and_write() -> None:
        predicted = np.asarray(booster.predict(_read(file), num_threads=2))
        pl.DataFrame({"prediction": predicted}).write_parquet(made.home / "predicted.parquet")

    def into_the_log() -> None:
        predict_batch(
            parts.champions.require(MODEL),
            batch,
            request_id=f"bench:{secrets.token_hex(8)}",
            store=parts.store,
            clock=parts.clock,
        )

    sides: dict[str, Side] = {
        "read Parquet, Booster.predict": lambda: timed(read_and_predict),
        "read Parquet, Booster.predict, write Parquet": lambda: timed(and_write),
        "flow.predict_batch: read, predict, write into the prediction log": lambda: timed(
            into_the_log
        ),
        "procedures.predict_batch: the same, and its copy as rows for SQL": lambda: timed(
            procedures.predict_batch, parts, MODEL, batch.batch_id
        ),
        "Booster.predict of a matrix": lambda: timed(
            lambda: booster.predict(matrix, num_threads=2)
        ),
        "Scorer.score of a matrix": lambda: timed(scorer.score, Inputs(matrix=matrix)),
    }
    found = interleaved(sides, runs=runs)
    limit = found["read Parquet, Booster.predict"]
    table = Table(
        f"H. {n_scored:,} rows as a set, two threads", ("what", "median", "speed beside the first")
    )
    for name, seconds in found.items():
        table.add(name, s(seconds), times(limit / seconds))
    return table


def _ingested(parts: Parts, file: Path) -> Batch:
    batch_id = ingest(parts, hand_over(parts, MODEL, file)).batch_id
    return next(b for b in parts.store.batches.arrivals(MODEL) if b.batch_id == batch_id)


def _read(file: Path) -> NDArray[np.float64]:
    return pl.read_parquet(file, columns=list(FEATURES)).to_numpy()
