"""Trainings in a real process: files, reuse, cancel, crashes, and death of the starter."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.training_tables import first_split, parcels, specification

from iris_ct.adapters.training.job_text import job_content, job_from_content
from iris_ct.adapters.training.process_trainer import ProcessTrainer, environment
from iris_ct.core.errors import ConfigError, TrainingCancelledError, TrainingFailedError
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.predictor import Predictor
from iris_ct.ports import TrainingJob

pytestmark = pytest.mark.integration

# Generous: the machine may be busy with other things.
PATIENCE_S = 120.0
ENDLESS = 10_000_000


@pytest.fixture
def trainer() -> Iterator[ProcessTrainer]:
    made = ProcessTrainer()
    yield made
    made.close()


def make_job(
    folder: Path, *, name: str = "one", task: Any = "regression", **said: Any
) -> TrainingJob:
    """Write a snapshot in several row groups and the roles of a first model."""
    spec = specification(task, **said)
    frame = parcels(1500, task=task)
    snapshot, roles = folder / "snapshot.parquet", folder / "roles.npy"
    frame.write_parquet(snapshot, row_group_size=400)
    np.save(roles, first_split(frame, spec).roles)
    digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
    return TrainingJob(name, spec, snapshot, digest, roles, folder / name)


def endless(folder: Path, name: str = "endless") -> TrainingJob:
    """Give a refit that no test waits for."""
    job = make_job(folder, name=name)
    return replace(job, window="all", rounds=ENDLESS)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def is_unlocked(output: Path) -> bool:
    """Tell whether no process works in an output directory any more."""
    with (output / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def run_in_thread(trainer: ProcessTrainer, job: TrainingJob) -> tuple[Any, threading.Event]:
    """Start a job; the event is set once it fits."""
    fitting = threading.Event()

    def follow(stage: str, share: float) -> None:
        if stage == "fit":
            fitting.set()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(trainer.run, job, on_progress=follow)
    pool.shutdown(wait=False)
    return future, fitting


def test_a_job_survives_json(tmp_path: Path) -> None:
    job = make_job(tmp_path, task="binary")
    assert job_from_content(job_content(job)) == job


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_a_training_leaves_a_model_and_its_holdout(
    tmp_path: Path, trainer: ProcessTrainer, task: str
) -> None:
    job = make_job(tmp_path, task=task)
    stages: list[str] = []
    outcome = trainer.run(job, on_progress=lambda stage, share: stages.append(stage))
    holdout = pl.read_parquet(job.output / "holdout.parquet")
    frame = pl.read_parquet(job.snapshot)
    predictor = Predictor(
        (job.output / "model.txt").read_text("utf-8"),
        FeatureEncoding.from_json((job.output / "encoding.json").read_text("utf-8")),
        job.specification,
    )
    assert holdout["_row"].to_list() == list(range(1200, 1500))
    assert holdout.drop("_row").equals(predictor.predict(frame[1200:]))
    assert (outcome.job_id, outcome.n_rows, outcome.fit_from) == (job.job_id, 1200, 0)
    assert outcome.peak_mb > 10
    assert "fit" in stages
    assert sorted(p.name for p in job.output.iterdir()) == [
        ".lock",
        "encoding.json",
        "holdout.parquet",
        "job.json",
        "model.txt",
        "result.json",
    ]


def test_two_processes_make_the_same_bytes(tmp_path: Path, trainer: ProcessTrainer) -> None:
    job = make_job(tmp_path, training={"threads": 2})
    trainer.run(job)
    other = ProcessTrainer()
    other.run(replace(job, output=tmp_path / "again"))
    other.close()
    for name in ("model.txt", "encoding.json"):
        assert (job.output / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_finished_output_is_used_again_without_a_process(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    first = ProcessTrainer()
    outcome = first.run(job)
    first.close()
    second = ProcessTrainer()
    assert second.run(job) == outcome
    assert second.worker_pid is None


def test_another_job_in_the_same_output_is_done_anew(
    tmp_path: Path, trainer: ProcessTrainer
) -> None:
    job = make_job(tmp_path)
    assert trainer.run(job).rounds != 3
    assert trainer.run(replace(job, window="all", rounds=3)).rounds == 3


def test_two_trainers_with_the_same_output_train_once(
    tmp_path: Path, trainer: ProcessTrainer
) -> None:
    """As after a crash, when a host begins again while the old worker still ends."""
    job = make_job(tmp_path)
    other = ProcessTrainer()
    one, _ = run_in_thread(trainer, job)
    two, _ = run_in_thread(other, job)
    assert one.result(PATIENCE_S) == two.result(PATIENCE_S)
    other.close()


def test_the_worker_stays_warm_and_is_recycled_by_memory(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    warm = ProcessTrainer()
    warm.run(job)
    pid = warm.worker_pid
    warm.run(replace(job, output=tmp_path / "two"))
    assert warm.worker_pid == pid is not None
    warm.close()
    greedy = ProcessTrainer(recycle_mb=1)
    greedy.run(replace(job, output=tmp_path / "three"))
    assert greedy.worker_pid is None


def test_a_changed_snapshot_is_refused(tmp_path: Path, trainer: ProcessTrainer) -> None:
    job = make_job(tmp_path)
    with pytest.raises(TrainingFailedError, match="changed or damaged"):
        trainer.run(replace(job, snapshot_digest="0" * 64))
    assert not (job.output / "result.json").exists()


def test_what_cannot_be_learned_is_told_and_the_worker_goes_on(
    tmp_path: Path, trainer: ProcessTrainer
) -> None:
    job = make_job(tmp_path)
    text = {**job.specification.content(), "task": "binary"}
    with pytest.raises(TrainingFailedError, match="binary, but its target has"):
        trainer.run(job_from_content({**job_content(job), "specification": text}))
    assert trainer.run(job).n_rows == 1200


def test_cancel_stops_a_running_job(tmp_path: Path, trainer: ProcessTrainer) -> None:
    job = endless(tmp_path)
    future, fitting = run_in_thread(trainer, job)
    assert fitting.wait(PATIENCE_S)
    assert trainer.cancel(job.job_id)
    with pytest.raises(TrainingCancelledError, match="endless"):
        future.result(PATIENCE_S)
    assert not trainer.cancel(job.job_id)
    assert trainer.run(make_job(tmp_path)).n_rows == 1200


def test_cancel_stops_a_waiting_job(tmp_path: Path, trainer: ProcessTrainer) -> None:
    running, fitting = run_in_thread(trainer, endless(tmp_path))
    assert fitting.wait(PATIENCE_S)
    waiting, _ = run_in_thread(trainer, make_job(tmp_path))
    wait_until(lambda: trainer.cancel("one"))
    trainer.cancel("endless")
    for future in (running, waiting):
        with pytest.raises(TrainingCancelledError):
            future.result(PATIENCE_S)


def test_a_progress_listener_can_stop_the_job(tmp_path: Path, trainer: ProcessTrainer) -> None:
    """How a flag in the store cancels a training that runs in another process."""

    def stop(stage: str, share: float) -> None:
        if stage == "fit":
            raise TrainingCancelledError("an operator said so")

    job = endless(tmp_path)
    with pytest.raises(TrainingCancelledError, match="operator"):
        trainer.run(job, on_progress=stop)
    wait_until(lambda: is_unlocked(job.output))


def test_a_killed_worker_fails_its_job_and_leaves_nothing_half_read(
    tmp_path: Path, trainer: ProcessTrainer
) -> None:
    job = endless(tmp_path)
    future, fitting = run_in_thread(trainer, job)
    assert fitting.wait(PATIENCE_S)
    pid = trainer.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TrainingFailedError, match="signal 9"):
        future.result(PATIENCE_S)
    assert not (job.output / "result.json").exists()
    again = trainer.run(replace(job, rounds=3))
    assert again.rounds == 3
    assert not (job.output / ".scratch").exists()


HOST = """
import sys, json
from iris_ct.adapters.training.job_text import job_from_content
from iris_ct.adapters.training.process_trainer import ProcessTrainer, environment
job = job_from_content(json.loads(sys.stdin.read()))
ProcessTrainer().run(job, on_progress=lambda stage, share: print(stage, flush=True))
"""


def test_the_worker_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    """LightGBM is busy then; nobody may go on training for a dead host."""
    import json

    job = endless(tmp_path)
    host = subprocess.Popen(
        [sys.executable, "-c", HOST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert host.stdin is not None
    assert host.stdout is not None
    host.stdin.write(json.dumps(job_content(job)))
    host.stdin.close()
    assert any(line.strip() == "fit" for line in host.stdout)
    assert not is_unlocked(job.output)
    host.kill()
    host.wait()
    host.stdout.close()
    wait_until(lambda: is_unlocked(job.output))
    assert not (job.output / "result.json").exists()


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        # The worker only reads a snapshot and writes files.
        ("iris_ct.adapters.training.worker", {"sqlalchemy", "mlflow", "iop"}),
        # Serving processes stay small and start fast.
        ("iris_ct.core.training.predictor", {"lightgbm", "pandas", "sklearn", "mlflow"}),
    ],
)
def test_a_process_loads_only_what_it_needs(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({unwanted!r} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert said.stdout == "[]\n"


def test_another_interpreter_can_be_named(tmp_path: Path) -> None:
    interpreter, called = tmp_path / "python-of-training", tmp_path / "called"
    interpreter.write_text(f'#!/bin/sh\necho "$@" > {called}\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    made = ProcessTrainer(python=str(interpreter))
    try:
        made.run(make_job(tmp_path))
    finally:
        made.close()
    assert called.read_text().split() == ["-m", "iris_ct.adapters.training.worker"]


def test_an_interpreter_without_the_packages_is_named(tmp_path: Path) -> None:
    interpreter = tmp_path / "python-without"
    interpreter.write_text("#!/bin/sh\nexit 1\n")
    interpreter.chmod(0o755)
    made = ProcessTrainer(python=str(interpreter))
    with pytest.raises(TrainingFailedError, match=r"before it was ready .*CT_PYTHON"):
        made.run(make_job(tmp_path))


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = ProcessTrainer(python=str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"absent' is no interpreter .* CT_PYTHON"):
        made.run(make_job(tmp_path))


def test_the_worker_fails_when_it_asks_for_more_memory_than_allowed(tmp_path: Path) -> None:
    """A refusal by the system, not by the product: the number is far below what libraries need."""
    made = ProcessTrainer(memory_mb=60)
    with pytest.raises(TrainingFailedError, match="memory"):
        made.run(make_job(tmp_path))
    assert made.worker_pid is None


def test_the_worker_works_within_its_limits(tmp_path: Path) -> None:
    made = ProcessTrainer(memory_mb=4000, threads=1)
    try:
        made.run(make_job(tmp_path))
        said = Path(f"/proc/{made.worker_pid}/limits").read_text("ascii")
        (line,) = [line for line in said.splitlines() if line.startswith("Max data size")]
        assert line.split()[3] == str(4000 * 2**20)
    finally:
        made.close()


def test_threads_are_limited_for_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    names = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    limited, free = environment(2), environment()
    assert [limited[name] for name in names] == ["2"] * 4
    assert free["OMP_NUM_THREADS"] == "8"
    assert "OMP_THREAD_LIMIT" not in free
