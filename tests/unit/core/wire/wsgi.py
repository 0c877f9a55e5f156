"""A WSGI application of workers and the description of what they answer, for schemathesis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iris_ct.core.scoring.scorer import Scorer
from iris_ct.core.wire import open_inference_outputs
from iris_ct.core.wire.openapi import Described, description
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON
from iris_ct.serving.app import WorkerApp
from iris_ct.serving.frames import FEEDBACK, OPEN_INFERENCE_METADATA, Answer, Call

Start = Callable[[str, list[tuple[str, str]]], Any]


class Application:
    """Answers the paths of `description` of one model; other methods with 405."""

    def __init__(self, name: str, scorer: Scorer) -> None:
        self.worker = WorkerApp(scorer, None)
        self.name = name
        self.described = description([Described(name, ("3",), scorer.signature)])
        self.calls = 0

    def __call__(self, environ: Mapping[str, Any], start: Start) -> Iterable[bytes]:
        answer = self.answer(environ)
        headers = [("Content-Type", answer.content_type), *answer.headers.items()]
        start(f"{answer.status} said", headers)
        return [answer.body]

    def answer(self, environ: Mapping[str, Any]) -> Answer:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/openapi.json":
            return Answer(200, json.dumps(self.described).encode())
        operations = self.described["paths"].get(path)
        if operations is None:
            return Answer(404, b'{"error": "no such path"}')
        if method.lower() not in operations:
            allowed = ", ".join(operations).upper()
            return Answer(405, b'{"error": "no such method"}', headers={"Allow": allowed})
        if method == "GET":
            return self.page(path)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return self.ask(protocol_of(path), path, body, environ.get("CONTENT_TYPE", ""))

    def ask(self, protocol: str, path: str, body: bytes = b"", content_type: str = "") -> Answer:
        self.calls += 1
        call = Call(
            protocol=protocol,
            path=path,
            body=body,
            content_type=content_type,
            puid=f"made-{self.calls}",
            headers={},
            shadow=False,
            service=self.name,
            branch="a",
            image=f"{self.name}:3",
            explain=False,
            log=False,
        )
        return self.worker.answer(call)

    def page(self, path: str) -> Answer:
        operation = self.described["paths"][path]["get"]
        if "text/plain" in operation["responses"]["200"]["content"]:
            return Answer(200, b"\n", "text/plain; charset=utf-8")
        if path == "/v2":
            return Answer(200, open_inference_outputs.server_metadata("1.0"))
        if path.startswith("/v2/models/") and not path.endswith("/ready"):
            return self.ask(OPEN_INFERENCE_METADATA, path)
        return Answer(200, b"{}")


def protocol_of(path: str) -> str:
    if path.endswith("/feedback"):
        return FEEDBACK
    if path.endswith("/infer"):
        return OPEN_INFERENCE
    return MLFLOW if path.endswith("/invocations") else SELDON
