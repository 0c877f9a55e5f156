"""`ports.Trainer` with a warm worker process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import iris_ct
from iris_ct.adapters.training.job_text import (
    RESULT,
    is_finished,
    job_content,
    outcome_from_json,
)
from iris_ct.core.errors import ConfigError, TrainingCancelledError, TrainingFailedError
from iris_ct.ports import TrainingJob, TrainingOutcome

Progress = Callable[[str, float], None]

# How long a caller's `on_progress` waits at most before it is called again, so that it can
# stop a job (by raising) although LightGBM is busy in one long round.
HEARTBEAT_S = 1.0

_WORKER = "iris_ct.adapters.training.worker"
# OpenMP (LightGBM), the libraries below NumPy and SciPy, Polars, Arrow.
_THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "ARROW_NUM_THREADS",
)

# A worker that was told to go gets so long to end by itself.
_GOODBYE_S = 5.0


class ProcessTrainer:
    """Runs training jobs in one worker process that stays warm between them.

    Owned by the composition root of a process; any thread may call it. Jobs of one trainer run
    one after the other; every process has a trainer and so a worker of its own.

    Parameters
    ----------
    recycle_mb : int
        The worker is ended after a job that leaves it with more resident memory than this.
    memory_mb : int
        The worker may ask the system for no more memory than this; 0: no limit.
    threads : int
        OpenMP and the other libraries of the worker start no more threads than this; 0: no limit.
    python : str
        Interpreter of the worker, a path or a name on PATH.
    """

    def __init__(
        self,
        *,
        recycle_mb: int = 1024,
        memory_mb: int = 0,
        threads: int = 0,
        python: str = sys.executable,
    ) -> None:
        self._recycle_mb = recycle_mb
        self._memory_mb = memory_mb
        self._threads = threads
        self._python = python
        self._one_job = threading.Lock()
        self._state = threading.Lock()
        self._worker: _Worker | None = None
        self._waiting: set[str] = set()
        self._cancelled: set[str] = set()

    def run(self, job: TrainingJob, *, on_progress: Progress | None = None) -> TrainingOutcome:
        """Run a job to its end, or give the outcome that its output directory holds already.

        Parameters
        ----------
        on_progress : callable, optional
            Called with a stage and its share done, at least every second while the job runs. If
            it raises, the job is stopped and the exception goes on to the caller.

        Raises
        ------
        TrainingFailedError
            If the job or its process failed; the text says why.
        TrainingCancelledError
            If `cancel` was called for it.
        """
        with self._state:
            self._waiting.add(job.job_id)
        try:
            with self._one_job:
                if not is_finished(job):
                    self._work(job, on_progress)
        finally:
            with self._state:
                self._waiting.discard(job.job_id)
                self._cancelled.discard(job.job_id)
        return outcome_from_json((job.output / RESULT).read_text("utf-8"))

    def cancel(self, job_id: str) -> bool:
        """Stop a running or waiting job of this process; tell whether there was one."""
        with self._state:
            if job_id not in self._waiting:
                return False
            self._cancelled.add(job_id)
            if self._worker is not None and self._worker.job_id == job_id:
                self._worker.kill()
        return True

    @property
    def worker_pid(self) -> int | None:
        """Process id of the warm worker; None when there is none."""
        with self._state:
            return self._worker.pid if self._worker is not None else None

    def close(self) -> None:
        """End the worker; a job that is running fails."""
        with self._state:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _work(self, job: TrainingJob, on_progress: Progress | None) -> None:
        worker = self._claim(job)
        finished = False
        try:
            rss_mb = self._follow(worker, job, on_progress)
            finished = True
        finally:
            with self._state:
                worker.job_id = None
                keep = finished and rss_mb <= self._recycle_mb and self._worker is worker
                if not keep and self._worker is worker:
                    self._worker = None
            if not keep:
                worker.close(kill=not finished)

    def _claim(self, job: TrainingJob) -> _Worker:
        """Give a living worker to a job, unless it was cancelled while it waited."""
        with self._state:
            if job.job_id in self._cancelled:
                raise TrainingCancelledError(_cancelled_text(job))
            if self._worker is None or not self._worker.is_alive:
                self._worker = self._start()
            self._worker.job_id = job.job_id
            return self._worker

    def _start(self) -> _Worker:
        """Start a worker.

        Raises
        ------
        ConfigError
            If there is no such interpreter.
        """
        command = [self._python, "-m", _WORKER]
        if self._memory_mb:
            command.append(str(self._memory_mb))
        try:
            return _Worker(command, environment(self._threads))
        except OSError as error:
            raise ConfigError(
                f"The training process cannot be started: {self._python!r} is no interpreter that "
                f"can be run ({type(error).__name__}). Set CT_PYTHON to the path of a Python "
                "that has this package's dependencies."
            ) from error

    def _follow(self, worker: _Worker, job: TrainingJob, on_progress: Progress | None) -> float:
        """Follow a job's events to its end; give the worker's memory after it."""
        worker.send(job_content(job))
        stage, share = "start", 0.0
        while True:
            event = worker.next_event(HEARTBEAT_S)
            kind = event["event"]
            if kind == "done":
                return float(event["rss_mb"])
            if kind == "failed":
                raise TrainingFailedError(
                    f"Training job {job.job_id} of model {job.specification.name!r} failed: "
                    f"{event['text']}"
                )
            if kind == "ended":
                self._raise_for_end(job, int(event["code"]), was_ready=worker.was_ready)
            if kind == "progress":
                stage, share = event["stage"], event["share"]
            if on_progress is not None:
                on_progress(stage, share)

    def _raise_for_end(self, job: TrainingJob, code: int, *, was_ready: bool) -> None:
        with self._state:
            if job.job_id in self._cancelled:
                raise TrainingCancelledError(_cancelled_text(job))
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not was_ready:
            raise TrainingFailedError(
                f"The training process ended with {how} before it was ready to train. Most often "
                f"{self._python!r} (CT_PYTHON) lacks packages that this product needs, or may not "
                "have the memory to load them (CT_WORKER_MEMORY_MB)."
            )
        raise TrainingFailedError(
            f"The process of training job {job.job_id} of model {job.specification.name!r} ended "
            f"with {how} and no result. Signal 9 most often means that the machine ran out of "
            "memory; allow a shorter training window then."
        )


def _cancelled_text(job: TrainingJob) -> str:
    return f"Training job {job.job_id} of model {job.specification.name!r} was cancelled."


class _Worker:
    """One worker process and the events it tells."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.job_id: str | None = None
        self.was_ready = False
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603 - the administrator names the interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        self._stdin = cast("TextIO", self._process.stdin)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, content: Mapping[str, Any]) -> None:
        # If it has just died, the event "ended" says so to whoever follows the job.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(json.dumps(content) + "\n")
            self._stdin.flush()

    def next_event(self, timeout_s: float) -> dict[str, Any]:
        """Give the next event, or the event "nothing" when none came in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return {"event": "nothing"}

    def kill(self) -> None:
        self._process.kill()

    def close(self, *, kill: bool = False) -> None:
        """End the process and wait until it is gone."""
        if kill:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        with cast("TextIO", self._process.stdout) as events:
            for line in events:
                event = json.loads(line)
                self.was_ready = self.was_ready or event["event"] == "ready"
                self._events.put(event)
        self._events.put({"event": "ended", "code": self._process.wait()})


def environment(threads: int = 0) -> dict[str, str]:
    """Let the worker find this very package, and its threads sleep while they wait.

    OpenMP's threads spin at every barrier by default: on a busy machine a fit of two threads then
    takes many times as long. Sleeping costs little where nothing else runs.

    Parameters
    ----------
    threads : int
        Most threads of each library; 0: no limit. ``OMP_THREAD_LIMIT`` also holds where a model
        file asks for more.
    """
    package_root = str(Path(iris_ct.__file__).parent.parent)
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths)}
    limits = dict.fromkeys(_THREAD_LIMITS, str(threads)) if threads else {}
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **limits, **own}
