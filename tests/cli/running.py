"""Running ``ct``: in this process where that is quick, as its users do where it matters."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.factories import RENTALS, day, rentals

from iris_ct.cli.main import main

MODEL = "rentals"
# Generous: the machine may be busy with other things.
PATIENCE_S = 180.0
COMMAND = (sys.executable, "-c", "from iris_ct.cli.main import run; run()")


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON: it must hold nothing else."""
        return json.loads(self.out)


def ct(home: Path, *arguments: object) -> Said:
    """Run ``ct`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["--home", str(home), *(str(argument) for argument in arguments)])
    return Said(code, out.getvalue(), err.getvalue())


def ct_process(home: Path, *arguments: object, **environment: str) -> Said:
    """Run ``ct`` as a program."""
    done = subprocess.run(
        [*COMMAND, "--home", str(home), *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        env=_environment(environment),
        timeout=PATIENCE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@contextmanager
def ct_up(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``ct up`` beside the block; it is over at the end."""
    with subprocess.Popen(
        [*COMMAND, "--home", str(home), "up", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment({"CT_SETTLE_S": "0.2"}),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert "The production runs as process" in process.stdout.readline()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until(reached: Callable[[], object]) -> None:
    """Wait for a condition."""
    give_up = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.2)


def make_home(path: Path, *, extra: str = "", head: str = "") -> Path:
    """Make a home with the model rentals and no rows."""
    (path / "models").mkdir(parents=True)
    text = head + RENTALS.format(extra=extra)
    (path / "models" / f"{MODEL}.toml").write_text(text)
    return path


def copy_home(home: Path, path: Path) -> Path:
    """Copy a home that nobody changes now.

    By a process of its own: to close a file of SQLite gives up all locks that this process has on
    it, also those of connections that are still open, and others then take its log away.
    """
    path.mkdir(parents=True)
    subprocess.run(["/bin/cp", "-a", f"{home}/.", path], check=True)
    for pattern in ("*.bells", "*lock", "writers"):
        for left in sorted(path.rglob(pattern), reverse=True):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
    return path


def lived_home(factory: pytest.TempPathFactory) -> Path:
    """Give a home in which everything has happened once: made once for all processes of a run.

    It has two versions, a drifted batch, held-back rows and a prediction, and is for copies only.
    """
    own = factory.getbasetemp()
    # The processes of one run have their folders beside each other.
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    home = folder / "lived" / "dur"
    with (folder / "lived.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "lived" / "made").exists():
            shutil.rmtree(home.parent, ignore_errors=True)
            _live(make_home(home), home.parent)
            (folder / "lived" / "made").touch()
    return home


def _live(home: Path, folder: Path) -> None:
    first = csv(folder / "first.csv", rentals(day(0), 30))
    moved = rentals(day(30), 20, level=1.6, warmth=9)
    moved[3, "temperature"] = 99.0
    assert ct(home, "ingest", MODEL, first, csv(folder / "moved.csv", moved)).code == 0
    rows = csv(folder / "tomorrow.csv", rentals(day(50), 1).drop("hires"))
    assert ct(home, "predict", MODEL, "--in", rows, "--out", folder / "predicted.csv").code == 0


def csv(path: Path, rows: pl.DataFrame) -> Path:
    """Write rows."""
    rows.write_csv(path)
    return path


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
