"""``/v1``: services, packages and authors over HTTP, in the forms of the reference.

Answers are JSON; what refuses or tells something is ``{"message": ...}``, also where the gateway
refuses before it comes here. Who asks is found in ``request.state.principal`` (name, role,
domains), None where access is not configured.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from iris_ct.adapters.signing import MOST_BYTES
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import (
    ConfigError,
    CTError,
    NameTakenError,
    NotAllowedError,
    NotInCatalogueError,
    NotReadyError,
    PackageRefusedError,
    TransientError,
    UnknownServiceError,
)
from iris_ct.core.service import ModelRef, change_from_json, service_from_json
from iris_ct.procedures import packages, services
from iris_ct.procedures.asker import Asker
from iris_ct.serving.frames import Answer
from iris_ct.serving.paths import refuse_method, refuse_path

STATUSES: dict[type[CTError], int] = {
    UnknownServiceError: 404,
    NameTakenError: 409,
    NotReadyError: 409,
    NotInCatalogueError: 422,
    PackageRefusedError: 422,
    NotAllowedError: 403,
    ConfigError: 400,
    TransientError: 503,
}
"""Of an error's classes the nearest counts; others are 500."""

# In the order of what they may.
ROLES = ("reader", "operator", "admin")
_MOST_JSON = 1 << 20
_FILES = ("sourcefile", "archivefile", "modeldata")
_IMAGE_KEYS = {
    "id": "id",
    "version": "version",
    "title": "title",
    "author": "author",
    "description": "description",
    "image": "image",
    "dockerRegistrySecretName": "secret",
    "domain": "domain",
}

Handler = Callable[[Parts, Asker, Request], Awaitable[Response]]


class _BadRequestError(ConfigError):
    """The request is no request of this interface."""


@dataclass(frozen=True)
class _Part:
    """One part of a multipart body."""

    name: str
    file_name: str
    content: bytes


def routes(parts: Parts) -> list[Route]:
    """Give the routes of ``/v1`` for a home."""
    table: list[tuple[str, str, str, Handler]] = [
        ("GET", "/v1/model-services", "reader", _list_services),
        ("POST", "/v1/model-services", "operator", _create_service),
        ("GET", "/v1/model-services/{name}", "reader", _get_service),
        ("PATCH", "/v1/model-services/{name}", "operator", _modify_service),
        ("DELETE", "/v1/model-services/{name}", "operator", _delete_service),
        ("GET", "/v1/model-services/{name}/logs", "reader", _service_logs),
        ("GET", "/v1/models", "reader", _list_models),
        ("POST", "/v1/models", "operator", _onboard),
        ("DELETE", "/v1/models/{id}/{version}", "operator", _delete_model),
        ("GET", "/v1/authors", "reader", _list_authors),
        ("POST", "/v1/authors", "admin", _register_author),
        ("POST", "/v1/authors/verify", "reader", _verify_author),
        ("DELETE", "/v1/authors/{name}", "admin", _delete_author),
    ]
    by_path: dict[str, dict[str, tuple[str, Handler]]] = {}
    for method, path, role, handler in table:
        by_path.setdefault(path, {})[method] = (role, handler)
    return [
        Route(path, _endpoint(parts, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


def _no_path(request: Request, _error: Exception) -> Response:
    return _sent(refuse_path(request.url.path))


def _no_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    allowed = {*(headers or {}).get("Allow", "").split(", "), "OPTIONS"}
    told = refuse_method(request.method, request.url.path, tuple(sorted(allowed)))
    return _sent(told or refuse_path(request.url.path))


def _sent(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, answer.content_type)


REFUSALS = {404: _no_path, 405: _no_method}
"""What an application with these routes answers elsewhere: in the words of the path."""


def _endpoint(
    parts: Parts, methods: dict[str, tuple[str, Handler]]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        # Starlette answers HEAD where there is GET.
        role, handler = methods["GET" if request.method == "HEAD" else request.method]
        try:
            asker = _asker(parts, request, role)
            return await handler(parts, asker, request)
        except CTError as error:
            return _told({"message": str(error)}, status_of(error))

    return answer


def _asker(parts: Parts, request: Request, role: str) -> Asker:
    """Read who asks.

    Raises
    ------
    NotAllowedError
        If the role is not enough.
    """
    principal = getattr(request.state, "principal", None)
    if principal is None:
        return Asker(parts.settings.who)
    if isinstance(principal, dict):
        name, has, domains = principal["name"], principal["role"], principal.get("domains")
    elif isinstance(principal, list | tuple):
        name, has, domains = principal
    else:
        name, has, domains = principal.name, principal.role, principal.domains
    if has not in ROLES or ROLES.index(has) < ROLES.index(role):
        raise NotAllowedError(
            f"There is no permission for {request.method} {request.url.path}: it needs the role "
            f"{role}, {name} has {has}."
        )
    if domains is None or "*" in domains:
        return Asker(str(name))
    return Asker(str(name), frozenset(domains))


# -- services --------------------------------------------------------------------------------------


async def _list_services(parts: Parts, asker: Asker, _request: Request) -> Response:
    return _told(await run_in_threadpool(services.services, parts, asker))


async def _get_service(parts: Parts, asker: Asker, request: Request) -> Response:
    return _told(
        await run_in_threadpool(services.service, parts, request.path_params["name"], asker)
    )


async def _create_service(parts: Parts, asker: Asker, request: Request) -> Response:
    wished = service_from_json(await _json(request))
    return _told(await run_in_threadpool(services.create_service, parts, wished, asker), 201)


async def _modify_service(parts: Parts, asker: Asker, request: Request) -> Response:
    body = await _json(request)
    name = request.path_params["name"]
    if isinstance(body, dict) and body.get("name") not in {None, name}:
        raise _BadRequestError(f'"name" is not {name}: a service keeps its name.')
    change = change_from_json(body)
    answer = await run_in_threadpool(services.modify_service, parts, name, change, asker)
    return _told({"message": answer["message"]})


async def _delete_service(parts: Parts, asker: Asker, request: Request) -> Response:
    name = request.path_params["name"]
    return _told(await run_in_threadpool(services.delete_service, parts, name, asker))


async def _service_logs(parts: Parts, asker: Asker, request: Request) -> Response:
    lines = _whole(request, "lines")
    limit = _whole(request, "limit")
    return _told(
        await run_in_threadpool(
            services.service_logs,
            parts,
            request.path_params["name"],
            asker,
            lines=100 if lines is None else lines,
            seconds=_whole(request, "seconds"),
            limit=50_000 if limit is None else limit,
        )
    )


# -- models ----------------------------------------------------------------------------------------


async def _list_models(parts: Parts, asker: Asker, request: Request) -> Response:
    wanted = request.query_params.get("id")
    return _told(await run_in_threadpool(packages.packages, parts, asker, id=wanted))


async def _onboard(parts: Parts, asker: Asker, request: Request) -> Response:
    said = {part.name: part for part in _multipart(request, await _body(request, MOST_BYTES))}
    given = [name for name in _FILES if name in said]
    if len(given) != 1:
        raise _BadRequestError(
            f"Expected exactly one of the parts {', '.join(_FILES)}, found "
            f"{', '.join(given) or 'none'}."
        )
    part = said[given[0]]
    domain = said["domain"].content.decode("utf-8", "replace") if "domain" in said else ""
    if part.name == "modeldata":
        image = _image(_parsed(part.content))
        if domain:
            image["domain"] = domain
        answer = await run_in_threadpool(packages.onboard_image, parts, asker, **image)
    else:
        is_source = part.name == "sourcefile"
        take = packages.onboard_source if is_source else packages.onboard_archive
        answer = await run_in_threadpool(
            take, parts, asker, part.file_name, part.content, domain=domain
        )
    return _told(answer, 201)


async def _delete_model(parts: Parts, asker: Asker, request: Request) -> Response:
    reference = ModelRef(request.path_params["id"], request.path_params["version"])
    return _told(await run_in_threadpool(packages.delete_package, parts, asker, reference))


# -- authors ---------------------------------------------------------------------------------------


async def _list_authors(parts: Parts, _asker: Asker, _request: Request) -> Response:
    return _told(await run_in_threadpool(packages.authors, parts))


async def _register_author(parts: Parts, asker: Asker, request: Request) -> Response:
    body = await _json(request)
    if not isinstance(body, dict):
        raise _BadRequestError("The body must be a JSON object with name and publicKey.")
    name, key = body.get("name"), body.get("publicKey")
    if not isinstance(name, str) or not isinstance(key, str):
        raise _BadRequestError('"name" or "publicKey" is missing or no text.')
    return _told(await run_in_threadpool(packages.register_author, parts, asker, name, key), 201)


async def _verify_author(parts: Parts, _asker: Asker, request: Request) -> Response:
    content = await _body(request, _MOST_JSON)
    key: Any = content.decode("utf-8", "replace")
    if key.lstrip().startswith(("{", '"')):
        # The key as it is, as a JSON text, or as the body that registered it.
        said = _parsed(content)
        key = said.get("publicKey") if isinstance(said, dict) else said
    if not isinstance(key, str):
        raise _BadRequestError("Expected a public key as PEM text.")
    return _told(await run_in_threadpool(packages.verify_author, parts, key))


async def _delete_author(parts: Parts, asker: Asker, request: Request) -> Response:
    name = request.path_params["name"]
    return _told(await run_in_threadpool(packages.delete_author, parts, asker, name))


# -- requests and answers --------------------------------------------------------------------------


def _told(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status)


def status_of(error: CTError) -> int:
    """Give the status of an error: that of the nearest of its classes in the table, else 500."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


async def _body(request: Request, most: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _BadRequestError(f"The request is larger than {most:,} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


async def _json(request: Request) -> Any:
    return _parsed(await _body(request, _MOST_JSON))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _BadRequestError("The body is no JSON.") from error


def _image(said: Any) -> dict[str, str]:
    if not isinstance(said, dict):
        raise _BadRequestError("The part modeldata must be a JSON object.")
    image = {}
    for key, value in said.items():
        if key not in _IMAGE_KEYS or not isinstance(value, str | None):
            raise _BadRequestError(
                f"Unexpected {key!r:.40} in modeldata. Expected texts: {', '.join(_IMAGE_KEYS)}."
            )
        image[_IMAGE_KEYS[key]] = value or ""
    missing = [key for key in ("id", "version", "title", "image") if not image.get(key)]
    if missing:
        raise _BadRequestError(f"{', '.join(missing)} missing in modeldata.")
    return image


def _whole(request: Request, name: str) -> int | None:
    said = request.query_params.get(name)
    if said is None:
        return None
    if not said.isascii() or not said.isdecimal() or len(said) > 9:
        raise _BadRequestError(f"{name} is {said[:40]!r}, expected a whole number of 0 or more.")
    return int(said)


def _multipart(request: Request, body: bytes) -> list[_Part]:
    """Read a multipart body by hand: its parts are few, and no parser of forms is installed."""
    kind = Message()
    kind["Content-Type"] = request.headers.get("content-type", "")
    boundary = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise _BadRequestError("Request is not a multipart request!")
    line = b"--" + boundary.encode("latin-1", "replace")
    # Each part begins behind a boundary at the beginning of a line; the last one ends with "--".
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _BadRequestError("The multipart body is not complete.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> _Part:
    head, found, content = piece.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n") + b"\r\n\r\n")
    name = headers.get_param("name", header="content-disposition")
    if not found or not isinstance(name, str):
        raise _BadRequestError("A part of the multipart body has no name.")
    return _Part(name, headers.get_filename() or "", content)
