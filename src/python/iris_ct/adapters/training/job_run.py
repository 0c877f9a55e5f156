"""One training job from its files to its files."""

from __future__ import annotations

import fcntl
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from iris_ct.adapters.durable import write_whole
from iris_ct.adapters.training.job_text import (
    JOB,
    RESULT,
    is_finished,
    job_identity,
    outcome_to_json,
)
from iris_ct.adapters.training.memory import forget_peak, peak_mb
from iris_ct.adapters.training.snapshot_table import check_digest, load_table
from iris_ct.core.training.job import refit, train_and_predict
from iris_ct.core.training.parameters import boosting_parameters
from iris_ct.core.training.result import TrainingResult
from iris_ct.core.training.table import TrainingTable
from iris_ct.ports import TrainingJob, TrainingOutcome

Progress = Callable[[str, float], None]


def run_job(job: TrainingJob, *, on_progress: Progress) -> None:
    """Train, and leave the files of `ports.TrainingOutcome` in the job's output directory.

    A second process that is given the same output waits for the first one and then finds its
    result. What a killed process left is removed.

    Raises
    ------
    TrainingFailedError
        If nothing can be learned from the rows.
    IntegrityError
        If the snapshot or the roles are not what was catalogued.
    """
    job.output.mkdir(parents=True, exist_ok=True)
    with _alone_in(job.output):
        if is_finished(job):
            return
        forget_peak()
        started = time.perf_counter()
        on_progress("read", 0.0)
        check_digest(job.snapshot, job.snapshot_digest)
        with _scratch(job.output) as scratch:
            table = load_table(
                job.snapshot,
                job.roles,
                job.specification,
                judges_train=job.window is not None,
                matrix_path=scratch / "matrix.npy",
            )
            on_progress("read", 1.0)
            result = _train(table, job, on_progress)
        _write(job, result, seconds=time.perf_counter() - started)


def _train(table: TrainingTable, job: TrainingJob, on_progress: Progress) -> TrainingResult:
    if job.window is None:
        return train_and_predict(
            table,
            job.specification,
            preferred_window=job.preferred_window,
            on_progress=on_progress,
        )
    return refit(
        table,
        job.specification,
        window=job.window,
        rounds=job.rounds or job.specification.training.rounds,
        on_progress=on_progress,
    )


def _write(job: TrainingJob, result: TrainingResult, *, seconds: float) -> None:
    """Write the files, the record last."""
    (job.output / RESULT).unlink(missing_ok=True)
    _write_text(job.output / "model.txt", result.model_text)
    _write_text(job.output / "encoding.json", result.encoding.to_json())
    if result.holdout is not None:
        with write_whole(job.output / "holdout.parquet") as file:
            result.holdout.write_parquet(file)
    _write_text(job.output / JOB, job_identity(job))
    outcome = TrainingOutcome(
        job_id=job.job_id,
        window=result.window,
        rounds=result.rounds,
        recipe_digest=result.recipe_digest,
        n_rows=result.n_rows,
        fit_from=result.fit_from,
        fit_until=result.fit_until,
        candidates=result.candidates,
        curve=result.curve,
        importances=result.importances,
        seconds=round(seconds, 6),
        peak_mb=round(peak_mb(), 1),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("lightgbm", "numpy", "polars")},
        },
        parameters=boosting_parameters(job.specification, n_classes=len(result.encoding.classes)),
        baseline=result.baseline,
    )
    _write_text(job.output / RESULT, outcome_to_json(outcome))


def _write_text(path: Path, text: str) -> None:
    with write_whole(path) as file:
        file.write(text.encode())


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Wait until no other process works in a directory; a dead one does not count."""
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """Give an empty folder that is removed at the end, and also if a killed process left it."""
    scratch = directory / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
