"""The training process: ``python -m iris_ct.adapters.training.worker [MEMORY_MB]``.

Reads one job a line from standard input and writes one JSON line per event to standard output:
``{"event": "progress", "stage", "share"}``, then ``done`` (with ``rss_mb``) or ``failed`` (with
``text``). It opens no database connection and writes nothing but the job's output directory. It
ends when standard input does, that is when the process that started it dies, also while
LightGBM is busy.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import Any, NoReturn, TextIO

from iris_ct.adapters.training.job_run import run_job
from iris_ct.adapters.training.job_text import job_from_content
from iris_ct.adapters.training.memory import limit_memory, resident_mb
from iris_ct.core.errors import CTError

# Told apart from a crash, so that the starter can say that the worker was left alone.
EXIT_ORPHAN = 70

# Seconds between two looks at who the parent process is.
_WATCH_S = 2.0


def main() -> None:
    """Work on jobs until standard input ends."""
    if len(sys.argv) > 1:
        limit_memory(int(sys.argv[1]))
    # Ctrl-C in a terminal is for the host, which ends this process or lets it finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = _claim_standard_output()
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    threading.Thread(target=_watch_starter, args=(os.getppid(),), daemon=True).start()
    _tell(events, event="ready", pid=os.getpid())
    while True:
        _work(json.loads(jobs.get()), events)


def _read_jobs(jobs: queue.Queue[str]) -> NoReturn:
    """Queue the jobs; leave at once, whatever the main thread does, when nobody listens."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(EXIT_ORPHAN)


def _watch_starter(pid: int) -> NoReturn:
    """Leave when the starter is gone although a process it forked still holds the pipe open."""
    while os.getppid() == pid:
        time.sleep(_WATCH_S)
    os._exit(EXIT_ORPHAN)


def _work(content: dict[str, Any], events: TextIO) -> None:
    told: dict[str, float] = {}

    def progress(stage: str, share: float) -> None:
        # A line for each round would be thousands; one for each hundredth is enough.
        if stage not in told or share >= min(1.0, told[stage] + 0.01):
            told[stage] = share
            _tell(events, event="progress", stage=stage, share=round(share, 4))

    try:
        run_job(job_from_content(content), on_progress=progress)
    except CTError as error:
        _tell(events, event="failed", kind=type(error).__name__, text=str(error))
    except MemoryError:
        _tell(events, event="failed", kind="MemoryError", text="the process ran out of memory")
    except Exception as error:
        _tell(events, event="failed", kind=type(error).__name__, text=_where(error))
        raise
    else:
        _tell(events, event="done", rss_mb=round(resident_mb(), 1))


def _where(error: Exception) -> str:
    """Say where an unexpected error came from; never its text, which may quote row values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"
    )


def _claim_standard_output() -> TextIO:
    """Keep standard output for events; what libraries print goes to standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return events


def _tell(events: TextIO, **content: Any) -> None:
    events.write(json.dumps(content) + "\n")
    events.flush()


if __name__ == "__main__":
    main()
