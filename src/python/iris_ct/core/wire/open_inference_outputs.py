"""The outputs that a model has in the open inference protocol, and its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.scoring.signature import Column, Signature
from iris_ct.core.wire.exchange import Contributions

PREDICTION: Final = "prediction"
PROBABILITIES: Final = "probabilities"
CONTRIBUTIONS: Final = "contributions"
OUTPUTS: Final = (PREDICTION, PROBABILITIES, CONTRIBUTIONS)
SERVER: Final = "iris-ct"
PLATFORM: Final = "iris-ct_lightgbm"

DATATYPES: Final = {
    "numeric": "FP64",
    "categorical": "BYTES",
    "boolean": "BOOL",
    "datetime": "BYTES",
}


def described_outputs(
    outputs: Outputs, contributions: Contributions | None
) -> dict[str, tuple[dict[str, Any], NDArray[np.float64] | Sequence[str]]]:
    """Describe every output without its data, with its values."""
    prediction = outputs.prediction
    datatype = "BYTES" if isinstance(prediction, list) else "FP64"
    made: dict[str, tuple[dict[str, Any], NDArray[np.float64] | Sequence[str]]] = {
        PREDICTION: (_described(PREDICTION, [len(prediction), 1], datatype), prediction)
    }
    if outputs.probabilities is not None:
        probabilities = outputs.probabilities
        made[PROBABILITIES] = (
            _described(PROBABILITIES, probabilities.shape, "FP64", classes=outputs.classes),
            probabilities,
        )
    if contributions is not None:
        values = contributions.values
        made[CONTRIBUTIONS] = (
            _described(CONTRIBUTIONS, values.shape, "FP64", names=contributions.names),
            values,
        )
    return made


def _described(
    name: str, shape: Sequence[int], datatype: str, **columns: Sequence[str]
) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype}
    if columns:
        # The protocol's parameters are single values, so a list is written as JSON.
        tensor["parameters"] = {
            key: msgspec.json.encode(names).decode() for key, names in columns.items()
        }
    return tensor


def server_metadata(version: str) -> bytes:
    """Say which server this is and what it can do more than the protocol demands."""
    return msgspec.json.encode(
        {"name": SERVER, "version": version, "extensions": ["binary_tensor_data"]}
    )


def model_metadata(name: str, versions: Sequence[str], signature: Signature) -> bytes:
    """Say what a model takes and gives.

    Parameters
    ----------
    name : str
        Under which it is served.
    versions : sequence of str
        That are served now.
    signature : Signature
        Of one of them.
    """
    task_outputs = [
        {
            "name": PREDICTION,
            "datatype": "BYTES" if signature.classes else "FP64",
            "shape": [-1, 1],
        }
    ]
    if signature.classes:
        shape = [-1, len(signature.classes)]
        task_outputs.append(_described(PROBABILITIES, shape, "FP64", classes=signature.classes))
    return msgspec.json.encode(
        {
            "name": name,
            "versions": versions,
            "platform": PLATFORM,
            "inputs": [_input(column) for column in signature.columns],
            "outputs": task_outputs,
        }
    )


def _input(column: Column) -> dict[str, Any]:
    tensor: dict[str, Any] = {
        "name": column.name,
        "datatype": DATATYPES[column.kind],
        "shape": [-1, 1],
    }
    if column.kind in ("categorical", "datetime"):
        kind = "str" if column.kind == "categorical" else "datetime"
        tensor["parameters"] = {"content_type": kind}
    return tensor


def server_live(*, is_live: bool = True) -> bytes:
    """Say whether the server answers at all."""
    return msgspec.json.encode({"live": is_live})


def server_ready(*, is_ready: bool) -> bytes:
    """Say whether all models are ready."""
    return msgspec.json.encode({"ready": is_ready})


def model_ready(name: str, *, is_ready: bool) -> bytes:
    """Say whether a model is ready to answer."""
    return msgspec.json.encode({"name": name, "ready": is_ready})
