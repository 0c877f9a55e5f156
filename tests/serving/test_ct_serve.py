"""``ct serve`` and ``ct up --serve`` as people start them, with a real model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.serving.gateways import (
    PATIENCE_S,
    PATIENT,
    ROOT,
    Gateway,
    branch,
    gateway,
    routes,
    wait_for,
    write_routes,
)
from tests.serving.real import serving
from tests.unit.core.scoring.models import fitted

from iris_ct.adapters.bundles import write_bundle
from iris_ct.adapters.gateway_lock import LOCK, gateway_of

pytestmark = pytest.mark.integration
COMMAND = (sys.executable, "-c", "from iris_ct.cli.main import run; run()")


@contextmanager
def ct(home: Path, *arguments: str) -> Iterator[tuple[Gateway, Path]]:
    """Run a command that serves, and give the gateway and the file with what it says."""
    said = home / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "--home", str(home), *arguments],
            stdout=output,
            stderr=output,
            cwd=home,
            text=True,
            env={**os.environ, **PATIENT, "PYTHONPATH": str(ROOT / "src/python")},
        )
    try:
        address = wait_for(lambda: re.search(r"Serving on (http\S+)", said.read_text()))[1]
        yield Gateway(address, home, process), said
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    assert code in {0, 143}, said.read_text()


@pytest.mark.parametrize("workers", ["1", "0"])
def test_a_bundle_is_served_as_it_predicts_by_itself(tmp_path: Path, workers: str) -> None:
    model = fitted()
    bundle = write_bundle(
        tmp_path / "serving" / "bundles",
        model_text=model.text,
        encoding=model.encoding,
        specification=model.specification,
        version=3,
    )
    served = {
        "branch": "a",
        "model": "parcels",
        "version": "3",
        "image": "parcels:3",
        "bundle": str(bundle.relative_to(tmp_path)),
    }
    table = {"revision": 1, "services": [{"name": "parcels", "branches": [served]}]}
    write_routes(tmp_path, json.dumps(table).encode())
    rows, expected = model.rows()[:3], model.by_file["prediction"][:3].to_list()
    with ct(tmp_path, "serve", "--port", "0", "--workers", workers, "--no-control") as running:
        told = running[0].post("/invocations", {"dataframe_records": rows})
        assert (told.status, told.json) == (200, {"predictions": expected})
        wrong = running[0].post("/invocations", {"dataframe_records": [{"size": "x"}]})
        assert wrong.status == 400
        described = running[0].ask("GET", "/openapi.json").json["paths"]
        assert "size" in json.dumps(described["/invocations"])
        metrics = running[0].ask("GET", "/metrics").body.decode()
    place = 'branch="a",model="parcels",service="parcels",version="3"'
    assert f"ct_rows_total{{{place}}} 3.0" in metrics


def test_a_model_from_elsewhere_is_told_no_secret_of_ours(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)])))
    ours: dict[str, Any] = {
        "AWS_SECRET_ACCESS_KEY": "s",
        "CT_STORE_PASSWORD": "s",
        "MODEL_NAME": "Other",
    }
    with gateway(tmp_path, WANTED="1", **ours) as running:
        told = running.post("/model-endpoints/tiny", {}).json["variables"]
    assert "WANTED" in told
    assert not {name for name in told if name.startswith(("CT_", "AWS_", "MODEL_NAME"))}


def test_ct_up_serves_beside_the_production_and_ends_it_too(tmp_path: Path) -> None:
    with ct(tmp_path, "up", "--serve", "0") as (running, _):
        assert running.ask("GET", "/readyz").status == 200
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system likes
        running.ask("GET", "/readyz")


def test_a_second_gateway_of_a_home_must_do_without_a_control_process(tmp_path: Path) -> None:
    home = tmp_path / "dur"
    home.mkdir()
    with serving(home) as first:
        pid = first.process.pid
        assert gateway_of(home) == pid
        second = subprocess.run(
            [*COMMAND, "--home", str(home), "serve", "--port", "0"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src/python")},
        )
        assert second.returncode == 2
        assert f"process {pid} holds {home / LOCK}" in second.stderr
        assert "--no-control" in second.stderr
        with serving(home, "--no-control"):
            assert gateway_of(home) == pid
        first.process.kill()
        first.process.wait()
        assert gateway_of(home) is None
