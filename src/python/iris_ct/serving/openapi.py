"""The OpenAPI document of the data plane: its paths, for the services that are there."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from typing import Any

_ANY_JSON: dict[str, Any] = {}
_VALUES = {"type": "array", "items": {"type": "array", "items": _ANY_JSON}}
_SELDON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "meta": {"type": "object"},
        "data": {
            "type": "object",
            "properties": {
                "names": {"type": "array", "items": {"type": "string"}},
                "ndarray": _VALUES,
            },
        },
        "jsonData": _ANY_JSON,
        "strData": {"type": "string"},
        "binData": {"type": "string", "format": "byte"},
    },
}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": _ANY_JSON},
    },
}
_INFER_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object"}},
    },
}
_INFER_ANSWER = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_INVOCATION = {
    "type": "object",
    "description": "Exactly one of the four",
    "properties": {
        "dataframe_split": {"type": "object"},
        "dataframe_records": {"type": "array", "items": {"type": "object"}},
        "inputs": _ANY_JSON,
        "instances": _ANY_JSON,
    },
}
_PREDICTIONS = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": _ANY_JSON}},
}
_FEEDBACK = {
    "type": "object",
    "properties": {
        "request": _SELDON,
        "response": _SELDON,
        "reward": {"type": "number"},
        "truth": _SELDON,
    },
}
_SELDON_ERROR = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "object"}},
}
_V2_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_MLFLOW_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}
_OPTIONS = [
    {
        "name": "explain",
        "in": "query",
        "description": "Contributions of each feature are wished beside the prediction.",
        "schema": {"type": "boolean"},
    },
    {
        "name": "X-CT-Key",
        "in": "header",
        "description": "Requests of the same key are answered by the same branch.",
        "schema": {"type": "string", "pattern": "^[!-~]+$"},
    },
]
_SERVICE = {
    "name": "service",
    "in": "query",
    "description": "The service, where there are several.",
    "schema": {"type": "string"},
}


def openapi_of(services: Iterable[str]) -> dict[str, Any]:
    """Make the document.

    Parameters
    ----------
    services
        Names of the services that the reader may use.
    """
    paths: dict[str, Any] = {
        "/api/v1.0/predictions": _post("Seldon v1", _SELDON, _SELDON, _SELDON_ERROR, [_SERVICE]),
        "/invocations": _post(
            "MLflow scoring", _INVOCATION, _PREDICTIONS, _MLFLOW_ERROR, [_SERVICE]
        ),
        "/feedback": _post("Feedback", _FEEDBACK, _SELDON, _SELDON_ERROR, [_SERVICE]),
        "/ping": _get("MLflow scoring", "Whether the gateway lives"),
        "/health/ping": _get("Seldon v1", "Whether the gateway lives", "text/plain"),
        "/healthz": _get("Watching", "Whether the gateway lives", "text/plain"),
        "/readyz": _get("Watching", "Whether every service can answer", "text/plain"),
        "/metrics": _get("Watching", "Prometheus metrics", "text/plain"),
        "/v2": _get("Open inference", "Server metadata"),
        "/v2/health/live": _get("Open inference", "Whether the gateway lives"),
        "/v2/health/ready": _get("Open inference", "Whether every service can answer"),
    }
    for name in services:
        infer = _post("Open inference", _INFER_REQUEST, _INFER_ANSWER, _V2_ERROR)
        paths[f"/model-endpoints/{name}"] = _post("Seldon v1", _SELDON, _SELDON, _SELDON_ERROR)
        paths[f"/v2/models/{name}"] = _get("Open inference", "Model metadata")
        paths[f"/v2/models/{name}/ready"] = _get("Open inference", "Whether it can answer")
        paths[f"/v2/models/{name}/infer"] = infer
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "iris-ct serving",
            "version": importlib.metadata.version("iris-ct"),
            "description": "Predictions of the serving versions. docs/serving.md says more.",
        },
        "paths": paths,
    }


def _post(
    tag: str,
    asked: dict[str, Any],
    answered: dict[str, Any],
    refused: dict[str, Any],
    parameters: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "post": {
            "tags": [tag],
            "parameters": [*_OPTIONS, *parameters],
            "requestBody": {"required": True, "content": _json(asked)},
            "responses": {
                "200": {"description": "The answer", "content": _json(answered)},
                "4XX": {"description": "Refused", "content": _json(refused)},
                "5XX": {"description": "Failed", "content": _json(refused)},
            },
        }
    }


def _get(tag: str, what: str, kind: str = "application/json") -> dict[str, Any]:
    content: dict[str, Any] = {kind: {"schema": _ANY_JSON}}
    return {
        "get": {
            "tags": [tag],
            "summary": what,
            "responses": {
                "200": {"description": what, "content": content},
                "4XX": {"description": "Refused"},
                "5XX": {"description": "It cannot"},
            },
        }
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
