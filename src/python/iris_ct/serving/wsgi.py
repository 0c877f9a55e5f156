"""The prediction protocols as a WSGI application: champions answer in the caller's own process.

For an InterSystems IRIS instance that serves without a gateway (a web application with the
dispatch class ``%SYS.Python.WSGI``, location this package's folder, name ``iris_ct.serving.wsgi``,
callable ``application``), or any WSGI server. Who may ask is decided before: by the instance's web
application, or by what stands in front. Services, weights, shadows, limits of time and metrics are
the gateway's; here every model is served by its champion, under its own name.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from iris_ct.core.errors import CTError, DataError, NoChampionError, TransientError
from iris_ct.core.wire.exchange import MAX_ID_LENGTH
from iris_ct.core.wire.open_inference_outputs import server_metadata
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON, WireError, error_body
from iris_ct.serving.app import WorkerApp
from iris_ct.serving.frames import FEEDBACK, OPEN_INFERENCE_METADATA, Answer, Call

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
_PREDICTIONS = ("", "api/v1.0/predictions", "api/v0.1/predictions")
_FEEDBACKS = ("feedback", "api/v1.0/feedback", "api/v0.1/feedback")


class _Place(NamedTuple):
    """What a path asks for; ``model`` empty: of the one that the query names, or the only one."""

    method: str
    protocol: str
    model: str = ""
    version: str = ""
    is_readiness: bool = False


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
        answer = self._answer(environ)
        status = HTTPStatus(answer.status)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers.items(),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        told = _life(path, method)
        if told is not None:
            return told
        place = _place(path)
        if place is None:
            text = f"There is nothing at {path[:200]!r}."
            return _refusal(_protocol_of(path), 404, text)
        protocol = place.protocol
        if method != place.method:
            text = f"{method} is not answered here; send {place.method}."
            return _refusal(protocol, 405, text)
        try:
            return self._ask(place, environ)
        except WireError as error:
            return _refusal(protocol, error.status, error.text)
        except NoChampionError as error:
            return _refusal(protocol, 404, str(error))
        except DataError as error:
            return _refusal(protocol, 400, str(error))
        except TransientError as error:
            return _refusal(protocol, 503, str(error))
        except CTError as error:
            return _refusal(protocol, 500, str(error))

    def _ask(self, place: _Place, environ: Environ) -> Answer:
        asked = parse_qs(environ.get("QUERY_STRING", ""))
        loaded, app = self._app(place.model or asked.get("service", [""])[0])
        model, version = loaded.version.model, str(loaded.version.version)
        if place.version and place.version != version:
            raise WireError(404, f"Version {place.version[:20]} of '{model}' does not serve.")
        if place.is_readiness:
            return Answer(200, msgspec.json.encode({"name": model, "ready": True}))
        headers = {name: environ[key] for key, name in _HEADERS.items() if key in environ}
        explain = asked.get("explain", [environ.get("HTTP_X_CT_EXPLAIN", "")])[0].lower() in _YES
        return app.answer(
            Call(
                place.protocol,
                environ.get("PATH_INFO", ""),
                _body(environ) if place.method == "POST" else b"",
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


def _life(path: str, method: str) -> Answer | None:
    """Answer what asks whether anybody is there."""
    if method not in {"GET", "HEAD"}:
        return None
    if path in {"/ping", "/health"}:
        return Answer(200, b"\n", "text/plain")
    if path == "/health/ping":
        return Answer(200, b"pong", "text/plain")
    if path in {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}:
        return Answer(200, b"{}")
    if path in {"/v2", "/v2/"}:
        from importlib.metadata import version

        return Answer(200, server_metadata(version("iris-ct")))
    return None


def _place(path: str) -> _Place | None:
    parts = path.strip("/").split("/")
    if parts[0] == "v2" and len(parts) > 2 and parts[1] == "models":
        return _open_inference(parts[2], parts[3:])
    model = ""
    if parts[0] == "model-endpoints":
        if len(parts) < 2 or not parts[1]:
            return None
        model, parts = parts[1], parts[2:]
    rest = "/".join(parts)
    if rest in _PREDICTIONS and (rest or model):
        return _Place("POST", SELDON, model)
    if rest in _FEEDBACKS:
        return _Place("POST", FEEDBACK, model)
    return _Place("POST", MLFLOW, model) if rest == "invocations" else None


def _open_inference(model: str, rest: list[str]) -> _Place | None:
    version = ""
    if len(rest) > 1 and rest[0] == "versions":
        version, rest = rest[1], rest[2:]
    if rest == ["infer"]:
        return _Place("POST", OPEN_INFERENCE, model, version)
    if rest in ([], ["ready"]):
        return _Place("GET", OPEN_INFERENCE_METADATA, model, version, is_readiness=bool(rest))
    return None


def _protocol_of(path: str) -> str:
    if path.startswith("/v2"):
        return OPEN_INFERENCE
    return SELDON if path.startswith(("/model-endpoints", "/api/v", "/feedback")) else MLFLOW


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


def _refusal(protocol: str, status: int, text: str) -> Answer:
    kind = {FEEDBACK: SELDON, OPEN_INFERENCE_METADATA: OPEN_INFERENCE}.get(protocol, protocol)
    return Answer(status, error_body(kind, status, text))


def _parts() -> Parts:
    """Build the parts of this process, which heavy libraries belong to."""
    from iris_ct.bootstrap import parts

    return parts()


application = Application(_parts)
"""What a WSGI server calls."""
