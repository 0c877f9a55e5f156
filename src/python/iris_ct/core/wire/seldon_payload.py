"""What carries the predictions of a Seldon answer: the same as carried the rows of its request."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.wire.exchange import Asked
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.tftensor import write_tftensor

_LIMIT = 2**31


class SeldonAsked(Asked, kw_only=True):
    """A Seldon message, read.

    Attributes
    ----------
    encoding : str
        ``ndarray``, ``tensor``, ``tftensor``, ``jsonData``, ``strData`` or ``binData``.
    shape : str
        How the rows were written inside jsonData, strData and binData (see `table.Table`); for
        tftensor ``content`` or ``list``.
    tags, routing, request_path : dict
        Of ``meta``; the answer carries them on.
    """

    encoding: str
    shape: str = ""
    tags: dict[str, Any] = msgspec.field(default_factory=dict)
    routing: dict[str, int] = msgspec.field(default_factory=dict)
    request_path: dict[str, str] = msgspec.field(default_factory=dict)


def whole_routing(routing: Mapping[str, float] | None) -> dict[str, int]:
    """Read which branches were taken; whole numbers may be written as 1.0.

    Raises
    ------
    WireError
        400 if one is no number of 32 bits.
    """
    if not routing:
        return {}
    if any(not -_LIMIT <= number < _LIMIT or number % 1 for number in routing.values()):
        raise WireError(400, "A number in meta.routing is no whole number of 32 bits.")
    return {name: int(number) for name, number in routing.items()}


def payload(asked: SeldonAsked, outputs: Outputs, target: str) -> tuple[str, Any]:
    """Give the field of the message and what it holds.

    A regression has one column with the target's name, classes have one each with its
    probability. Labels without probabilities cannot be in a tensor and are sent as ndarray.
    """
    encoding = asked.encoding
    if encoding in ("ndarray", "tensor", "tftensor"):
        return "data", _data(asked, outputs, target)
    if encoding == "jsonData":
        return "jsonData", _json(asked.shape, outputs, target)
    if asked.shape == "npy" and (matrix := _matrix(outputs)) is not None:
        return "binData", base64.b64encode(_npy(matrix)).decode()
    text = _text(asked.shape, outputs, target)
    if encoding == "strData":
        return "strData", text
    return "binData", base64.b64encode(text.encode()).decode()


def _names(outputs: Outputs, target: str) -> Sequence[str]:
    return (target,) if outputs.probabilities is None else outputs.classes


def _matrix(outputs: Outputs) -> NDArray[np.float64] | None:
    """Give the numbers of the answer, shape (n, columns); None for labels alone."""
    if outputs.probabilities is not None:
        return outputs.probabilities
    if isinstance(outputs.prediction, list):
        return None
    return outputs.prediction.reshape(-1, 1)


def _rows(outputs: Outputs) -> list[list[Any]]:
    if outputs.probabilities is not None:
        return outputs.probabilities.tolist()  # type: ignore[no-any-return]  # of two dimensions
    prediction = outputs.prediction
    return [[v] for v in (prediction if isinstance(prediction, list) else prediction.tolist())]


def _data(asked: SeldonAsked, outputs: Outputs, target: str) -> dict[str, Any]:
    names = _names(outputs, target)
    if asked.encoding == "ndarray" or (matrix := _matrix(outputs)) is None:
        return {"names": names, "ndarray": _rows(outputs)}
    if asked.encoding == "tensor":
        return {
            "names": names,
            "tensor": {"shape": matrix.shape, "values": matrix.ravel().tolist()},
        }
    return {
        "names": names,
        "tftensor": write_tftensor(matrix, as_content=asked.shape == "content"),
    }


def _json(shape: str, outputs: Outputs, target: str) -> Any:
    if shape == "table":
        return {"names": _names(outputs, target), "ndarray": _rows(outputs)}
    if shape in ("rows", "row"):
        rows = _rows(outputs)
        return rows[0] if shape == "row" else rows
    records = _records(outputs)
    return records[0] if shape == "object" else records


def _records(outputs: Outputs) -> list[dict[str, Any]]:
    prediction = outputs.prediction
    values: list[Any] = prediction if isinstance(prediction, list) else prediction.tolist()
    if outputs.probabilities is None:
        return [{"prediction": value} for value in values]
    classes = outputs.classes
    return [
        {"prediction": value, "probabilities": dict(zip(classes, row, strict=True))}
        for value, row in zip(values, outputs.probabilities.tolist(), strict=True)
    ]


def _text(shape: str, outputs: Outputs, target: str) -> str:
    if shape not in ("csv", "csv_row", "npy"):
        return msgspec.json.encode(_json(shape, outputs, target)).decode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if shape != "csv_row":
        writer.writerow(_names(outputs, target))
    writer.writerows(_rows(outputs))
    return text.getvalue()


def _npy(matrix: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, matrix, allow_pickle=False)
    return buffer.getvalue()
