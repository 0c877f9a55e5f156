from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import jsonschema_rs
import pytest
from tests.unit.core.scoring.models import fitted
from tests.unit.core.wire.wsgi import Application

from iris_ct.core.scoring.signature import Signature
from iris_ct.core.wire import openapi_bodies
from iris_ct.core.wire.openapi import Described, description
from iris_ct.core.wire.openapi_answers import SCHEMAS


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def application() -> Application:
    return Application("parcels", fitted("regression").scorer)


@pytest.fixture(scope="module")
def address(application: Application) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def signature(application: Application) -> Signature:
    return application.worker._scorer.signature


@pytest.mark.slow
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    """Every protocol once: all checks, valid and invalid requests."""
    ran = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")),
            "run",
            f"{address}/openapi.json",
            "--no-color",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=3",
            "--include-path-regex",
            "^/(model-endpoints/parcels|v2/models/parcels(/infer)?|invocations|feedback|ping)$",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]


def test_example_of_every_protocol_follows_its_schema(signature: Signature) -> None:
    bodies = {
        "seldon": openapi_bodies.seldon,
        "open_inference": openapi_bodies.open_inference,
        "mlflow": openapi_bodies.mlflow,
    }
    for protocol, example in openapi_bodies.examples(signature).items():
        schema = {**bodies[protocol](signature), "components": {"schemas": SCHEMAS}}
        jsonschema_rs.validate(schema, example)


def test_every_service_has_paths_of_its_own(signature: Signature) -> None:
    paths = description(
        [Described("one", ("1", "2"), signature), Described("other", ("7",), None)]
    )["paths"]
    assert {
        "/model-endpoints/one",
        "/model-endpoints/other",
        "/v2/models/one/versions/1/infer",
        "/v2/models/one/versions/2/infer",
        "/v2/models/other/versions/7/ready",
    } <= set(paths)
    asked = paths["/invocations"]["post"]["parameters"][0]
    assert asked["schema"] == {"enum": ["one", "other"]}


def test_description_without_a_model_has_the_public_paths() -> None:
    paths = description([], needs_token=True)["paths"]
    assert {
        *("/api/v0.1/predictions", "/api/v1.0/predictions", "/api/v1.0/feedback", "/feedback"),
        *("/invocations", "/ping", "/health", "/version", "/health/ping", "/health/status"),
        *("/metadata", "/metrics", "/healthz", "/readyz", "/v2", "/v2/health/live"),
    } <= set(paths)
