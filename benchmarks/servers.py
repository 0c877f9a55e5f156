"""Servers as processes of their own: from their start to their first answer, and their memory."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.load import Question

_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes
    ----------
    cold_start_s : float
        From the start of the process to its first answer.
    process : psutil.Process
        The first of its processes.
    """

    cold_start_s: float
    process: psutil.Process

    def memory_mb(self, named: str = "") -> tuple[float, float]:
        """Give the resident memory of the process that answers, and of all of them.

        Parameters
        ----------
        named
            What the command line of that process holds; empty: it is the largest.
        """
        sizes = {}
        for one in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes[" ".join(one.cmdline()), one.pid] = one.memory_info().rss / 2**20
        answering = [size for (line, _), size in sizes.items() if named in line]
        return max(answering), sum(sizes.values())


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    question: Question,
    *,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a server, wait until it answers a question, and end it after the block.

    Raises
    ------
    RuntimeError
        If it ended or did not answer in time; with what it wrote.
    """
    log = cwd / "server.log"
    with log.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environ or {})},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    inside = psutil.Process(process.pid)
    try:
        while ask(question) is None:
            if process.poll() is not None or time.perf_counter() - began > _PATIENCE_S:
                raise RuntimeError(f"{command} does not answer:\n{log.read_text()[-4000:]}")
            time.sleep(0.005)
        yield Server(time.perf_counter() - began, inside)
    finally:
        _end(inside)
        process.wait()


def ask(question: Question) -> bytes | None:
    """Ask once; None if the answer is not 200 or there is none."""
    parts = urlsplit(question.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request("POST", parts.path, question.body, dict(question.headers))
        answer = connection.getresponse()
        said = answer.read()
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()
    return said if answer.status == 200 else None


def _end(process: psutil.Process) -> None:
    every = [process, *process.children(recursive=True)]
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    _, left = psutil.wait_procs(every, timeout=20)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
