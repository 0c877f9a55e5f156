"""What answers for a branch: worker processes, or with ``--workers 0`` this very process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from iris_ct.core.errors import CTError
from iris_ct.serving.child import Program
from iris_ct.serving.frames import Answer, Call
from iris_ct.serving.options import GatewayOptions
from iris_ct.serving.pool import Backend, Done, Failure, Limits, Pool, pass_on
from iris_ct.serving.routes import BranchRoute

_NATIVE = "iris_ct.serving.worker"
_FOREIGN = "foreign_worker.py"
# Variables that hold passwords of ours, or that would mean another model's.
_OURS = ("CT_", "MLFLOW_", "AWS_", "PG", "IRIS", "ISC_", "MODEL_NAME")
AnswerAll = Callable[[Sequence[Call]], list[Answer]]
SESSIONS = "sessions"


def journal_folder(options: GatewayOptions) -> Path:
    """Where predictions wait for the log."""
    return options.serving_dir / "journal"


def make_backend(
    options: GatewayOptions, service: str, branch: BranchRoute, limits: Limits
) -> Backend:
    """Make what answers for a branch."""
    if options.workers == 0 and branch.runtime == "native":
        return InProcess(lambda: _open_app(options, branch), limits)
    timeout_s = limits.timeout_s
    return Pool(lambda number: _program(options, service, branch, number, timeout_s), limits)


def sessions_folder(options: GatewayOptions, service: str, model: str) -> Path:
    """Where the states of a model's sessions are, whatever its version."""
    return options.serving_dir / SESSIONS / service / model


def _program(
    options: GatewayOptions, service: str, branch: BranchRoute, number: int, timeout_s: float
) -> Program:
    bundle = str(options.home / branch.bundle)
    threads = str(options.n_threads)
    rest = ["--bundle", bundle, "--journal", str(journal_folder(options))]
    if branch.runtime == "native":
        # -P: what lies in the working directory is no part of the program.
        start = [sys.executable, "-P", "-m", _NATIVE]
        rest += ["--threads", threads]
    else:
        start = [branch.python or sys.executable, str(Path(__file__).with_name(_FOREIGN))]
        rest = ["--bundle", bundle, "--runtime", branch.runtime]
        rest += ["--allow-pickle"] if branch.allow_pickle else []
        rest += _sessions(options, service, branch, timeout_s) if branch.stateful else []
    return Program(
        lambda fd: [*start, "--fd", str(fd), *rest],
        log=options.serving_dir / "logs" / service / f"{branch.branch}-{number}.log",
        name=f"Worker {number} of {service}/{branch.branch} ({branch.model}:{branch.version})",
        env=(
            ("OMP_NUM_THREADS", threads),
            # Threads that wait leave the processors to the gateway and the other workers.
            ("OMP_WAIT_POLICY", "PASSIVE"),
            ("PYTHONUNBUFFERED", "1"),
        ),
        hidden=() if branch.runtime == "native" else _OURS,
    )


def _sessions(
    options: GatewayOptions, service: str, branch: BranchRoute, timeout_s: float
) -> list[str]:
    said = {
        "--sessions": sessions_folder(options, service, branch.model),
        "--session-kb": options.session_kb,
        "--session-count": options.sessions,
        "--session-idle-s": options.session_idle_s,
        # Beyond it the gateway has said that there is no answer.
        "--limit-s": timeout_s,
    }
    return [str(part) for pair in said.items() for part in pair]


def _open_app(options: GatewayOptions, branch: BranchRoute) -> AnswerAll:
    from iris_ct.adapters.bundles import load_bundle
    from iris_ct.adapters.journal import JournalWriter
    from iris_ct.serving.app import WorkerApp

    scorer = load_bundle(options.home / branch.bundle, threads=options.n_threads)
    return WorkerApp(scorer, JournalWriter(journal_folder(options))).answer_all


class InProcess:
    """Answers in the gateway's own process, and while it does nothing else runs.

    What arrives in one turn of the loop is answered together at its end, with one journal write.
    A time limit cannot be kept here, and a model that ends the process ends the gateway.
    """

    n_restarts = 0

    def __init__(self, make: Callable[[], AnswerAll], limits: Limits) -> None:
        self.limits = limits
        self.pids: list[int] = []
        self.error: str | None = None
        self._loop = asyncio.get_running_loop()
        self._asked: list[tuple[Call, Done]] = []
        self._answer_all: AnswerAll | None = None
        try:
            self._answer_all = make()
        except (CTError, OSError) as error:
            self.error = str(error)

    @property
    def n_ready(self) -> int:
        """One, if the model could be loaded."""
        return int(self._answer_all is not None)

    @property
    def n_waiting(self) -> int:
        """Calls of this turn."""
        return len(self._asked)

    @property
    def n_queued(self) -> int:
        """Calls of this turn."""
        return len(self._asked)

    def ask(self, call: Call, done: Done) -> None:
        """Answer a call at the end of this turn."""
        if self._answer_all is None:
            done(Failure(503, f"{call.image} cannot answer: it could not be loaded."))
            return
        if not self._asked:
            self._loop.call_soon(self._answer, self._answer_all)
        self._asked.append((call, done))

    def _answer(self, answer_all: AnswerAll) -> None:
        asked, self._asked = self._asked, []
        answers = answer_all([call for call, _ in asked])
        for (call, done), answer in zip(asked, answers, strict=True):
            pass_on(answer, call, done)

    def scale(self, instances: int) -> None:
        """Stay one: there are no processes."""

    async def ready(self) -> str | None:
        """Say why it could not be loaded."""
        return self.error

    async def drain(self) -> None:
        """Let this turn end."""
        while self._asked:
            await asyncio.sleep(0)

    def tick(self, now: float) -> None:
        """Have nothing that is due."""

    def look(self) -> None:
        """Have no logs."""
