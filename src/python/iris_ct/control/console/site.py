"""How a page leaves: templates with everything escaped, strict headers, errors in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from iris_ct.core.errors import (
    CTError,
    NotAllowedError,
    StoreError,
    TransientError,
    UnknownModelError,
    UnknownServiceError,
)
from iris_ct.serving.metrics import BOUNDS_S

_log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent
# Nothing from elsewhere, nothing inline: a name that got through unescaped could still do nothing.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_PAGE_HEADERS = {**HEADERS, "cache-control": "no-store"}
_ASSET_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
NOT_FOUND, FORBIDDEN, AWAY, FAILED = 404, 403, 503, 500
# Of an error's classes the first that fits counts.
_STATUSES: tuple[tuple[type[CTError], int], ...] = (
    (UnknownModelError, NOT_FOUND),
    (UnknownServiceError, NOT_FOUND),
    (NotAllowedError, FORBIDDEN),
    (TransientError, AWAY),
    (StoreError, NOT_FOUND),
)
_TITLES = {
    NOT_FOUND: "Not found",
    FORBIDDEN: "Not allowed",
    AWAY: "Not available now",
    FAILED: "This page could not be made",
}


def page(request: Request, template: str, /, *, code: int = 200, **content: Any) -> Response:
    """Give a page."""
    text = _templates().get_template(template).render(here=request.url.path, **content)
    return HTMLResponse(text, code, headers=_PAGE_HEADERS)


def numbers(content: Mapping[str, Any]) -> Response:
    """Give live numbers as JSON."""
    return JSONResponse(content, headers=_PAGE_HEADERS)


def problem(request: Request, error: CTError) -> Response:
    """Say an error, with the status that fits."""
    code = next((number for kind, number in _STATUSES if isinstance(error, kind)), FAILED)
    if code == FAILED:
        _log.warning("Page %s: %s", request.url.path, error)
    return page(request, "problem.html", code=code, title=_TITLES[code], text=str(error))


def missing(request: Request) -> Response:
    """Say that there is no such page."""
    text = "There is no such page. The models are on the first one."
    return page(request, "problem.html", code=NOT_FOUND, title=_TITLES[NOT_FOUND], text=text)


def asset(request: Request) -> Response:
    """Give a file that pages use, or nothing new if the browser has it."""
    found = _assets().get(request.path_params["name"])
    if found is None:
        return missing(request)
    body, kind, tag = found
    headers = {**HEADERS, "etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers={**headers, "content-type": kind})


@cache
def _assets() -> dict[str, tuple[bytes, str, str]]:
    found = {}
    for path in (_FOLDER / "assets").iterdir():
        body = path.read_bytes()
        found[path.name] = body, _ASSET_KINDS[path.suffix], f'"{sha256(body).hexdigest()[:16]}"'
    return found


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"say": say, "when": when, "seconds": say_seconds, "rate": say_rate}
    return made


def say(value: object) -> str:
    r"""Say a value shortly.

    Examples
    --------
    >>> say(None), say(True), say(1234567), say(0.123456), say(["a", "b"])
    ('-', 'yes', '1\u202f234\u202f567', '0.1235', 'a, b')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        # Narrow no-break spaces, which no language reads as a decimal sign.
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(say(item) for item in value) or say(None)
    return str(value)


def when(moment: str | datetime | None) -> str:
    """Say an instant to the second, in UTC.

    Examples
    --------
    >>> when("2026-11-21T08:34:39.208392+01:00"), when(None)
    ('2026-11-21 07:34:39', '-')
    """
    if moment is None:
        return say(None)
    instant = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def say_seconds(seconds: float | None) -> str:
    """Say a duration.

    Examples
    --------
    >>> say_seconds(0.00071), say_seconds(2.0), say_seconds(None), say_seconds(float("inf"))
    ('0.71 ms', '2 s', '-', 'over 30 s')
    """
    if seconds is None:
        return say(None)
    if seconds == float("inf"):
        return f"over {BOUNDS_S[-1]:g} s"
    return f"{seconds * 1000:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"


def say_rate(per_second: float | None) -> str:
    r"""Say a rate.

    Examples
    --------
    >>> say_rate(1234.5), say_rate(0.25), say_rate(0.0), say_rate(None)
    ('1\u202f234/s', '0.25/s', '0/s', '-')
    """
    if per_second is None:
        return say(None)
    if per_second >= 100:
        return f"{say(int(per_second))}/s"
    return f"{per_second:.3g}/s"
