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

from iris_ct.core.wire.refusal import SELDON, WireError
from iris_ct.serving.frames import OPEN_INFERENCE_METADATA, SELDON_METADATA, Answer, Call
from iris_ct.serving.gateway import Gateway, Request
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
    place_of,
    protocol_of,
    refuse,
    refuse_method,
    refuse_path,
)
from iris_ct.serving.pool import Failure, answer_of
from iris_ct.serving.table import Branch, Service

if TYPE_CHECKING:
    from iris_ct.core.scoring.signature import Signature

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
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
            **{path: _fixed(answer) for path, answer in ALIVE.items()},
            "/version": _mlflow_version,
            "/readyz": _readyz,
            "/metrics": _metrics,
            "/prometheus": _metrics,
            "/openapi.json": _openapi,
            "/openapi": _asset("openapi.html"),
            "/openapi.js": _asset("openapi.js"),
            "/openapi.css": _asset("openapi.css"),
            "/v2": _v2_server,
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
            return _refuse_method(request, POST)
        if path == "/v2/repository/index":
            return _refuse_method(request, POST) or _v2_index(gateway, request)
        page = self._pages.get(path)
        if page is not None:
            return _refuse_method(request, READ) or await page(gateway, request)
        place = place_of(request.path)
        if place is not None and place.protocol in _OF_SERVICE:
            told = _refuse_method(request, READ)
            return told or await _OF_SERVICE[place.protocol](gateway, request, place)
        if path.startswith(_PREFIXES):
            _check_named(gateway, request, path)
            return refuse_path(path, hint="; /openapi.json lists those that are")
        return None


def _refuse_method(request: Request, allowed: tuple[str, ...]) -> Answer | None:
    return refuse_method(request.method, request.path, allowed)


def _fixed(answer: Answer) -> Page:
    async def page(_gateway: Gateway, _request: Request) -> Answer:
        return answer

    return page


def _asset(name: str) -> Page:
    path = _ASSETS / name

    async def page(_gateway: Gateway, _request: Request) -> Answer:
        return Answer(
            200, path.read_bytes(), _ASSET_KINDS[path.suffix], headers=dict(_PAGE_HEADERS)
        )

    return page


def _check_named(gateway: Gateway, request: Request, path: str) -> None:
    """Say first which service or version is not there, if that is what is wrong with a path."""
    match path.strip("/").split("/"):
        case ["v2", "models", name, "versions", version, *_]:
            _find(gateway, request, name, version)
        case ["v2", "models", name, *_] | ["model-endpoints", name, *_]:
            _find(gateway, request, name)


def _find(gateway: Gateway, request: Request, name: str, version: str = "") -> Service:
    service = gateway.table.services.get(name)
    if service is None or not request.principal.may(service.domain):
        raise WireError(404, f"There is no service {name!r}.")
    if version:
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
        return Answer(503, f"{late} services cannot answer yet\n".encode(), TEXT)
    return Answer(200, b"ok\n", TEXT)


async def _mlflow_version(_gateway: Gateway, _request: Request) -> Answer:
    return Answer(200, importlib.metadata.version("mlflow").encode(), TEXT)


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


async def _v2_model_ready(gateway: Gateway, request: Request, place: Place) -> Answer:
    ready = _find(gateway, request, place.service, place.version).is_ready
    body = msgspec.json.encode({"name": place.service, "ready": ready})
    return Answer(200 if ready else 503, body)


async def _v2_model(gateway: Gateway, request: Request, place: Place) -> Answer:
    service = _find(gateway, request, place.service, place.version)
    versions = ",".join(_find(gateway, request, place.service).versions())
    return await _ask(gateway, request, service, OPEN_INFERENCE_METADATA, {"versions": versions})


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


async def _seldon_metadata(gateway: Gateway, request: Request, place: Place) -> Answer:
    name = place.service
    service = _find(gateway, request, name) if name else gateway.named_service(request)
    return await _ask(gateway, request, service, SELDON_METADATA, {})


async def _seldon_ping(_gateway: Gateway, _request: Request, _place: Place) -> Answer:
    return PONG


async def _seldon_health(gateway: Gateway, request: Request, place: Place) -> Answer:
    if _find(gateway, request, place.service).is_ready:
        return HEALTHY
    return refuse(SELDON, 503, f"Service {place.service!r} cannot answer yet.")


_OF_SERVICE: Mapping[str, Callable[[Gateway, Request, Place], Awaitable[Answer]]] = {
    OPEN_INFERENCE_METADATA: _v2_model,
    READY: _v2_model_ready,
    SELDON_METADATA: _seldon_metadata,
    PING: _seldon_ping,
    HEALTH: _seldon_health,
}


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
        return refuse(protocol_of(request.path), answer.status, answer.text)
    return answer
