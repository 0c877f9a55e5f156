"""The gateway and the WSGI application answer the same paths, methods and mistakes alike."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from tests.cli.running import MODEL
from tests.control.test_whole_gateway import ROW, serving

from iris_ct.bootstrap import Parts
from iris_ct.core.wire.refusal import SELDON
from iris_ct.serving.paths import OF_ANY, OF_SERVICE, place_of, protocol_of
from iris_ct.serving.wsgi import Application

pytestmark = pytest.mark.integration

AT, V2 = f"/model-endpoints/{MODEL}", f"/v2/models/{MODEL}"
INPUTS = [
    {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
    for name, kind in zip(ROW, ["FP64", "FP64", "BYTES", "BOOL"], strict=True)
]
SELDON_BODY = {"jsonData": ROW}
MLFLOW_BODY = {"dataframe_records": [ROW]}
V2_BODY = {"inputs": INPUTS}
FEEDBACK_BODY = {"reward": 1.0, "response": {"meta": {"puid": "p"}}}

# The members of what is said: by these its protocol is known.
PREDICTED, TAKEN, NO_DATA = "jsonData meta", "meta status", "data meta"
INFERRED = "id model_name model_version outputs"
MODEL_WORDS = "inputs name outputs platform versions"
SERVER = "extensions name version"
SELDON_NO, MLFLOW_NO, PLAIN_NO, V1_NO = "status", "error_code message", "error", "message"

# Method, path, body; status, and the members of what is said, or the text itself.
GOLDEN: list[tuple[str, str, Any, int, str]] = [
    # Predictions and feedback.
    ("POST", AT, SELDON_BODY, 200, PREDICTED),
    ("POST", f"{AT}/", SELDON_BODY, 200, PREDICTED),
    ("POST", f"{AT}/api/v1.0/predictions", SELDON_BODY, 200, PREDICTED),
    ("POST", f"{AT}/api/v0.1/predictions", SELDON_BODY, 200, PREDICTED),
    ("POST", "/api/v1.0/predictions", SELDON_BODY, 200, PREDICTED),
    ("POST", f"/api/v0.1/predictions?service={MODEL}", SELDON_BODY, 200, PREDICTED),
    ("POST", f"{AT}/feedback", FEEDBACK_BODY, 200, TAKEN),
    ("POST", f"{AT}/api/v1.0/feedback", FEEDBACK_BODY, 200, TAKEN),
    ("POST", "/feedback", FEEDBACK_BODY, 200, TAKEN),
    ("POST", "/invocations", MLFLOW_BODY, 200, "predictions"),
    ("POST", f"{AT}/invocations", MLFLOW_BODY, 200, "predictions"),
    ("POST", f"{V2}/infer", V2_BODY, 200, INFERRED),
    ("POST", f"{V2}/versions/2/infer", V2_BODY, 200, INFERRED),
    # Health and metadata, also with a slash more.
    ("GET", "/ping", None, 200, "\n"),
    ("GET", "/ping/", None, 200, "\n"),
    ("GET", "/health", None, 200, "\n"),
    ("GET", "/healthz", None, 200, "ok\n"),
    ("HEAD", "/healthz", None, 200, ""),
    ("GET", "/readyz", None, 200, "ok\n"),
    ("GET", "/health/ping", None, 200, "pong"),
    ("GET", "/health/status", None, 200, NO_DATA),
    ("GET", "/v2", None, 200, SERVER),
    ("GET", "/v2/", None, 200, SERVER),
    ("GET", "/v2/health/live", None, 200, "live"),
    ("GET", "/v2/health/ready", None, 200, "ready"),
    ("GET", "/metadata", None, 200, MODEL_WORDS),
    ("GET", f"/metadata?service={MODEL}", None, 200, MODEL_WORDS),
    ("GET", f"{AT}/metadata", None, 200, MODEL_WORDS),
    ("GET", f"{AT}/health/ping", None, 200, "pong"),
    ("GET", f"{AT}/health/status", None, 200, NO_DATA),
    ("GET", V2, None, 200, MODEL_WORDS),
    ("GET", f"{V2}/", None, 200, MODEL_WORDS),
    ("GET", f"{V2}/ready", None, 200, "name ready"),
    ("GET", f"{V2}/ready/", None, 200, "name ready"),
    ("GET", f"{V2}/versions/2", None, 200, MODEL_WORDS),
    ("HEAD", f"{V2}/versions/2/ready", None, 200, ""),
    # A slash more where a model is asked.
    ("POST", f"{V2}/infer/", V2_BODY, 404, PLAIN_NO),
    ("POST", f"{AT}/feedback/", FEEDBACK_BODY, 404, SELDON_NO),
    ("POST", f"{AT}/invocations/", MLFLOW_BODY, 404, MLFLOW_NO),
    ("POST", "/api/v1.0/predictions/", SELDON_BODY, 404, SELDON_NO),
    ("POST", "/invocations/", MLFLOW_BODY, 404, MLFLOW_NO),
    ("POST", "/feedback/", FEEDBACK_BODY, 404, SELDON_NO),
    # Other methods.
    ("GET", AT, None, 405, SELDON_NO),
    ("GET", "/feedback", None, 405, SELDON_NO),
    ("PUT", "/invocations", {}, 405, MLFLOW_NO),
    ("GET", f"{AT}/invocations", None, 405, MLFLOW_NO),
    ("DELETE", f"{V2}/infer", None, 405, PLAIN_NO),
    ("POST", V2, {}, 405, PLAIN_NO),
    ("POST", f"{V2}/ready", {}, 405, PLAIN_NO),
    ("POST", f"{AT}/metadata", {}, 405, SELDON_NO),
    ("POST", "/v2", {}, 405, PLAIN_NO),
    ("POST", "/ping", {}, 405, PLAIN_NO),
    ("POST", "/healthz", {}, 405, PLAIN_NO),
    ("OPTIONS", AT, None, 204, ""),
    ("OPTIONS", "/ping", None, 204, ""),
    # Services and versions that are not there.
    ("POST", "/model-endpoints/nobody", SELDON_BODY, 404, SELDON_NO),
    ("GET", "/model-endpoints/nobody", None, 404, SELDON_NO),
    ("POST", "/model-endpoints/nobody/invocations", MLFLOW_BODY, 404, MLFLOW_NO),
    ("GET", "/model-endpoints/nobody/metadata", None, 404, SELDON_NO),
    ("POST", "/invocations?service=nobody", MLFLOW_BODY, 404, MLFLOW_NO),
    ("POST", "/v2/models/nobody/infer", V2_BODY, 404, PLAIN_NO),
    ("GET", "/v2/models/nobody", None, 404, PLAIN_NO),
    ("POST", f"{V2}/versions/9/infer", V2_BODY, 404, PLAIN_NO),
    ("GET", f"{V2}/versions/9/infer", None, 404, PLAIN_NO),
    ("GET", f"{V2}/versions/9", None, 404, PLAIN_NO),
    ("GET", f"{V2}/versions/9/ready", None, 404, PLAIN_NO),
    # Paths that are not there.
    ("GET", "/elsewhere", None, 404, PLAIN_NO),
    ("POST", "/elsewhere", {}, 404, PLAIN_NO),
    ("GET", "/v2/models", None, 404, PLAIN_NO),
    ("GET", "/v2/elsewhere", None, 404, PLAIN_NO),
    ("GET", f"{V2}/elsewhere", None, 404, PLAIN_NO),
    ("GET", "/v2elsewhere", None, 404, PLAIN_NO),
    ("GET", "/model-endpoints", None, 404, SELDON_NO),
    ("POST", "/model-endpoints/", {}, 404, SELDON_NO),
    ("POST", f"{AT}/elsewhere", {}, 404, SELDON_NO),
    ("POST", "/api/v1.0/elsewhere", {}, 404, SELDON_NO),
    ("POST", "/api/v2.0/predictions", {}, 404, PLAIN_NO),
    ("POST", "/invocationsX", {}, 404, PLAIN_NO),
    ("GET", "/v1/elsewhere", None, 404, V1_NO),
    # Paths that may be read in two ways.
    ("GET", "/v2//models", None, 400, PLAIN_NO),
    ("GET", "/model-endpoints/../v2", None, 400, SELDON_NO),
    ("GET", "/v1/%ff", None, 400, V1_NO),
    ("POST", "//invocations", {}, 400, MLFLOW_NO),
    # Bodies that are wrong.
    ("POST", AT, {"nonsense": 1}, 400, SELDON_NO),
    ("POST", "/invocations", {"nonsense": 1}, 400, MLFLOW_NO),
    ("POST", f"{V2}/infer", {"nonsense": 1}, 400, PLAIN_NO),
]
# What only the gateway has: its status, and in which words a WSGI server refuses it.
GATEWAY_ONLY = [
    ("GET", "/metrics", 200, PLAIN_NO),
    ("GET", "/openapi.json", 200, PLAIN_NO),
    ("POST", "/v2/repository/index", 200, PLAIN_NO),
    ("GET", "/console", 200, PLAIN_NO),
    ("GET", "/v1/model-services", 200, V1_NO),
]

# Status, members or text, content type, methods that are allowed.
Told = tuple[int, str, str, str]
Ask = Callable[[str, str, Any], Told]


@contextmanager
def over_http(address: str) -> Iterator[Ask]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def ask(method: str, path: str, body: Any) -> Told:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"content-type": "application/json"})
        response = connection.getresponse()
        headers = {name.lower(): text for name, text in response.getheaders()}
        return told(response.status, headers, response.read())

    with closing(connection):
        yield ask


def over_wsgi(application: Application) -> Ask:
    def ask(method: str, target: str, body: Any) -> Told:
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_METHOD": method,
            "CONTENT_LENGTH": str(len(content)),
            "CONTENT_TYPE": "application/json",
            "wsgi.input": io.BytesIO(content),
        }
        setup_testing_defaults(environ)
        heard: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            heard.append((status, headers))
            return lambda _data: None

        # The validator takes no path of two slashes.
        strict = application if path.startswith("//") else validator(application)
        response = strict(environ, start)
        text = b"".join(response)
        if hasattr(response, "close"):
            response.close()
        [(status, headers)] = heard
        return told(int(status[:3]), {name.lower(): text for name, text in headers}, text)

    return ask


def told(status: int, headers: dict[str, str], body: bytes) -> Told:
    kind = headers.get("content-type", "") if status != 204 else ""
    read = json.loads(body) if body and kind == "application/json" else None
    said = " ".join(sorted(read)) if isinstance(read, dict) else body.decode()
    return status, said, kind, headers.get("allow", "")


def test_both_answer_as_it_is_written_here(parts: Parts) -> None:
    wsgi = over_wsgi(Application(lambda: parts))
    with serving(parts.home) as running, over_http(running.address) as gateway:
        asked = [(row, gateway(*row[:3])) for row in GOLDEN]
        alone = [gateway(method, path, None)[0] for method, path, _, _ in GATEWAY_ONLY]
    wrong = [(*row, found) for row, found in asked if found[:2] != row[3:]]
    assert wrong == []
    other = [(*row[:2], found, wsgi(*row[:3])) for row, found in asked]
    assert [row for row in other if row[2] != row[3]] == []
    assert alone == [status for _, _, status, _ in GATEWAY_ONLY]
    assert [wsgi(method, path, None)[:2] for method, path, _, _ in GATEWAY_ONLY] == [
        (404, refused) for _, _, _, refused in GATEWAY_ONLY
    ]


def test_a_model_refuses_in_the_words_in_which_its_path_does() -> None:
    for path in (*OF_ANY, *(f"{AT}{end}" for end in OF_SERVICE), f"{V2}/infer"):
        place = place_of(path)
        assert place is not None
        words = SELDON if place.protocol.startswith(SELDON) else place.protocol
        assert protocol_of(path) == words, path
