"""Predictions without HTTP: one row through each door, and a whole batch, beside LightGBM's own."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
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
from iris_ct.core.scoring.inputs import Inputs

_CALLS = 2_000


def run(parts: Parts, made: Model, *, runs: int, n_scored: int) -> list[Table]:
    """Measure single rows, then sets."""
    return [_single(parts, made, runs), _sets(parts, made, runs, n_scored)]


def _single(parts: Parts, made: Model, runs: int) -> Table:
    row = served.rows(1, seed=3).select(FEATURES).row(0)
    named = dict(zip(FEATURES, row, strict=True))
    text = json.dumps(named)
    matrix = np.array([row])
    booster = lightgbm.Booster(model_str=made.text)
    scorer = load_bundle(made.home / made.bundle)
    bare = bare_call(made.text, matrix)
    calls: dict[str, Callable[[], Any]] = {
        "LightGBM's C call SingleRowFast (the limit)": bare,
        "Scorer.score_row": lambda: scorer.score_row(named),
        "procedures.predict_row, what CT.Predict calls": lambda: procedures.predict_row(
            parts, MODEL, text
        ),
        "Booster.predict, one thread": lambda: booster.predict(matrix, num_threads=1),
        "Booster.predict": lambda: booster.predict(matrix),
    }
    expected = float(np.asarray(booster.predict(matrix))[0])
    found_row = scorer.score_row(named).prediction[0]
    answered = procedures.predict_row(parts, MODEL, text)["prediction"]
    if not bare() == found_row == answered == expected:
        raise RuntimeError("The ways to predict a row do not agree.")
    found = interleaved({name: _repeat(call) for name, call in calls.items()}, runs=runs)
    table = Table("H. One row in process", ("call", "a row", "beside the C call"))
    limit = next(iter(found.values()))
    for name, seconds in found.items():
        table.add(name, f"{seconds / _CALLS * 1e6:.1f} us", times(seconds / limit))
    table.notes = ["predict_row also reads JSON, looks who serves and writes the journal"]
    return table


def _repeat(call: Callable[[], Any]) -> Callable[[], float]:
    def often() -> None:
        for _ in range(_CALLS):
            call()

    return lambda: timed(often)


def bare_call(text: str, matrix: NDArray[np.float64]) -> Callable[[], float]:
    """Give a function that only calls LightGBM's C function for one row, all prepared."""
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
    arguments = (
        config,
        matrix.ctypes.data_as(ctypes.c_void_p),
        ctypes.byref(written),
        ctypes.byref(result),
    )
    predict = library.LGBM_BoosterPredictForMatSingleRowFast

    def call() -> float:
        predict(*arguments)
        return result.value

    return call


def _sets(parts: Parts, made: Model, runs: int, n_scored: int) -> Table:
    file = made.home / "scored.parquet"
    served.rows(n_scored, seed=4).write_parquet(file)
    batch = ingest(parts, hand_over(parts, MODEL, file)).batch_id
    scorer = load_bundle(made.home / made.bundle, threads=2)
    booster = lightgbm.Booster(model_str=made.text)
    matrix = _read(file)

    def read_and_predict() -> None:
        booster.predict(_read(file), num_threads=2)

    def and_write() -> None:
        predicted = np.asarray(booster.predict(_read(file), num_threads=2))
        pl.DataFrame({"prediction": predicted}).write_parquet(made.home / "predicted.parquet")

    sides: dict[str, Side] = {
        "read Parquet, Booster.predict": lambda: timed(read_and_predict),
        "read Parquet, Booster.predict, write Parquet": lambda: timed(and_write),
        "procedures.predict_batch, into the prediction log": lambda: timed(
            procedures.predict_batch, parts, MODEL, batch
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


def _read(file: Path) -> NDArray[np.float64]:
    return pl.read_parquet(file, columns=list(FEATURES)).to_numpy()
