"""What a protocol says when a request is not answered with a prediction."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from iris_ct.core.errors import DataError

Protocol = Literal["seldon", "open_inference", "mlflow"]
SELDON: Final = "seldon"
OPEN_INFERENCE: Final = "open_inference"
MLFLOW: Final = "mlflow"
# Not a protocol of predictions: ``/v1``, which changes services and packages.
MANAGEMENT: Final = "management"

# Seldon's word for a request that cannot be read is its wrapper's; the others are named alike.
_SELDON_REASONS: Final = {
    400: "MICROSERVICE_BAD_DATA",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMEOUT",
    413: "TOO_LARGE",
    415: "MICROSERVICE_BAD_DATA",
    422: "MICROSERVICE_BAD_DATA",
    429: "TOO_MANY_REQUESTS",
    501: "NOT_IMPLEMENTED",
    503: "UNAVAILABLE",
    504: "TIMEOUT",
}
# The codes that MLflow itself has for these statuses.
_MLFLOW_CODES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class WireError(DataError):
    """A request that does not follow its protocol; the text names no value of a row.

    Attributes
    ----------
    status : int
        HTTP status of the answer.
    text : str
        What was expected, what was found, what to do.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text

    def __str__(self) -> str:
        """Give the text alone."""
        return self.text


class _Status(msgspec.Struct):
    code: int
    info: str
    reason: str
    status: str = "FAILURE"


def error_body(protocol: str, status: int, text: str) -> bytes:
    """Say in a protocol's own words, as JSON, that a request failed.

    Parameters
    ----------
    protocol : str
        `SELDON`, `OPEN_INFERENCE`, `MLFLOW` or `MANAGEMENT`. Any other gets
        ``{"error": text}``, as the open inference protocol has it.
    status : int
        HTTP status of the answer, 400 to 599.
    text : str
        What was expected, found, and what to do.
    """
    if protocol == SELDON:
        default = "MICROSERVICE_BAD_DATA" if status < 500 else "MICROSERVICE_INTERNAL_ERROR"
        reason = _SELDON_REASONS.get(status, default)
        return msgspec.json.encode({"status": _Status(status, text, reason)})
    if protocol == MLFLOW:
        code = _MLFLOW_CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
        return msgspec.json.encode({"error_code": code, "message": text})
    return msgspec.json.encode({"message" if protocol == MANAGEMENT else "error": text})
