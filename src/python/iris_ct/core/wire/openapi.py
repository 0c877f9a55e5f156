"""The OpenAPI 3.1 description of everything that the gateway answers about models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from iris_ct.core.scoring.signature import Signature
from iris_ct.core.wire import openapi_bodies as bodies
from iris_ct.core.wire.openapi_answers import REFUSALS, SCHEMAS

Schema = dict[str, Any]

_SELDON_WORDS: Final = (
    "A Seldon v1 message with exactly one of data (ndarray, tensor or tftensor), jsonData, "
    "strData and binData; the answer has the same. Also taken: the message in the field json of "
    "a form, and a multipart form with a part for each field."
)
_V2_WORDS: Final = (
    "Open inference protocol, version 2: one input for each column, or one of shape [n, "
    "features]; data flat or nested. With the header Inference-Header-Content-Length also the "
    "binary tensor data extension."
)
_MLFLOW_WORDS: Final = (
    "MLflow scoring: exactly one of dataframe_split, dataframe_records, inputs and instances; or "
    "text/csv whose first line names the columns."
)
_FEEDBACK_WORDS: Final = (
    "Seldon v1 feedback on an answer, found again by response.meta.puid: a reward, or the truth "
    "of its rows. The request may come along."
)


class Described(NamedTuple):
    """A service, as the description needs it.

    Attributes
    ----------
    name : str
        Of the service.
    versions : tuple of str
        That answer in it now.
    signature : Signature or None
        What its model takes; None if it is not known, as of models of other kinds.
    """

    name: str
    versions: tuple[str, ...]
    signature: Signature | None


class _Asking(NamedTuple):
    """How one protocol asks for predictions."""

    protocol: str
    words: str
    body: Callable[[Signature], Schema]
    answer: str
    refusal: str


_SELDON: Final = _Asking("seldon", _SELDON_WORDS, bodies.seldon, "SeldonAnswer", "SeldonRefusal")
_V2: Final = _Asking("open_inference", _V2_WORDS, bodies.open_inference, "InferAnswer", "Refusal")
_MLFLOW: Final = _Asking("mlflow", _MLFLOW_WORDS, bodies.mlflow, "Predictions", "MlflowRefusal")
_FEEDBACK: Final = _Asking(
    "feedback", _FEEDBACK_WORDS, bodies.feedback, "SeldonAnswer", "SeldonRefusal"
)


def description(
    models: Sequence[Described], *, version: str = "1.0", needs_token: bool = False
) -> Schema:
    """Describe every public path.

    Parameters
    ----------
    models : sequence of Described
        What is served now; every service gets paths of its own.
    version : str
        Of the server.
    needs_token : bool
        Whether requests need a bearer token.
    """
    paths: Schema = {**_server_paths(), **_paths_of_any(models)}
    for model in models:
        paths.update(_model_paths(model))
    described: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Predictions",
            "version": version,
            "description": "Every model in the protocols of Seldon, Open Inference and MLflow.",
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }
    if needs_token:
        bearer = {"type": "http", "scheme": "bearer"}
        described["components"] = {"schemas": SCHEMAS, "securitySchemes": {"bearer": bearer}}
        described["security"] = [{"bearer": []}]
    return described


def _server_paths() -> Schema:
    return {
        "/v2": _get("About this server", "ServerMetadata", "Refusal"),
        "/v2/health/live": _get("Whether the server answers", "State", "State"),
        "/v2/health/ready": _get("Whether every model can answer", "State", "State"),
        "/ping": _get("Whether a model can answer, in MLflow's words", None, "Refusal"),
        "/health": _get("The same as /ping", None, "Refusal"),
        "/version": _get("Version of the server", None, "Refusal"),
        "/health/ping": _get("Whether the server answers, in Seldon's words", None, "Refusal"),
        "/health/status": _get("Whether the models can answer", "State", "State"),
        "/metadata": _get("About the models, in Seldon's words", "State", "State"),
        "/metrics": _get("Metrics for Prometheus", None, "Refusal"),
        "/healthz": _get("Whether the server answers", None, "Refusal"),
        "/readyz": _get("Whether every model can answer", None, "Refusal"),
    }


def _paths_of_any(models: Sequence[Described]) -> Schema:
    """Describe the paths that do not name a service."""
    asked = {
        "/api/v1.0/predictions": _SELDON,
        "/api/v0.1/predictions": _SELDON,
        "/api/v1.0/feedback": _FEEDBACK,
        "/api/v0.1/feedback": _FEEDBACK,
        "/feedback": _FEEDBACK,
        "/invocations": _MLFLOW,
    }
    return {path: _post(asking, models) for path, asking in asked.items()}


def _model_paths(model: Described) -> Schema:
    seldon, v2 = f"/model-endpoints/{model.name}", f"/v2/models/{model.name}"
    only = [model]
    paths: Schema = {
        seldon: _post(_SELDON, only),
        f"{seldon}/api/v1.0/predictions": _post(_SELDON, only),
        f"{seldon}/api/v1.0/feedback": _post(_FEEDBACK, only),
        f"{seldon}/invocations": _post(_MLFLOW, only),
        v2: _get(f"What {model.name} takes and gives", "ModelMetadata", "Refusal"),
        f"{v2}/ready": _get(f"Whether {model.name} can answer", "State", "State"),
        f"{v2}/infer": _post(_V2, only),
    }
    for version in model.versions:
        at = f"{v2}/versions/{version}"
        paths[at] = _get(f"What version {version} takes and gives", "ModelMetadata", "Refusal")
        paths[f"{at}/ready"] = _get(f"Whether version {version} can answer", "State", "State")
        paths[f"{at}/infer"] = _post(_V2, only)
    return paths


def _post(asking: _Asking, models: Sequence[Described]) -> Schema:
    """Describe a request to one model, or to that of several which it names."""
    signature = models[0].signature if len(models) == 1 else None
    content: Schema = {"schema": {"type": "object"}}
    if signature is not None:
        content = {"schema": asking.body(signature)}
        example = bodies.examples(signature).get(asking.protocol)
        if example is not None:
            content["example"] = example
    operation: Schema = {
        "description": asking.words,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": _responses(asking.answer, asking.refusal),
    }
    if len(models) > 1:
        names = [model.name for model in models]
        operation["parameters"] = [
            {
                "name": "service",
                "in": "query",
                "required": True,
                "description": "Which service is asked; the header X-CT-Service says the same.",
                "schema": {"enum": names},
            }
        ]
    return {"post": operation}


def _get(words: str, answer: str | None, refusal: str) -> Schema:
    return {"get": {"description": words, "responses": _responses(answer, refusal)}}


def _responses(answer: str | None, refusal: str) -> Schema:
    """Describe the answer (None: plain text) and every refusal."""
    good: Schema = {"text/plain": {"schema": {"type": "string"}}}
    if answer is not None:
        good = _json(answer)
    responses: Schema = {"200": {"description": "The answer.", "content": good}}
    # A page in plain text may also refuse so, as a probe sees that something is not ready.
    refused = {**good, **_json(refusal)} if answer is None else _json(refusal)
    for status, words in REFUSALS.items():
        responses[status] = {"description": words, "content": refused}
    return responses


def _json(name: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
