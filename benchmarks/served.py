"""The model that the serving benchmark serves, and each side that serves it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.home import first_model, parts_of
from benchmarks.load import Question
from benchmarks.measure import ROOT
from benchmarks.servers import Server, free_port, running
from iris_ct.adapters.bundles import write_bundle
from iris_ct.bootstrap import Parts
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.serving.access.tokens import create_token, tokens_path

MODEL = "bench"
FEATURES = tuple(f"f{number}" for number in range(8))
PEERS = "BENCH_PEERS"
"""Variable that names the Python with mlserver, mlserver-lightgbm and mlflow."""

_DAYS = 365.0
_MODEL_FILE = """
task = "regression"
target = "outcome"
event_time = "at"
key = "at"

[features]
{features}

[training]
rounds = {rounds}
windows = ["all"]
threads = 1
parameters = {{ num_leaves = {leaves}, learning_rate = 0.05 }}
"""


@dataclass(frozen=True)
class Model:
    """The champion as files: what all sides load.

    Attributes
    ----------
    text : str
        LightGBM's native text.
    bundle : str
        Its bundle, relative to the home.
    """

    home: Path
    text: str
    bundle: str

    @property
    def size(self) -> str:
        """How large it is, counted in its text."""
        leaves = [int(n) for n in re.findall(r"^num_leaves=(\d+)", self.text, re.MULTILINE)]
        mean = sum(leaves) / len(leaves)
        return f"{len(leaves)} trees of {mean:.0f} leaves, {len(FEATURES)} features"


def rows(n: int, *, seed: int = 1) -> pl.DataFrame:
    """Make rows: an event time, numbers and a target that depends on all of them."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0.0, 1.0, (n, len(FEATURES))).round(4)
    waves = sum(np.sin((1 + place) * matrix[:, place]) for place in range(len(FEATURES)))
    target = waves + matrix[:, 0] * matrix[:, 1] + rng.normal(0.0, 0.1, n)
    at = np.datetime64("2024-01-01", "ms") + (np.arange(n) * (_DAYS * 86_400_000 / n)).astype(
        "timedelta64[ms]"
    )
    return pl.DataFrame(
        {
            "at": pl.Series(at).dt.strftime("%Y-%m-%d %H:%M:%S%.3f"),
            **{name: matrix[:, place] for place, name in enumerate(FEATURES)},
            "outcome": target.round(4),
        }
    )


@contextmanager
def model(
    work: Path, *, n_rows: int, rounds: int = 100, leaves: int = 63
) -> Iterator[tuple[Parts, Model]]:
    """Train the champion in a home of its own."""
    file = work / "rows.parquet"
    rows(n_rows).write_parquet(file)
    features = "\n".join(f'{name} = "numeric"' for name in FEATURES)
    text = _MODEL_FILE.format(features=features, rounds=rounds, leaves=leaves)
    with parts_of(work / "home", **{MODEL: text}) as parts:
        first_model(parts, MODEL, file)
        yield parts, _bundled(parts)


def _bundled(parts: Parts) -> Model:
    store = parts.store
    champion = store.models.champion(MODEL)
    if champion is None:
        raise RuntimeError("The benchmark's model has no champion.")
    version = store.models.get(MODEL, champion.version)
    files = store.models.files(version)
    text = (files / "model.txt").read_text("utf-8")
    bundle = write_bundle(
        parts.home / "serving" / "bundles",
        model_text=text,
        encoding=FeatureEncoding.from_json((files / "encoding.json").read_text("utf-8")),
        specification=store.specifications.get(version.spec_digest),
        version=version.version,
    )
    return Model(parts.home, text, str(bundle.relative_to(parts.home)))


def tensor(matrix: NDArray[np.float64]) -> bytes:
    """Ask in the Open Inference Protocol."""
    given = {"name": "x", "shape": [*matrix.shape], "datatype": "FP64"}
    return json.dumps({"inputs": [{**given, "data": matrix.ravel().tolist()}]}).encode()


def inputs(matrix: NDArray[np.float64]) -> bytes:
    """Ask in MLflow's protocol."""
    return json.dumps({"inputs": matrix.tolist()}).encode()


@dataclass(frozen=True)
class Side:
    """One way to serve the model.

    Attributes
    ----------
    name : str
        As the table says it.
    command : list of str
        Starts it; ``{port}`` is the port.
    path : str
        Where it is asked; ``{what}`` becomes ``one``, ``same`` or ``different``.
    ask : callable
        Makes the body of some rows.
    answering : str
        What the command line of the process that answers holds; empty: it is the largest.
    """

    name: str
    command: list[str]
    path: str
    cwd: Path
    is_mlflow: bool = False
    answering: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    is_peer: bool = False

    def question(self, what: str, matrix: NDArray[np.float64], port: int) -> Question:
        """Make a question."""
        return Question(
            f"http://127.0.0.1:{port}" + self.path.format(what=what),
            inputs(matrix) if self.is_mlflow else tensor(matrix),
            {"content-type": "application/json", **self.headers},
        )

    @contextmanager
    def serving(self, first: NDArray[np.float64]) -> Iterator[tuple[Server, int]]:
        """Run it until the end of the block; gives it and its port."""
        port, *others = (free_port() for _ in range(3))
        command = [part.format(port=port) for part in self.command]
        environ = {
            "CT_SERVE_PORT": str(port),
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": str(others[0]),
            "MLSERVER_METRICS_PORT": str(others[1]),
            **self.environ,
        }
        asked = self.question("one", first, port)
        with running(command, asked, cwd=self.cwd, environ=environ) as server:
            yield server, port


def limit(work: Path, sizes: dict[str, int]) -> Side:
    """Give the bare handler; ``sizes`` are those of the gateway's answers."""
    said = ",".join(f"/{what}={size}" for what, size in sizes.items())
    command = [sys.executable, "-m", "benchmarks.bare_server", "--port", "{port}", "--sizes", said]
    folder = _folder(work, "bare")
    return Side(
        "bare uvicorn handler",
        command,
        "/{what}",
        folder,
        environ={"PYTHONPATH": os.pathsep.join([str(ROOT / "src/python"), str(ROOT)])},
    )


def bare_gateway(work: Path, served: Model) -> Side:
    """Give the gateway with everything off: in its own process, no token, no log, no control."""
    home = _folder(work, "off")
    _write_routes(home, served, log=False)
    return Side(
        "gateway, everything off",
        [*_ct(home), "--workers", "0", "--no-control"],
        f"/v2/models/{MODEL}/infer",
        home,
    )


def full_gateway(served: Model, *, mlflow: bool = False) -> Side:
    """Give the gateway as it is used: worker, control, token, prediction log, metrics."""
    home = served.home
    token = home / "token"
    if not tokens_path(home).exists():
        text, _ = create_token(home, "bench", role="reader", domains=("*",), now=datetime.now(UTC))
        token.write_text(text)
    return Side(
        f"gateway, everything on{', MLflow protocol' if mlflow else ''}",
        _ct(home),
        f"/model-endpoints/{MODEL}/invocations" if mlflow else f"/v2/models/{MODEL}/infer",
        home,
        is_mlflow=mlflow,
        answering="iris_ct.serving.worker",
        headers={"authorization": f"Bearer {token.read_text()}"},
    )


def _ct(home: Path) -> list[str]:
    start = [sys.executable, "-c", "from iris_ct.cli.main import run; run()"]
    return [*start, "--home", str(home), "serve", "--port", "{port}"]


def _write_routes(home: Path, served: Model, *, log: bool) -> None:
    """Let a gateway without control serve the same bundle from a home of its own."""
    folder = home / "serving" / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / Path(served.bundle).name
    if not bundle.exists():
        bundle.symlink_to(served.home / served.bundle)
    branch = {
        "branch": "a",
        "model": MODEL,
        "version": "1",
        "bundle": str(bundle.relative_to(home)),
        "log": log,
    }
    table = {"revision": 1, "services": [{"name": MODEL, "branches": [branch]}]}
    (home / "serving" / "routes.json").write_text(json.dumps(table))


def peers(work: Path, served: Model) -> list[Side]:
    """Give MLServer at its best and ``mlflow models serve``; none if they are not there."""
    python = os.environ.get(PEERS)
    if not python:
        return []
    tools = Path(python).parent
    folder = _folder(work, "mlserver")
    (folder / "model.txt").write_text(served.text)
    # No parallel workers, no log of requests, no compression, no tracing: its quickest.
    settings = {"parallel_workers": 0, "debug": False, "gzip_enabled": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    described = {
        "name": MODEL,
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.txt"},
    }
    (folder / "model-settings.json").write_text(json.dumps(described))
    path = f"/v2/models/{MODEL}/infer"
    quiet = {"PYTHONPATH": "", "PYTHONWARNINGS": "ignore"}
    mlserver = [str(tools / "mlserver"), "start", str(folder)]
    logged = _log_for_mlflow(python, _folder(work, "mlflow"), served)
    mlflow = [python, "-m", "mlflow", "models", "serve", "-m", str(logged), "-p", "{port}"]
    mlflow += ["--env-manager", "local", "--workers", "1"]
    # A thread for each core, as it comes; and one, which is quicker for single rows.
    return [
        Side("MLServer, no workers", mlserver, path, folder, environ=quiet, is_peer=True),
        Side(
            "MLServer, no workers, one thread",
            mlserver,
            path,
            folder,
            environ={**quiet, "OMP_NUM_THREADS": "1"},
            is_peer=True,
        ),
        Side(
            "mlflow models serve",
            mlflow,
            "/invocations",
            logged.parent,
            is_mlflow=True,
            environ={**quiet, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
            is_peer=True,
        ),
    ]


_LOG = """
import sys, lightgbm, mlflow.lightgbm
booster = lightgbm.Booster(model_file=sys.argv[1])
mlflow.lightgbm.save_model(booster, sys.argv[2], pip_requirements=["lightgbm"])
"""


def _log_for_mlflow(python: str, folder: Path, served: Model) -> Path:
    (folder / "model.txt").write_text(served.text)
    target = folder / "logged"
    command = [python, "-c", _LOG, str(folder / "model.txt"), str(target)]
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, check=False
    )
    if ran.returncode != 0:
        raise RuntimeError(f"mlflow does not save the model:\n{ran.stderr.decode()[-4000:]}")
    return target


def _folder(work: Path, name: str) -> Path:
    folder = work / name
    folder.mkdir(exist_ok=True)
    return folder
