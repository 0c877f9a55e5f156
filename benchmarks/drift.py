"""A drift check from summaries beside tests that read the rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.data import CATEGORICAL, DAYS, NUMERIC, later, model_file, rows, write
from benchmarks.home import first_model, hand_over, ingest, parts_of, workplace
from benchmarks.measure import PeakMemory, interleaved, timed
from benchmarks.table import Table, ms, s, times
from iris_ct.bootstrap import Parts
from iris_ct.core.drift.report import DriftReport, compare_windows
from iris_ct.core.drift.summary import summary_from_bytes
from iris_ct.flow.detect import detect
from iris_ct.flow.reference import window_summary

Floats = NDArray[np.float64]

_TRAINING = "rounds = 10\nwindows = ['all']"
# Each current window arrives as one batch a day.
_BATCHES = DAYS
_N_BINS = 10


def run(
    *, sizes: tuple[int, ...] = (100_000, 1_000_000), n_reference: int = 100_000, runs: int = 5
) -> list[Table]:
    """Fill a home for each size, then check all of them and run the peers, interleaved."""
    with workplace() as work:
        models = {f"rows{size}": size for size in sizes}
        texts = dict.fromkeys(models, model_file(_TRAINING))
        with parts_of(work / "home", **texts) as parts:
            reference = rows(n_reference)
            for model, size in models.items():
                first_model(parts, model, write(reference, work / "reference.parquet"))
                _arrive(parts, model, size, work)
            return [_compare(parts, models, reference, min(max(sizes), 1_000_000), runs)]


def _arrive(parts: Parts, model: str, size: int, work: Path) -> None:
    """Ingest the current window, day by day; what follows a batch in the production is left out."""
    for day in range(_BATCHES):
        n = size * (day + 1) // _BATCHES - size * day // _BATCHES
        frame = rows(n, seed=100 + day, start=later(DAYS + day), days=1, shift=0.4)
        ingest(parts, hand_over(parts, model, write(frame, work / "day.parquet")))


def _compare(
    parts: Parts, models: dict[str, int], reference: pl.DataFrame, n_peer: int, runs: int
) -> Table:
    current = rows(n_peer, seed=100, start=later(DAYS), shift=0.4)
    old, new = _Columns(reference), _Columns(current)
    count = itertools.count()
    checks = {f"check {model}": partial(timed, check, parts, model) for model in models}
    whole = {f"detect {model}": partial(_detect, parts, model, count) for model in models}
    with PeakMemory() as memory:
        for model in models:
            check(parts, model)
    found = interleaved(
        {
            **checks,
            **whole,
            "scipy": lambda: timed(lambda: scipy_tests(old, new)),
            "numpy": lambda: timed(lambda: searchsorted_pass(old, new)),
        },
        runs=runs,
    )
    report = check(parts, next(iter(models)))
    table = Table(
        f"A. Drift check: {reference.height:,} reference rows x 20, current window as below",
        ("what", "current rows", "median", "beside SciPy"),
    )
    for model, size in models.items():
        seconds = found[f"check {model}"]
        ratio = times(found["scipy"] / seconds)
        table.add(
            "load, merge and compare summaries", f"{size:,}", ms(seconds), f"{ratio} as fast"
        )
    for model, size in models.items():
        table.add("the same with report and audit", f"{size:,}", ms(found[f"detect {model}"]), "")
    table.add("NumPy searchsorted, edges known, PSI", f"{n_peer:,}", s(found["numpy"]), "")
    table.add("SciPy ks_2samp and chi2_contingency", f"{n_peer:,}", s(found["scipy"]), "1x")
    first, *_, last = (found[f"check {model}"] for model in models)
    table.notes = [
        f"goal: < 10 ms and the same for every size; largest / smallest: {times(last / first)}",
        f"current windows were ingested from Parquet as {_BATCHES} batches of a day each; "
        f"drifted as made: {', '.join(report.drifted_features)}",
        f"memory that the checks add: {memory.peak_mb - memory.base_mb:.0f} MB "
        f"(this process holds the peers' rows as well: {memory.base_mb:.0f} MB)",
    ]
    return table


def check(parts: Parts, model: str) -> DriftReport:
    """Do what `flow.detect` does about data: load, merge, compare."""
    champion = parts.champions.require(model)
    store, version = parts.store, champion.version
    specification = store.specifications.newest(model)
    event_now = store.batches.newest_position(model)
    reference = store.summaries.reference(model, version.version)
    if specification is None or event_now is None or reference is None:
        raise RuntimeError(f"{model} has no reference to compare with.")
    current = window_summary(
        specification,
        from_position=version.fit_until + 1,
        to_position=event_now,
        as_of_seq=store.batches.newest_seq(model),
        store=store,
    )
    if current is None:
        raise RuntimeError(f"{model} has nothing newer than its champion.")
    return compare_windows(summary_from_bytes(reference), current, policy=specification.drift)


def _detect(parts: Parts, model: str, count: Iterator[int]) -> float:
    """Check, write the report and audit it; seconds."""
    started = time.perf_counter()
    detection = detect(
        model,
        f"benchmark {next(count)}",
        store=parts.store,
        champions=parts.champions,
        clock=parts.clock,
    )
    seconds = time.perf_counter() - started
    if not detection.drifted:
        raise RuntimeError(f"{model} did not drift, although its rows were made to.")
    return seconds


class _Columns:
    """Rows as the peers want them: arrays of numbers, codes of categories."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.numbers = {n: frame[n].drop_nulls().to_numpy() for n in NUMERIC}
        self.codes = {
            n: frame[n].str.strip_prefix("level_").cast(pl.Int64).fill_null(-1).to_numpy() + 1
            for n in CATEGORICAL
        }


def scipy_tests(old: _Columns, new: _Columns) -> int:
    """Test every column; give how many differ."""
    from scipy.stats import chi2_contingency, ks_2samp

    p_values = [ks_2samp(old.numbers[n], new.numbers[n]).pvalue for n in NUMERIC]
    for name in CATEGORICAL:
        size = int(max(old.codes[name].max(), new.codes[name].max())) + 1
        counts = np.array([np.bincount(side.codes[name], minlength=size) for side in (old, new)])
        p_values.append(chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue)
    return sum(p < 0.001 / len(p_values) for p in p_values)


def searchsorted_pass(old: _Columns, new: _Columns) -> list[float]:
    """Give PSI of every column from one pass over the current rows."""
    found = []
    for name in NUMERIC:
        edges = np.quantile(old.numbers[name], np.linspace(0, 1, _N_BINS + 1)[1:-1])
        bins = np.bincount(np.searchsorted(edges, new.numbers[name]), minlength=_N_BINS)
        found.append(_psi(np.full(_N_BINS, 1.0 / _N_BINS), bins / bins.sum()))
    for name in CATEGORICAL:
        size = int(max(old.codes[name].max(), new.codes[name].max())) + 1
        shares = [
            np.bincount(c[name], minlength=size) / len(c[name]) for c in (old.codes, new.codes)
        ]
        found.append(_psi(*shares))
    return found


def _psi(reference: Floats, current: Floats) -> float:
    reference, current = np.maximum(reference, 1e-4), np.maximum(current, 1e-4)
    return float(((current - reference) * np.log(current / reference)).sum())
