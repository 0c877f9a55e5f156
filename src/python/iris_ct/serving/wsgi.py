"""The prediction protocols as a WSGI application: champions answer in the caller's own process.

For an InterSystems IRIS instance that serves without a gateway (a web application with the
dispatch class ``%SYS.Python.WSGI``, location this package's folder, name ``iris_ct.serving.wsgi``,
callable ``application``), or any WSGI server. Who may ask is decided before: by the instance's web
application, or by what stands in front. Paths, methods and refusals are the gateway's (`paths`);
services, weights, shadows, limits of time, metrics and pages are the gateway's alone: here every
model is served by its champion, under its own name.
"""

from __future__ import annotations

import importlib.metadata
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from iris_ct.core.errors import CTError, DataError, NoChampionError, TransientError
from iris_ct.core.wire.exchange import MAX_ID_LENGTH
from iris_ct.core.wire.open_inference_outputs import server_metadata
from iris_ct.core.wire.refusal import WireError
from iris_ct.serving.app import WorkerApp
from iris_ct.serving.frames import Answer, Call
from iris_ct.serving.paths import (
    ALIVE,
    HEALTH,
    HEALTHY,
    PING,
    PONG,
    POST,
    READ,
    READY,
    TEXT,
    Place,
    check_path,
    place_of,
    protocol_of,
    refuse,
    refuse_method,
    refuse_path,
)

if TYPE_CHECKING:
    from iris_ct.bootstrap import Parts
    from iris_ct.flow.serve import LoadedModel

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Environ = Mapping[str, Any]

MAX_BODY = 64 << 20
"""Bytes a body may have."""

_YES = frozenset({"1", "true", "yes", "on"})
_HEADERS = {
    "HTTP_INFERENCE_HEADER_CONTENT_LENGTH": "inference-header-content-length",
    "HTTP_SELDON_PUID": "seldon-puid",
    "HTTP_ACCEPT": "accept",
}


class Application:
    """Answers requests with the champions of one home; usable from any thread.

    Parameters
    ----------
    open_parts : callable
        Gives the parts of this process, at the first request.
    """

    def __init__(self, open_parts: Callable[[], Parts]) -> None:
        self._open_parts = open_parts
        self._lock = threading.Lock()
        self._apps: dict[str, tuple[LoadedModel, WorkerApp]] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ["REQUEST_METHOD"], _path(environ), environ)
        status = HTTPStatus(answer.status)
        headers = [*answer.headers.items()]
        if status is not HTTPStatus.NO_CONTENT:
            headers.append(("Content-Type", answer.content_type))
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, method: str, path: str, environ: Environ) -> Answer:
        try:
            check_path(path)
            life = _LIFE.get(path.rstrip("/"))
            if life is not None:
                return refuse_method(method, path, READ) or life()
            place = place_of(path)
            if place is None:
                return refuse_path(path)
            # Which model is not there is said first, as the gateway does.
            if place.service and place.allowed == POST:
                self._found(place, "")
            return refuse_method(method, path, place.allowed) or self._ask(place, path, environ)
        except WireError as error:
            return refuse(protocol_of(path), error.status, error.text)
        except NoChampionError as error:
            return refuse(protocol_of(path), 404, str(error))
        except DataError as error:
            return refuse(protocol_of(path), 400, str(error))
        except TransientError as error:
            return refuse(protocol_of(path), 503, str(error))
        except CTError as error:
            return refuse(protocol_of(path), 500, str(error))

    def _ask(self, place: Place, path: str, environ: Environ) -> Answer:
        if place.protocol == PING:
            return PONG
        asked = parse_qs(environ.get("QUERY_STRING", ""))
        named = asked.get("service", [environ.get("HTTP_X_CT_SERVICE", "")])[0]
        loaded, app = self._found(place, named)
        model, version = loaded.version.model, str(loaded.version.version)
        if place.protocol == READY:
            return Answer(200, msgspec.json.encode({"name": model, "ready": True}))
        if place.protocol == HEALTH:
            return HEALTHY
        headers = {name: environ[key] for key, name in _HEADERS.items() if key in environ}
        explain = asked.get("explain", [environ.get("HTTP_X_CT_EXPLAIN", "")])[0].lower() in _YES
        return app.answer(
            Call(
                place.protocol,
                path,
                _body(environ) if place.allowed == POST else b"",
                environ.get("CONTENT_TYPE") or "",
                _name(headers.get("seldon-puid", "")),
                headers,
                shadow=False,
                service=model,
                branch="a",
                image=f"{model}:{version}",
                explain=explain,
                log=True,
            )
        )

    def _found(self, place: Place, named: str) -> tuple[LoadedModel, WorkerApp]:
        """Give what answers at a place, of the model that the path or else the request names."""
        loaded, app = self._app(place.service or named)
        model, version = loaded.version.model, str(loaded.version.version)
        if place.version and place.version != version:
            raise WireError(404, f"Version {place.version[:20]} of '{model}' does not serve.")
        return loaded, app

    def _app(self, model: str) -> tuple[LoadedModel, WorkerApp]:
        """Give what answers for a model's champion, made once for each champion."""
        with self._lock:
            parts = self._open_parts()
        loaded = parts.champions.require(_known(parts, model))
        held = self._apps.get(loaded.version.model)
        if held is None or held[0] is not loaded:
            held = (loaded, WorkerApp(loaded.scorer, parts.store.journal_writer))
            self._apps[loaded.version.model] = held
        return held


def _known(parts: Parts, model: str) -> str:
    names = parts.store.specifications.models()
    if model:
        if model not in names:
            raise WireError(404, f"There is no service {model[:100]!r}.")
        return model
    serving = [name for name in names if parts.store.models.champion(name) is not None]
    if len(serving) == 1:
        return serving[0]
    raise WireError(
        404,
        "Nothing is served yet."
        if not serving
        else "Several models serve: name one by ?service=NAME, or in the path.",
    )


def _ready() -> Answer:
    return Answer(200, b"ok\n", TEXT)


def _v2_ready() -> Answer:
    return Answer(200, b'{"ready":true}')


def _v2_server() -> Answer:
    return Answer(200, server_metadata(importlib.metadata.version("iris-ct")))


def _mlflow_version() -> Answer:
    return Answer(200, importlib.metadata.version("mlflow").encode(), TEXT)


def _said(answer: Answer) -> Callable[[], Answer]:
    return lambda: answer


_LIFE: Mapping[str, Callable[[], Answer]] = {
    **{path: _said(answer) for path, answer in ALIVE.items()},
    "/readyz": _ready,
    "/version": _mlflow_version,
    "/v2": _v2_server,
    "/v2/health/ready": _v2_ready,
}


def _path(environ: Environ) -> str:
    """Give the decoded path, which comes as bytes in Latin-1 (PEP 3333)."""
    path: str = environ.get("PATH_INFO") or "/"
    return path.encode("latin-1").decode("utf-8", "replace")


def _body(environ: Environ) -> bytes:
    said = environ.get("CONTENT_LENGTH") or "0"
    # Python takes digits of other scripts for digits, too.
    if not said.isascii() or not said.isdigit():
        raise WireError(400, "Content-Length must be a number.")
    if int(said) > MAX_BODY:
        raise WireError(413, f"The body has {said} bytes, at most {MAX_BODY} are taken.")
    body: bytes = environ["wsgi.input"].read(int(said))
    return body


def _name(said: str) -> str:
    """Name a prediction as the caller does, if that can stand in the log; else give a new name."""
    return said if 0 < len(said) <= MAX_ID_LENGTH and said.isprintable() else uuid.uuid4().hex


def _parts() -> Parts:
    """Build the parts of this process, which heavy libraries belong to."""
    from iris_ct.bootstrap import parts

    return parts()


application = Application(_parts)
"""What a WSGI server calls."""
