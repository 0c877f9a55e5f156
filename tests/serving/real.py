"""A home with two versions of a model, and the real ``ct serve`` on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from tests.cli.running import MODEL, csv, ct, make_home
from tests.factories import day, rentals
from tests.serving.gateways import PATIENT

# Generous: the machine may be busy with other things.
PATIENCE_S = 120.0
COMMAND = (sys.executable, "-c", "from iris_ct.cli.main import run; run()")
WORKER = "iris_ct.serving.worker"
CONTROL = "iris_ct.control.main"


def home_with_two_versions(folder: Path) -> Path:
    """Make a home whose champion is version 2 of the model rentals."""
    home = make_home(folder / "dur")
    first = csv(folder / "first.csv", rentals(day(0), 30))
    moved = csv(folder / "moved.csv", rentals(day(30), 20, level=1.6, warmth=9))
    said = ct(home, "ingest", MODEL, first, moved)
    assert said.code == 0, said.err
    return home


def wait_for(what: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """Wait until something is true, and give it."""
    give_up = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < give_up, "it did not become true in time"
        time.sleep(0.05)
    return found


@dataclass
class Serving:
    """A ``ct serve`` that runs."""

    address: str
    home: Path
    process: subprocess.Popen[str]

    @property
    def netloc(self) -> str:
        """Host and port."""
        return urlsplit(self.address).netloc

    def memory_mb(self) -> dict[str, list[float]]:
        """Give the resident memory of the gateway, the control process and the workers."""
        sizes: dict[str, list[float]] = {"gateway": [], "control": [], "workers": []}
        for process in self.processes():
            try:
                size = process.memory_info().rss / 2**20
                sizes[kind_of(process, self.process.pid)].append(size)
            except psutil.NoSuchProcess:
                continue
        return sizes

    def processes(self) -> list[psutil.Process]:
        """Give the gateway and its children."""
        gateway = psutil.Process(self.process.pid)
        return [gateway, *gateway.children()]

    def pids(self, kind: str) -> list[int]:
        """Give the processes of a kind: gateway, control or workers."""
        found = []
        for process in self.processes():
            try:
                if kind_of(process, self.process.pid) == kind:
                    found.append(process.pid)
            except psutil.NoSuchProcess:
                continue
        return found


def kind_of(process: psutil.Process, gateway: int) -> str:
    """Say which kind of process it is."""
    if process.pid == gateway:
        return "gateway"
    return "control" if CONTROL in process.cmdline() else "workers"


@contextmanager
def serving(home: Path, *options: str, **environ: str) -> Iterator[Serving]:
    """Run ``ct serve`` on a home until the end of the block."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("CT_")}
    log = home.parent / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, "--home", str(home), "serve", "--port", "0", *options],
            env={**clean, **PATIENT, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
            cwd=home.parent,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("Serving on "), f"it did not start: {line} {log.read_text()}"
        yield Serving(line.removeprefix("Serving on "), home, process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
