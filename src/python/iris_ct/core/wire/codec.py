"""Any protocol: a request's bytes to rows, and the answer, by the protocol's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.wire import mlflow_scoring, open_inference, seldon
from iris_ct.core.wire.exchange import Asked, Contributions, Reply, Served
from iris_ct.core.wire.open_inference import OpenInferenceAsked
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON, WireError
from iris_ct.core.wire.seldon_payload import SeldonAsked


def decode(
    protocol: str,
    body: bytes,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Asked:
    """Read a request.

    Parameters
    ----------
    protocol : str
        `SELDON`, `OPEN_INFERENCE` or `MLFLOW`.
    body : bytes
        As it came, after any decompression.
    content_type : str
        Header of the request; empty is taken for JSON.
    headers : mapping, optional
        With names in lower case; those that a protocol has of its own are read.

    Raises
    ------
    WireError
        400 or 415; the text names what was expected and found, and no value of a row.
    """
    if protocol == SELDON:
        return seldon.decode(body, content_type)
    if protocol == OPEN_INFERENCE:
        return open_inference.decode(body, headers)
    if protocol == MLFLOW:
        return mlflow_scoring.decode(body, content_type)
    raise WireError(404, "There is no such protocol.")


def encode(
    asked: Asked,
    outputs: Outputs,
    served: Served,
    *,
    puid: str,
    routing: Mapping[str, int] | None = None,
    tags: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (),
    contributions: Contributions | None = None,
) -> Reply:
    """Answer a request in its protocol; what the protocol has no place for is left out.

    Parameters
    ----------
    asked : Asked
        What `decode` gave.
    outputs : Outputs
        What the model said of its rows.
    served : Served
        Who answers.
    puid : str
        Name of the request if it has none of its own.
    routing : mapping, optional
        Which branch was taken, such as ``{"bikes": 0}``.
    tags : mapping, optional
        Tags of the model.
    metrics : sequence of mapping, optional
        The model's own, each with key, type, value and perhaps tags.
    contributions : Contributions, optional
        If they were asked for.

    Raises
    ------
    WireError
        400 if the request asked for an output that this model does not have.
    """
    if isinstance(asked, SeldonAsked):
        return seldon.encode(
            asked,
            outputs,
            served,
            puid=puid,
            routing=routing,
            tags=tags,
            metrics=metrics,
            contributions=contributions,
        )
    if isinstance(asked, OpenInferenceAsked):
        return open_inference.encode(
            asked, outputs, served, puid=puid, contributions=contributions
        )
    return mlflow_scoring.encode(outputs, contributions=contributions)
