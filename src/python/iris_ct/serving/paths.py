"""What a path asks for, and in whose words it is refused: the same for the gateway and for WSGI.

Who answers, and whether there is such a service at all, is known elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from iris_ct.core.wire.refusal import (
    MANAGEMENT,
    MLFLOW,
    OPEN_INFERENCE,
    SELDON,
    WireError,
    error_body,
)
from iris_ct.serving.frames import FEEDBACK, OPEN_INFERENCE_METADATA, SELDON_METADATA, Answer

# What is asked of a service beside what its model is asked.
READY: Final = "ready"
PING: Final = "ping"
HEALTH: Final = "health"

POST: Final = ("POST", "OPTIONS")
READ: Final = ("GET", "HEAD", "OPTIONS")
"""Methods that a path takes."""

TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"

OF_ANY: Final[Mapping[str, str]] = {
    "/api/v1.0/predictions": SELDON,
    "/api/v0.1/predictions": SELDON,
    "/feedback": FEEDBACK,
    "/api/v1.0/feedback": FEEDBACK,
    "/api/v0.1/feedback": FEEDBACK,
    "/invocations": MLFLOW,
}
"""Paths that are POSTed to a service which the request names, and their protocols."""

OF_SERVICE: Final[Mapping[str, str]] = {"": SELDON, "/": SELDON, **OF_ANY}
"""What may follow ``/model-endpoints/<service>``."""

PONG: Final = Answer(200, b"pong", TEXT)
# What Seldon's wrapper answers for a model that says nothing of its health.
HEALTHY: Final = Answer(200, b'{"data":{"names":[],"ndarray":[]},"meta":{}}', _JSON)
ALIVE: Final[Mapping[str, Answer]] = {
    "/ping": Answer(200, b"\n", TEXT),
    "/health": Answer(200, b"\n", TEXT),
    "/healthz": Answer(200, b"ok\n", TEXT),
    "/health/ping": PONG,
    "/health/status": HEALTHY,
    "/v2/health/live": Answer(200, b'{"live":true}', _JSON),
}
"""What asks whether anybody is there."""


class Place(NamedTuple):
    """What a path asks.

    Attributes
    ----------
    protocol
        One that a model answers, or `READY`, `PING`, `HEALTH`.
    service
        Empty: of the one that the request names, or the only one.
    version
        Empty: any.
    allowed
        `POST` or `READ`.
    """

    protocol: str
    service: str = ""
    version: str = ""
    allowed: tuple[str, ...] = READ


def place_of(path: str) -> Place | None:
    """Find what a path asks of a model or of its service; None: nothing.

    Only what is read may end with a slash more, and ``/model-endpoints/<service>``.

    Examples
    --------
    >>> place_of("/v2/models/bikes/versions/3/infer").version
    '3'
    >>> place_of("/v2/models/bikes/ready/").protocol
    'ready'
    >>> place_of("/invocations/") is None
    True
    """
    if path in OF_ANY:
        return Place(OF_ANY[path], allowed=POST)
    match path.split("/")[1:]:
        case ["v2", "models", name, "infer"]:
            return Place(OPEN_INFERENCE, name, allowed=POST)
        case ["v2", "models", name, "versions", version, "infer"]:
            return Place(OPEN_INFERENCE, name, version, POST)
        case ["model-endpoints", name, *rest] if name:
            protocol = OF_SERVICE.get("".join(f"/{part}" for part in rest))
            if protocol is not None:
                return Place(protocol, name, allowed=POST)
    return _page_of(path.rstrip("/").split("/")[1:])


def _page_of(parts: list[str]) -> Place | None:
    match parts:
        case ["metadata"]:
            return Place(SELDON_METADATA)
        case ["v2", "models", name]:
            return Place(OPEN_INFERENCE_METADATA, name)
        case ["v2", "models", name, "versions", version]:
            return Place(OPEN_INFERENCE_METADATA, name, version)
        case ["v2", "models", name, "ready"]:
            return Place(READY, name)
        case ["v2", "models", name, "versions", version, "ready"]:
            return Place(READY, name, version)
        case ["model-endpoints", name, "metadata"]:
            return Place(SELDON_METADATA, name)
        case ["model-endpoints", name, "health", "ping"]:
            return Place(PING, name)
        case ["model-endpoints", name, "health", "status"]:
            return Place(HEALTH, name)
    return None


def protocol_of(path: str) -> str:
    """Give the protocol in whose words a path is refused; empty for none.

    Examples
    --------
    >>> protocol_of("/model-endpoints/bikes"), protocol_of("/model-endpoints/bikes/invocations")
    ('seldon', 'mlflow')
    >>> protocol_of("/v1/models"), protocol_of("/elsewhere")
    ('management', '')
    """
    match path.strip("/").split("/"):
        case ["invocations"] | ["model-endpoints", _, "invocations"]:
            return MLFLOW
        case ["model-endpoints", *_] | ["api", "v1.0" | "v0.1", *_] | ["feedback"]:
            return SELDON
        case ["v2", *_]:
            return OPEN_INFERENCE
        case ["v1", *_]:
            return MANAGEMENT
    return ""


def refuse(protocol: str, status: int, text: str) -> Answer:
    """Refuse in the words of a protocol."""
    kind = SELDON if protocol.startswith("seldon") else protocol
    return Answer(status, error_body(kind, status, text))


def refuse_path(path: str, *, hint: str = "") -> Answer:
    """Say that there is nothing at a path."""
    return refuse(protocol_of(path), 404, f"There is no such path{hint}.")


def refuse_method(method: str, path: str, allowed: tuple[str, ...]) -> Answer | None:
    """Say which methods a path takes, if it is asked for them or by another one."""
    allow = {"allow": ", ".join(allowed)}
    if method == "OPTIONS":
        return Answer(204, b"", TEXT, headers=allow)
    if method in allowed:
        return None
    text = f"{method} is not for this path, which takes {allow['allow']}."
    said = refuse(protocol_of(path), 405, text)
    return Answer(405, said.body, said.content_type, headers=allow)


def check_path(path: str, raw_path: bytes = b"") -> None:
    """Refuse paths that two programs may read differently.

    Parameters
    ----------
    raw_path
        As it came over the wire, if that is known.

    Raises
    ------
    WireError
        400.
    """
    raw = raw_path.lower()
    parts = path.split("/")
    doubtful = (
        not path.startswith("/")
        or not path.isprintable()
        or "\\" in path
        or "\ufffd" in path
        or any(coded in raw for coded in (b"%2f", b"%5c", b"%00", b"%25"))
        or any(part in {".", ".."} for part in parts)
        or "" in parts[1:-1]
    )
    if doubtful:
        raise WireError(400, "The path is not a plain one: send it without //, .. and coded / .")
