"""The documented REST interface of iop, ``/api/iop``, so that the plain ``iop`` reaches a host.

Guards first: who may ask (HTTP Basic, a password for all users), under which name the host is
addressed, how large a request may be, and that what changes something is no form of a web page.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from iris_ct.host.client import HostClient
from iris_ct.host.component import describe
from iris_ct.host.errors import HostError, UploadError
from iris_ct.host.foreign import Foreign
from iris_ct.host.keeper import HostKeeper
from iris_ct.host.rest_answers import RestAnswers, check_namespace
from iris_ct.host.uploads import Upload

_logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
# A folder of Python modules as JSON.
MAX_UPLOAD_BYTES = 32_000_000
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})

Body = dict[str, Any]
Answer = Callable[[RestAnswers, Request, Body], Any]


class _RefusedError(Exception):
    """A request that is answered with a status of its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def make_app(
    keeper: HostKeeper, client: HostClient, *, password: str, how_to_allow: str = ""
) -> Starlette:
    """Make the ASGI application.

    Parameters
    ----------
    keeper : HostKeeper
        The host; with `HostKeeper.uploads` and a password ``PUT /migrate`` is served.
    client : HostClient
        Reads the host's store.
    password : str
        What every request must give; empty: none, for loopback only.
    how_to_allow : str
        Told to whom a migration is refused.
    """
    answers = RestAnswers(keeper, client)
    routes = [
        Route(path, _endpoint(answers, answer), methods=[method])
        for (method, path), answer in _ROUTES.items()
    ]
    allowed = bool(password) and keeper.uploads is not None
    migrate = _Migrate(keeper, allowed=allowed, how_to_allow=how_to_allow)
    routes.append(Route("/migrate", migrate.put, methods=["PUT"]))
    mounts = [Mount("/api/iop/v1", routes=routes), Mount("/api/iop", routes=routes)]
    app = Starlette(
        routes=mounts, exception_handlers={404: _no_route, 405: _no_route, 500: _defect}
    )
    app.add_middleware(_Guard, password=password)
    return app


# -- routes: query parameters, body -> answer ------------------------------------------------------

_ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/version"): lambda a, _r, _b: a.version(),
    ("GET", "/status"): lambda a, _r, _b: a.status(),
    ("GET", "/list"): lambda a, _r, _b: a.list(),
    ("GET", "/default"): lambda a, _r, _b: a.default(),
    ("PUT", "/default"): lambda a, _r, b: a.set_default(_text(b, "production")),
    ("POST", "/start"): lambda a, _r, b: a.start(_text(b, "production")),
    ("POST", "/stop"): lambda a, _r, _b: a.stop(),
    ("POST", "/kill"): lambda a, _r, _b: a.kill(),
    ("POST", "/restart"): lambda a, _r, _b: a.restart(),
    ("POST", "/update"): lambda a, _r, _b: a.update(),
    ("POST", "/component/start"): lambda a, _r, b: a.start_component(_component(b)),
    ("POST", "/component/stop"): lambda a, _r, b: a.stop_component(_component(b)),
    ("POST", "/component/restart"): lambda a, _r, b: a.restart_component(_component(b)),
    ("GET", "/bindings"): lambda a, r, _b: a.bindings(unused=_is_true(_query(r, "unused"))),
    ("DELETE", "/binding"): lambda a, r, _b: a.unbind(
        _query(r, "class") or _query(r, "classname")
    ),
    ("GET", "/log"): lambda a, r, _b: a.log(_query(r, "top"), _query(r, "since_id")),
    ("GET", "/export"): lambda a, r, _b: a.export(_query(r, "production")),
    ("GET", "/connections"): lambda a, r, _b: a.connections(_query(r, "production")),
    ("GET", "/queues"): lambda a, r, _b: a.queues(_query(r, "production")),
    ("POST", "/test"): lambda a, _r, b: a.test(
        _text(b, "target"),
        _text(b, "classname"),
        b.get("body"),
        restart=_is_true(str(b.get("restart", "1"))),
    ),
}


def _query(request: Request, name: str) -> str:
    return str(request.query_params.get(name, ""))


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return "" if value is None else str(value)


def _component(body: Body) -> str:
    return _text(body, "component") or _text(body, "item")


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes", "on"}


# -- requests --------------------------------------------------------------------------------------


def _endpoint(answers: RestAnswers, answer: Answer) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        try:
            body = await _read(request, MAX_BODY_BYTES)
            check_namespace(_text(body, "namespace") or _query(request, "namespace"))
        except _RefusedError as error:
            return _error(str(error), error.status)
        except HostError as error:
            return _error(str(error))
        return await run_in_threadpool(_answered, answers, answer, request, body)

    return respond


def _answered(answers: RestAnswers, answer: Answer, request: Request, body: Body) -> Response:
    with Foreign() as call:
        return JSONResponse(answer(answers, request, body))
    if isinstance(call.error, HostError):
        return _error(str(call.error))
    _logger.error("A request of the REST interface failed.", exc_info=call.error)
    return _error(describe(call.error or HostError()))


class _Migrate:
    """Takes uploads, if that is allowed."""

    def __init__(self, keeper: HostKeeper, *, allowed: bool, how_to_allow: str) -> None:
        self._keeper = keeper
        self._allowed = allowed
        self._how_to_allow = how_to_allow

    async def put(self, request: Request) -> Response:
        """Check an upload and let it run from the next start on; the body is empty, as on IRIS."""
        if not self._allowed:
            return _error(
                "Migration runs the code that is sent, so a host takes it only if it was started "
                f"to take uploads and has a password. {self._how_to_allow}".strip(),
                403,
            )
        try:
            body = await _read(request, MAX_UPLOAD_BYTES)
            check_namespace(_text(body, "namespace") or _query(request, "namespace"))
            await run_in_threadpool(lambda: self._keeper.take(Upload.from_json(body)))
        except _RefusedError as error:
            return _error(str(error), error.status)
        except UploadError as error:
            return _error(str(error), 400)
        except HostError as error:
            return _error(str(error))
        return Response(status_code=200, media_type="application/json")


async def _read(request: Request, limit: int) -> Body:
    """Read a JSON object; an empty body is an empty object."""
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _RefusedError(413, f"The request is larger than {limit:,} bytes.")
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise _RefusedError(400, "The request ended too early.") from error
    if not size:
        return {}
    try:
        body = await run_in_threadpool(json.loads, b"".join(chunks))
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"The request's body is no JSON: {error}.") from error
    if not isinstance(body, dict):
        raise _RefusedError(400, "The request's body is no JSON object.")
    return body


def _error(text: str, status: int = 500) -> Response:
    return JSONResponse({"error": text}, status_code=status)


def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _error(f"There is no {request.method} {request.url.path} here.", status)


def _defect(request: Request, _error_: Exception) -> Response:
    return _error(f"{request.method} {request.url.path} failed; the host's own log says why.")


# -- guards ----------------------------------------------------------------------------------------


class _Guard:
    """Lets a request in, or answers 401, 403 or 415 before anything of it is read."""

    def __init__(self, app: ASGIApp, *, password: str) -> None:
        self._app = app
        self._password = password.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if self._password:
            if not self._knows_password(request):
                response = _error("The password is missing or wrong.", 401)
                response.headers["WWW-Authenticate"] = 'Basic realm="iop", charset="UTF-8"'
                return response
        elif _host_name(request) not in _LOOPBACK_NAMES:
            # A name of a web page that was made to point here.
            return _error("This host is addressed as localhost only; it has no password.", 403)
        content_type = request.headers.get("content-type", "")
        has_body = request.headers.get("content-length", "0") != "0"
        is_json = content_type.partition(";")[0].strip().lower() == "application/json"
        if request.method not in {"GET", "HEAD"} and not is_json and (content_type or has_body):
            # A form of a web page cannot send this type without asking first.
            return _error("The request's body must be application/json.", 415)
        if request.headers.get("origin"):
            return _error("Requests of web pages are not answered.", 403)
        return None

    def _knows_password(self, request: Request) -> bool:
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            said = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(said.partition(b":")[2], self._password)


def _host_name(request: Request) -> str:
    host = request.headers.get("host", "")
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
