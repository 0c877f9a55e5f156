"""What the gateway answers by itself beside predictions: health, metadata, metrics, its own pages.

None of these may wait for the control process: they must answer while it is away.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from iris_ct.core.wire.refusal import OPEN_INFERENCE, SELDON, WireError
from iris_ct.serving.frames import OPEN_INFERENCE_METADATA, SELDON_METADATA, Answer, Call
from iris_ct.serving.gateway import Gateway, Request, refuse
from iris_ct.serving.pool import Failure, answer_of
from iris_ct.serving.table import Branch, Service

if TYPE_CHECKING:
    from iris_ct.core.scoring.signature import Signature

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_READ = ("GET", "HEAD", "OPTIONS")
_POST = ("POST", "OPTIONS")
_ASSETS = Path(__file__).parent / "assets"
_ASSET_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
_PREFIXES = ("/v2/", "/model-endpoints", "/api/v0.1/", "/api/v1.0/")

Page = Callable[[Gateway, Request], Awaitable[Answer]]


class StandardPages:
    """Pages by their path."""

    def __init__(self) -> None:
        self._pages: Mapping[str, Page] = {
            "/ping": _fixed(b"\n", _TEXT),
            "/health": _fixed(b"\n", _TEXT),
            "/version": _mlflow_version,
            "/healthz": _fixed(b"ok\n", _TEXT),
            "/readyz": _readyz,
            "/health/ping": _fixed(b"pong", _TEXT),
            "/health/status": _fixed(_NO_DATA, "application/json"),
            "/metadata": _seldon_metadata,
            "/metrics": _metrics,
            "/prometheus": _metrics,
            "/openapi.json": _openapi,
            "/openapi": _asset("openapi.html"),
            "/openapi.js": _asset("openapi.js"),
            "/openapi.css": _asset("openapi.css"),
            "/v2": _v2_server,
            "/v2/health/live": _fixed(b'{"live":true}', "application/json"),
            "/v2/health/ready": _v2_ready,
        }

    async def answer(self, gateway: Gateway, request: Request) -> Answer | None:
        """Answer what is here; None for what is not."""
        path = request.path.rstrip("/") or "/"
        endpoint = gateway.table.endpoints.get(request.path)
        if endpoint is not None:
            if endpoint.service is not None:
                # Who may not see it is not told that it is there.
                _find(gateway, request, endpoint.service.name)
            return _refuse_method(request, _POST)
        if path == "/v2/repository/index":
            return _refuse_method(request, _POST) or _v2_index(gateway, request)
        page = self._pages.get(path) or _page_of_service(path)
        if page is not None:
            return _refuse_method(request, _READ) or await page(gateway, request)
        if path.startswith(_PREFIXES):
            _check_named(gateway, request, path)
            raise WireError(404, "There is no such path; /openapi.json lists those that are.")
        return None


def _refuse_method(request: Request, allowed: tuple[str, ...]) -> Answer | None:
    allow = {"allow": ", ".join(allowed)}
    if request.method == "OPTIONS":
        return Answer(204, b"", _TEXT, headers=allow)
    if request.method in allowed:
        return None
    text = f"{request.method} is not for this path, which takes {allow['allow']}."
    said = refuse(_words(request.path), 405, text)
    return Answer(405, said.body, said.content_type, headers=allow)


def _words(path: str) -> str:
    return OPEN_INFERENCE if path.startswith("/v2") else SELDON


def _fixed(body: bytes, kind: str) -> Page:
    answer = Answer(200, body, kind)

    async def page(_gateway: Gateway, _request: Request) -> Answer:
        return answer

    return page


# What Seldon's wrapper answers for a model that says nothing of its health.
_NO_DATA = b'{"data":{"names":[],"ndarray":[]},"meta":{}}'


def _asset(name: str) -> Page:
    path = _ASSETS / name

    async def page(_gateway: Gateway, _request: Request) -> Answer:
        return Answer(
            200, path.read_bytes(), _ASSET_KINDS[path.suffix], headers=dict(_PAGE_HEADERS)
        )

    return page


def _page_of_service(path: str) -> Page | None:
    """Find the page of one service: ``/v2/models/...`` or ``/model-endpoints/...``."""
    match path.strip("/").split("/"):
        case ["v2", "models", name]:
            return _v2_model(name, None)
        case ["v2", "models", name, "versions", version]:
            return _v2_model(name, version)
        case ["v2", "models", name, "ready"]:
            return _v2_model_ready(name, None)
        case ["v2", "models", name, "versions", version, "ready"]:
            return _v2_model_ready(name, version)
        case ["model-endpoints", name, "metadata"]:
            return _metadata_of(name)
        case ["model-endpoints", _name, "health", "ping"]:
            return _fixed(b"pong", _TEXT)
        case ["model-endpoints", name, "health", "status"]:
            return _health_of(name)
    return None


def _check_named(gateway: Gateway, request: Request, path: str) -> None:
    """Say first which service or version is not there, if that is what is wrong with a path."""
    match path.strip("/").split("/"):
        case ["v2", "models", name, "versions", version, *_]:
            _find(gateway, request, name, version)
        case ["v2", "models", name, *_] | ["model-endpoints", name, *_]:
            _find(gateway, request, name)


def _find(gateway: Gateway, request: Request, name: str, version: str | None = None) -> Service:
    service = gateway.table.services.get(name)
    if service is None or not request.principal.may(service.domain):
        raise WireError(404, f"There is no service {name!r}.")
    if version is not None:
        part = service.of_version(version)
        if part is None:
            raise WireError(404, f"Service {name!r} has no version {version!r}.")
        return part
    return service


def _visible(gateway: Gateway, request: Request) -> Iterator[Service]:
    for service in gateway.table.services.values():
        if request.principal.may(service.domain):
            yield service


async def _readyz(gateway: Gateway, _request: Request) -> Answer:
    late = sum(not service.is_ready for service in gateway.table.services.values())
    if late:
        return Answer(503, f"{late} services cannot answer yet\n".encode(), _TEXT)
    return Answer(200, b"ok\n", _TEXT)


async def _mlflow_version(_gateway: Gateway, _request: Request) -> Answer:
    return Answer(200, importlib.metadata.version("mlflow").encode(), _TEXT)


async def _metrics(gateway: Gateway, _request: Request) -> Answer:
    running = [
        (
            branch.counts.place,
            {
                "in_flight": branch.pool.n_waiting,
                "queued": branch.pool.n_queued,
                "workers": branch.pool.n_ready,
                "weight": 0.0 if branch.route.shadow else branch.route.weight,
                "restarts": branch.pool.n_restarts,
            },
        )
        for _service, branch in gateway.table.branches()
    ]
    return Answer(200, gateway.metrics.text(running), _METRICS)


async def _openapi(gateway: Gateway, request: Request) -> Answer:
    services = list(_visible(gateway, request))
    home, needs_token = gateway.options.home, gateway.access.is_on
    # Signatures are read from the bundles, and what makes schemas of them is loaded once.
    body = await asyncio.to_thread(_describe, services, home, needs_token=needs_token)
    return Answer(200, body)


def _describe(services: Sequence[Service], home: Path, *, needs_token: bool) -> bytes:
    from iris_ct.core.wire.openapi import Described, description

    described = [
        Described(service.name, tuple(service.versions()), _signature(service, home))
        for service in services
    ]
    version = importlib.metadata.version("iris-ct")
    return msgspec.json.encode(description(described, version=version, needs_token=needs_token))


def _signature(service: Service, home: Path) -> Signature | None:
    """Read what the first of a service's models takes; None of a foreign one."""
    from iris_ct.core.scoring.signature import Signature

    route = service.branches[0].route
    if route.runtime != "native":
        return None
    return Signature.from_json((home / route.bundle / "signature.json").read_bytes())


# The open inference protocol.


async def _v2_server(_gateway: Gateway, _request: Request) -> Answer:
    from iris_ct.core.wire.open_inference_outputs import server_metadata

    return Answer(200, server_metadata(importlib.metadata.version("iris-ct")))


async def _v2_ready(gateway: Gateway, _request: Request) -> Answer:
    ready = all(service.is_ready for service in gateway.table.services.values())
    return Answer(200 if ready else 503, msgspec.json.encode({"ready": ready}))


def _v2_model_ready(name: str, version: str | None) -> Page:
    async def page(gateway: Gateway, request: Request) -> Answer:
        ready = _find(gateway, request, name, version).is_ready
        body = msgspec.json.encode({"name": name, "ready": ready})
        return Answer(200 if ready else 503, body)

    return page


def _v2_model(name: str, version: str | None) -> Page:
    async def page(gateway: Gateway, request: Request) -> Answer:
        service = _find(gateway, request, name, version)
        versions = ",".join(_find(gateway, request, name).versions())
        return await _ask(
            gateway, request, service, OPEN_INFERENCE_METADATA, {"versions": versions}
        )

    return page


def _v2_index(gateway: Gateway, request: Request) -> Answer:
    rows = [
        {
            "name": service.name,
            "version": branch.route.version,
            "state": "READY" if branch.pool.n_ready else "UNAVAILABLE",
            "reason": "" if branch.pool.n_ready else "its worker is being started",
        }
        for service in _visible(gateway, request)
        for branch in service.branches
    ]
    return Answer(200, msgspec.json.encode(rows))


# Seldon.


async def _seldon_metadata(gateway: Gateway, request: Request) -> Answer:
    service = gateway.named_service(request)
    return await _ask(gateway, request, service, SELDON_METADATA, {})


def _metadata_of(name: str) -> Page:
    async def page(gateway: Gateway, request: Request) -> Answer:
        service = _find(gateway, request, name)
        return await _ask(gateway, request, service, SELDON_METADATA, {})

    return page


def _health_of(name: str) -> Page:
    async def page(gateway: Gateway, request: Request) -> Answer:
        if _find(gateway, request, name).is_ready:
            return Answer(200, _NO_DATA)
        return refuse(SELDON, 503, f"Service {name!r} cannot answer yet.")

    return page


async def _ask(
    gateway: Gateway,
    request: Request,
    service: Service,
    protocol: str,
    headers: Mapping[str, str],
) -> Answer:
    """Let a worker say what its model is."""
    branch: Branch = service.choose(b"")
    call = Call(
        protocol=protocol,
        path=request.path,
        body=b"",
        content_type="",
        puid="",
        headers=dict(headers),
        shadow=False,
        service=service.name,
        branch=branch.name,
        image=branch.image,
        explain=False,
        log=False,
    )
    answer = await answer_of(branch.pool, call)
    if isinstance(answer, Failure):
        return refuse(_words(request.path), answer.status, answer.text)
    return answer
