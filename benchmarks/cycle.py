"""A whole training cycle beside bare `lgb.train`, and a champion answering in a new process."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.data import CATEGORICAL, NUMERIC, TARGET, model_file, rows, write
from benchmarks.home import bring, parts_of, production, workplace
from benchmarks.measure import interleaved, timed
from benchmarks.table import Table, s, times
from iris_ct.bootstrap import Parts
from iris_ct.core.dataset.split import VALIDATE
from iris_ct.core.training.lightgbm_trainer import PATIENCE_ROUNDS
from iris_ct.core.training.parameters import boosting_parameters
from iris_ct.embedded import HostDoor
from iris_ct.ports import TrainingOutcome

_DAYS = 730.0
_STEPS = {
    "SnapshotRequested": "cut and split the snapshot",
    "challenger": "choose the window, fit, predict the holdout",
    "EvaluationRequested": "judge",
    "refit": "refit",
    "ConclusionRequested": "keep and promote",
    "RegistrationRequested": "register in MLflow",
}


def run(*, n_rows: int = 200_000, runs: int = 3, rounds: int = 100) -> list[Table]:
    """Let fresh models of one home run their first cycle, the first of them with a cold worker."""
    with workplace() as work:
        frame = rows(n_rows, days=_DAYS)
        file = write(frame, work / "rows.parquet")
        names = [f"model{number}" for number in range(runs + 1)]
        with parts_of(
            work / "home", **dict.fromkeys(names, model_file(f"rounds = {rounds}"))
        ) as parts:
            table = _cycles(parts, names, frame, file)
            return [table, _first_answer(parts, names[0], frame.head(1), work, runs)]


def _cycles(parts: Parts, names: list[str], frame: pl.DataFrame, file: Path) -> Table:
    with production(parts) as door:
        cold = _run_cycle(parts, door, names[0], file)
        bare = _Bare(parts, names[0], frame)
        warm: list[_Cycle] = []
        following = iter(names[1:])

        def cycle() -> float:
            warm.append(_run_cycle(parts, door, next(following), file))
            return warm[-1].seconds

        found = interleaved(
            {
                "cycle": cycle,
                "one fit": lambda: timed(bare.one_fit),
                "its fits": lambda: timed(bare.its_fits),
            },
            runs=len(names) - 1,
        )
    table = Table(
        f"E. Whole cycle of {frame.height:,} rows x {len(NUMERIC) + len(CATEGORICAL)}",
        ("what", "seconds", "cycle beside it", "goal"),
    )
    total = found["cycle"]
    table.add("whole cycle, first model, worker warm", s(total), "", "")
    for kind, name in _STEPS.items():
        median = statistics.median(c.steps.get(kind, 0.0) for c in warm)
        table.add(f"- {name}", s(median), "", "")
    table.add(
        f"the {bare.n_fits} fits that it makes, bare",
        s(found["its fits"]),
        times(total / found["its fits"]),
        "<= 1.15x",
    )
    table.add(
        f"one bare lgb.train, {bare.rounds} rounds",
        s(found["one fit"]),
        times(total / found["one fit"]),
        "",
    )
    table.notes = [
        f"the first cycle of a process starts its worker: {s(cold.seconds)}",
        f"the fits: {bare.text}",
    ]
    return table


@dataclass(frozen=True)
class _Cycle:
    """One cycle: its seconds from first to last message, and those of its steps."""

    seconds: float
    steps: dict[str, float]


def _run_cycle(parts: Parts, door: HostDoor, model: str, file: Path) -> _Cycle:
    session = bring(parts, door, model, file)
    steps: dict[str, float] = {}
    begins, ends = [], []
    for message in door.trace(session):
        kind = str(message["body_class"]).rpartition(".")[2]
        if message["kind"] != "request" or not message["ended_at"]:
            continue
        begin, end = (datetime.fromisoformat(message[at]) for at in ("created_at", "ended_at"))
        if kind == "TrainingRequested":
            kind = "refit" if '"refit"' in message["body"] else "challenger"
        if kind in _STEPS:
            steps[kind] = (end - begin).total_seconds()
        if kind in _STEPS or kind == "CycleRequested":
            begins.append(begin)
            ends.append(end)
    return _Cycle((max(ends) - min(begins)).total_seconds(), steps)


class _Bare:
    """The fits that a cycle made, as plain LightGBM on a matrix in memory."""

    def __init__(self, parts: Parts, model: str, frame: pl.DataFrame) -> None:
        champion = parts.champions.require(model)
        self._parameters = boosting_parameters(champion.specification)
        cycle = champion.version.cycle_id
        made, split = (
            parts.jobs.outcome(model, cycle, "challenger"),
            parts.jobs.split(model, cycle),
        )
        again = parts.jobs.outcome(model, cycle, "refit")
        if made is None or split is None or again is None:
            raise RuntimeError(f"The cycle of {model} left no record of its fits.")
        self._made: TrainingOutcome = made
        self._again: TrainingOutcome = again
        self._block = np.flatnonzero(split.roles == VALIDATE)
        self._limit = champion.specification.training.rounds
        self.rounds = again.rounds
        self.n_fits = len(made.candidates) + 2
        self.text = ", ".join(self._say())
        self._matrix = _matrix(frame)
        self._target = frame[TARGET].to_numpy()

    def one_fit(self) -> None:
        """Fit the rows and rounds of the refit: what a plain script would do."""
        last = len(self._matrix)
        self._fit(last - self._again.n_rows, last, self._again.rounds)

    def its_fits(self) -> None:
        """Fit the window candidates with early stopping, the challenger and the refit."""
        begin, end = int(self._block[0]), int(self._block[-1]) + 1
        for candidate in self._made.candidates:
            self._fit(begin - candidate["n_rows"], begin, self._limit, watched=(begin, end))
        self._fit(end - self._made.n_rows, end, self._made.rounds)
        self.one_fit()

    def _say(self) -> Iterator[str]:
        for candidate in self._made.candidates:
            yield f"window {candidate['window']} {candidate['n_rows']:,} rows"
        for name, fit in (("challenger", self._made), ("refit", self._again)):
            yield f"{name} {fit.n_rows:,} rows and {fit.rounds} rounds"

    def _fit(
        self, first: int, end: int, rounds: int, *, watched: tuple[int, int] | None = None
    ) -> None:
        import lightgbm as lgb

        data = self._data(first, end)
        watching: dict[str, Any] = {}
        if watched:
            stop = lgb.early_stopping(PATIENCE_ROUNDS, verbose=False)
            watching = {"valid_sets": [self._data(*watched, data)], "callbacks": [stop]}
        lgb.train(self._parameters, data, num_boost_round=rounds, **watching)

    def _data(self, first: int, end: int, reference: Any = None) -> Any:
        import lightgbm as lgb

        places = list(range(len(NUMERIC), len(NUMERIC) + len(CATEGORICAL)))
        return lgb.Dataset(
            self._matrix[first:end],
            label=self._target[first:end],
            reference=reference,
            categorical_feature=places,
            params={**self._parameters},
        )


def _matrix(frame: pl.DataFrame) -> NDArray[np.float64]:
    codes = (pl.col(name).str.strip_prefix("level_").cast(pl.Float64) for name in CATEGORICAL)
    return np.ascontiguousarray(frame.select(*NUMERIC, *codes).to_numpy())


_ANSWER = """
import sys
import polars as pl
from iris_ct.bootstrap import parts
print(parts().champions.require(sys.argv[1]).predict(pl.read_parquet(sys.argv[2])).row(0))
"""
_BARE_ANSWER = """
import sys
import lightgbm as lgb
import numpy as np
print(lgb.Booster(model_file=sys.argv[1]).predict(np.zeros((1, 20)), num_threads=1))
"""


def _first_answer(parts: Parts, model: str, row: pl.DataFrame, work: Path, runs: int) -> Table:
    champion = parts.champions.require(model)
    text = parts.store.models.files(champion.version) / "model.txt"
    one = write(row.drop(TARGET), work / "row.parquet")
    found = interleaved(
        {
            "product": lambda: timed(lambda: _python(_ANSWER, model, str(one))),
            "bare": lambda: timed(lambda: _python(_BARE_ANSWER, str(text))),
            "python": lambda: timed(lambda: _python("pass")),
        },
        runs=max(runs, 3) + 2,
    )
    table = Table(
        "E. Champion answers in a new process: start to first prediction",
        ("what", "seconds", "goal"),
    )
    table.add(
        "home, store, champion with digest checked, one row", s(found["product"]), "<= 0.3 s"
    )
    table.add("import lightgbm, Booster(model_file=...), one row", s(found["bare"]), "")
    table.add("a Python that does nothing", s(found["python"]), "")
    return table


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
