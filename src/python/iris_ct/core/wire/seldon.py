"""Seldon v1 messages: JSON bytes to rows, and predictions back in the request's encoding.

A request has exactly one of ``data``, ``jsonData``, ``strData`` and ``binData``, and the answer
has the same. What the protocol leaves open is decided here:

- A field that no message has is refused, as protocol buffers do.
- ``data.ndarray`` and ``data.tensor`` of one dimension are one row.
- ``jsonData`` is an object (one row by name), a list of objects, an object of ``names`` and
  ``ndarray``, a list of rows, or a list of values (one row).
- ``strData`` is JSON of those forms, or CSV: one line is one row of values in the features'
  order; of more lines the first names the columns.
- ``binData`` is base64 of such a text, or of NPY.
- ``meta.tags.explain: true`` asks for contributions, answered in the tag ``contributions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from iris_ct.core.scoring.inputs import Inputs, Outputs
from iris_ct.core.wire.exchange import MAX_ID_LENGTH, Contributions, Reply, Served
from iris_ct.core.wire.json_text import Cell, decode_json
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.seldon_form import message_of
from iris_ct.core.wire.seldon_payload import SeldonAsked, payload, whole_routing
from iris_ct.core.wire.table import (
    check_names_fit,
    check_rows,
    from_array,
    from_json,
    from_numbers,
    from_rows,
)
from iris_ct.core.wire.text_rows import from_bytes, from_text
from iris_ct.core.wire.tftensor import TFTensor, base64_bytes, read_tftensor

# From this size on it pays to try whether all values are numbers; a few rows are smaller.
_MATRIX_BYTES = 1024
_PAYLOADS = ("data", "jsonData", "strData", "binData")

R = TypeVar("R")


class Meta(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What goes along with a message, of those fields that are read."""

    puid: str | None = None
    tags: dict[str, Any] | None = None
    routing: dict[str, float] | None = None
    request_path: dict[str, str] | None = None
    # A request has none of its own to say.
    metrics: Any = None


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    shape: list[int]
    values: list[float]


class _Data(msgspec.Struct, Generic[R], forbid_unknown_fields=True):
    names: list[str] | None = None
    ndarray: R | None = None
    tensor: _Tensor | None = None
    tftensor: TFTensor | None = None


class _Message(msgspec.Struct, Generic[R], rename="camel", forbid_unknown_fields=True):
    # Of answers; not read.
    status: Any = None
    meta: Meta | None = None
    data: _Data[R] | None = None
    json_data: Any = msgspec.UNSET
    str_data: str | None = None
    bin_data: str | None = None


_CELLS = msgspec.json.Decoder(_Message[list[list[Cell]]])
_NUMBERS = msgspec.json.Decoder(_Message[list[list[float | None]]])
_ANY = msgspec.json.Decoder(_Message[Any])


def decode(body: bytes, content_type: str = "application/json") -> SeldonAsked:
    """Read a message.

    Parameters
    ----------
    body : bytes
        JSON, a form with the field ``json``, or a multipart form.
    content_type : str
        Header of the request; empty is taken for JSON.

    Raises
    ------
    WireError
        400 or 415; the text names what was expected and found, and no value of a row.
    """
    text = message_of(body, content_type)
    if len(text) >= _MATRIX_BYTES:
        asked = _decode_numbers(text)
        if asked is not None:
            return asked
    try:
        message: _Message[Any] = _CELLS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = decode_json(_ANY, text, "The message")
        return _asked(message, _checked_rows(message))
    data = message.data
    return _asked(message, None if data is None else data.ndarray)


def _decode_numbers(text: bytes) -> SeldonAsked | None:
    try:
        message = _NUMBERS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Texts among the numbers, or no JSON: the other way will tell.
        return None
    data = message.data
    if data is None or data.ndarray is None:
        return _asked(message, None)
    inputs = from_numbers(data.ndarray, data.names, "data.ndarray")
    return None if inputs is None else _asked(message, data.ndarray, inputs)


def _checked_rows(message: _Message[Any]) -> list[list[Cell]] | None:
    rows: Any = None if message.data is None else message.data.ndarray
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise WireError(400, "data.ndarray must be a list of rows.")
    # One dimension is one row.
    if rows and not any(isinstance(row, list) for row in rows):
        rows = [rows]
    return check_rows(rows, "data.ndarray")


def _asked(
    message: _Message[Any], rows: Sequence[Sequence[Cell]] | None, inputs: Inputs | None = None
) -> SeldonAsked:
    data = message.data
    if data is None:
        asked = _asked_by_form(message)
    elif _count(message) != 1:
        raise _one_payload(_count(message))
    elif rows is not None and data.tensor is None and data.tftensor is None:
        inputs = inputs or from_rows(rows, data.names, "data.ndarray")
        asked = SeldonAsked(inputs=inputs, n_rows=len(rows), encoding="ndarray")
    else:
        asked = _asked_by_tensor(data, rows)
    if message.meta is not None:
        _carry(message.meta, asked)
    return asked


def _count(message: _Message[Any]) -> int:
    return (
        (message.data is not None)
        + (message.json_data is not msgspec.UNSET)
        + (message.str_data is not None)
        + (message.bin_data is not None)
    )


def _one_payload(found: int) -> WireError:
    return WireError(
        400, f"The message has {found} of {', '.join(_PAYLOADS)}; expected exactly one."
    )


def _asked_by_form(message: _Message[Any]) -> SeldonAsked:
    if _count(message) != 1:
        raise _one_payload(_count(message))
    if message.str_data is not None:
        encoding, found = "strData", from_text(message.str_data, "strData")
    elif message.bin_data is not None:
        data = base64_bytes(message.bin_data, "binData")
        encoding, found = "binData", from_bytes(data, "binData")
    else:
        encoding, found = "jsonData", from_json(message.json_data, "jsonData")
    return SeldonAsked(
        inputs=found.inputs, n_rows=found.n_rows, encoding=encoding, shape=found.shape
    )


def _asked_by_tensor(data: _Data[Any], rows: Sequence[Sequence[Cell]] | None) -> SeldonAsked:
    found = (rows is not None) + (data.tensor is not None) + (data.tftensor is not None)
    if found != 1:
        raise WireError(
            400, f"data has {found} of ndarray, tensor, tftensor; expected exactly one."
        )
    if data.tensor is not None:
        return _from_tensor(data.tensor, data.names)
    return _from_tftensor(data.tftensor or TFTensor(), data.names)


def _from_tensor(tensor: _Tensor, names: list[str] | None) -> SeldonAsked:
    shape = tensor.shape
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise WireError(
            400,
            f"data.tensor.shape has {len(shape)} sizes, expected 2 (rows and columns) or 1 "
            "(one row), each at least 1.",
        )
    n_rows, width = (1, shape[0]) if len(shape) == 1 else shape
    if len(tensor.values) != n_rows * width:
        raise WireError(
            400,
            f"data.tensor has {len(tensor.values)} values, expected {n_rows} x {width} as its "
            "shape says.",
        )
    check_names_fit(width, names, "data.tensor")
    matrix = np.array(tensor.values, dtype=np.float64).reshape(n_rows, width)
    inputs = Inputs(names=tuple(names) if names else None, matrix=matrix)
    return SeldonAsked(inputs=inputs, n_rows=n_rows, encoding="tensor")


def _from_tftensor(tensor: TFTensor, names: list[str] | None) -> SeldonAsked:
    found = read_tftensor(tensor)
    shape = "list" if tensor.tensor_content is None else "content"
    if isinstance(found, list):
        inputs = from_rows(found, names, "data.tftensor")
    else:
        check_names_fit(found.shape[1], names, "data.tftensor")
        inputs = from_array(found, names)
    return SeldonAsked(inputs=inputs, n_rows=len(found), encoding="tftensor", shape=shape)


def _carry(meta: Meta, asked: SeldonAsked) -> None:
    if meta.puid:
        if len(meta.puid) > MAX_ID_LENGTH:
            raise WireError(
                400, f"meta.puid has {len(meta.puid)} letters, expected at most {MAX_ID_LENGTH}."
            )
        asked.request_id = meta.puid
    if meta.tags:
        asked.explain = meta.tags.pop("explain", False) is True
        asked.tags = meta.tags
    asked.routing = whole_routing(meta.routing)
    asked.request_path = meta.request_path or {}


def encode(
    asked: SeldonAsked,
    outputs: Outputs,
    served: Served,
    *,
    puid: str,
    routing: Mapping[str, int] | None = None,
    tags: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (),
    contributions: Contributions | None = None,
) -> Reply:
    """Answer a message in its own encoding.

    Parameters
    ----------
    asked : SeldonAsked
        The request.
    outputs : Outputs
        What the model said of its rows.
    served : Served
        Who answers.
    puid : str
        Name of the request if it has none of its own.
    routing : mapping, optional
        Which branch was taken, such as ``{"bikes": 0}``, added to that of the request.
    tags : mapping, optional
        Tags of the model, added to those of the request.
    metrics : sequence of mapping, optional
        The model's own, each with key, type, value and perhaps tags.
    contributions : Contributions, optional
        If they were asked for.
    """
    said: dict[str, Any] = {**asked.tags, **tags} if tags else {**asked.tags}
    if isinstance(outputs.prediction, list):
        said["prediction"] = outputs.prediction
    if contributions is not None:
        said["contributions"] = {
            "names": contributions.names,
            "ndarray": contributions.values.tolist(),
        }
    meta = {
        "puid": asked.request_id or puid,
        "tags": said,
        "routing": {**asked.routing, **(routing or {})},
        "requestPath": {**asked.request_path, served.model: served.image},
        "metrics": metrics,
    }
    field, content = payload(asked, outputs, served.target)
    return Reply(msgspec.json.encode({"meta": meta, field: content}))
