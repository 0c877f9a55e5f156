"""Open inference protocol, version 2: tensors in JSON or raw bytes to rows, and answers back.

Rows come as one input for each column, of shape [n] or [n, 1] and named like it, or as one input
of shape [n, k] with the features in their declared order. Answers are the output ``prediction``
of shape [n, 1] and, of a model of classes, ``probabilities`` of shape [n, classes]. The output
``contributions``, if it is asked for by name or by the parameter ``explain``, has for each row what
every feature added, and last the base value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from iris_ct.core.scoring.inputs import Inputs, Outputs
from iris_ct.core.wire import tensors
from iris_ct.core.wire.exchange import (
    BINARY,
    MAX_ID_LENGTH,
    Asked,
    Contributions,
    Reply,
    Served,
)
from iris_ct.core.wire.json_text import Cell, decode_json
from iris_ct.core.wire.open_inference_outputs import CONTRIBUTIONS, OUTPUTS, described_outputs
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.table import check_names, from_array
from iris_ct.core.wire.tensors import Values

# Length of the JSON before the raw bytes, in requests and answers.
HEADER_LENGTH = "inference-header-content-length"
_NO_DATA = msgspec.Raw(b"")
# Larger requests hold more than a row or two.
_ROW_BYTES = 4096
_ONE = ([1], [1, 1])
_NONE = type(None)
_PLAIN_KINDS = {
    "FP64": frozenset({float, int, _NONE}),
    "INT64": frozenset({int, _NONE}),
    "BYTES": frozenset({str, _NONE}),
    "BOOL": frozenset({bool, _NONE}),
}
# Clients name how they hold a column; these change nothing of what the cells mean.
_PLAIN_PARAMETERS = tuple({"content_type": kind} for kind in ("str", "np", "pd", "datetime"))
# Whole numbers up to this are the same as float64.
_LARGEST = 2**53

T = TypeVar("T")


class OpenInferenceAsked(Asked, kw_only=True):
    """A request, read.

    Attributes
    ----------
    outputs : tuple of (str, bool)
        Names of the wanted outputs and whether as raw bytes; empty for all that there are.
    is_binary : bool
        Whether outputs that are not named are wanted as raw bytes.
    """

    outputs: tuple[tuple[str, bool], ...] = ()
    is_binary: bool = False


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = _NO_DATA


class _RowInput(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Cell]
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct, Generic[T]):
    inputs: list[T]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


_REQUEST = msgspec.json.Decoder(_Request[_Input])
_ROW = msgspec.json.Decoder(_Request[_RowInput])


def decode(body: bytes, headers: Mapping[str, str] | None = None) -> OpenInferenceAsked:
    """Read an inference request.

    Parameters
    ----------
    body : bytes
        JSON, and after it the raw bytes of those inputs that say ``binary_data_size``.
    headers : mapping, optional
        With names in lower case; `HEADER_LENGTH` is read.

    Raises
    ------
    WireError
        400; the text names what was expected and found, and no value of a row.
    """
    length = headers.get(HEADER_LENGTH) if headers else None
    if length is None and len(body) < _ROW_BYTES and (asked := _decode_row(body)) is not None:
        return asked
    text, raw = _parts(body, length)
    request = decode_json(_REQUEST, text, "The request")
    if not request.inputs:
        raise WireError(
            400, "The request has no inputs. Send one for every column, or one matrix."
        )
    tensors_read, left = [], raw
    for place, tensor in enumerate(request.inputs):
        values, left = _values(tensor, left, f"inputs[{place}]")
        tensors_read.append(values)
    if left:
        raise WireError(
            400,
            f"{len(left)} bytes follow the last input. Expected as many as the inputs' "
            "binary_data_size add up to.",
        )
    inputs, n_rows = _inputs(request.inputs, tensors_read)
    return _asked(request, inputs, n_rows)


def _decode_row(body: bytes) -> OpenInferenceAsked | None:
    """Read the usual single row; None for anything else, which the general way reads."""
    try:
        request = _ROW.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    described = request.inputs
    if len(described) == 1 and len(described[0].shape) == 2 and described[0].shape[1] > 1:
        tensor = described[0]
        if tensor.shape != [1, len(tensor.data)] or not _is_plain(tensor):
            return None
        return _asked(request, Inputs(rows=[tensor.data]), 1)
    for tensor in described:
        if tensor.shape not in _ONE or len(tensor.data) != 1 or not _is_plain(tensor):
            return None
    names = tuple([tensor.name for tensor in described])
    if not names or len(set(names)) != len(names):
        return None
    row = [tensor.data[0] for tensor in described]
    return _asked(request, Inputs(names=names, rows=[row]), 1)


def _is_plain(tensor: _RowInput) -> bool:
    """Tell whether the values are surely of the datatype and mean what they say."""
    if tensor.parameters and tensor.parameters not in _PLAIN_PARAMETERS:
        return False
    kinds = _PLAIN_KINDS.get(tensor.datatype)
    if kinds is None:
        return False
    return all(
        type(value) in kinds and (type(value) is not int or -_LARGEST <= value <= _LARGEST)
        for value in tensor.data
    )


def _asked(request: _Request[Any], inputs: Inputs, n_rows: int) -> OpenInferenceAsked:
    asked = OpenInferenceAsked(inputs=inputs, n_rows=n_rows, request_id=_id(request))
    if request.parameters:
        asked.is_binary = request.parameters.get("binary_data_output") is True
        asked.explain = request.parameters.get("explain") is True
    if request.outputs:
        _want(request.outputs, asked)
    return asked


def _parts(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return body, b""
    if not (
        length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= len(body)
    ):
        raise WireError(
            400,
            f"Inference-Header-Content-Length must be the length of the JSON, at most the "
            f"{len(body)} bytes of the body.",
        )
    return body[: int(length)], body[int(length) :]


def _id(request: _Request[Any]) -> str:
    if request.id is None:
        return ""
    if len(request.id) > MAX_ID_LENGTH:
        raise WireError(
            400, f"id has {len(request.id)} letters, expected at most {MAX_ID_LENGTH}."
        )
    return request.id


def _values(tensor: _Input, raw: bytes, what: str) -> tuple[Values, bytes]:
    """Read a tensor's values; give what is left of the raw bytes."""
    shape = tensor.shape
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise WireError(
            400,
            f"The shape of {what} has {len(shape)} sizes, expected [n], [n, 1] or [n, features], "
            "each at least 1.",
        )
    parameters = tensor.parameters or {}
    size = parameters.get("binary_data_size")
    if size is None:
        if not tensor.data:
            raise WireError(400, f"{what} has neither data nor binary_data_size.")
        values = tensors.from_json(tensor.data, tensor.datatype, shape, what)
    else:
        if type(size) is not int or not 0 <= size <= len(raw):
            raise WireError(
                400,
                f"binary_data_size of {what} must be at most the {len(raw)} bytes that are left "
                "after the JSON. Does Inference-Header-Content-Length give the JSON's length?",
            )
        values = tensors.from_binary(raw[:size], tensor.datatype, shape, what)
        raw = raw[size:]
    if parameters.get("content_type") == "base64" and tensor.datatype == "BYTES":
        values = tensors.from_base64(values, what)
    return values, raw


def _inputs(described: Sequence[_Input], values: Sequence[Values]) -> tuple[Inputs, int]:
    shape = described[0].shape
    if len(described) == 1 and len(shape) == 2 and shape[1] > 1:
        return _matrix(values[0], shape[0], shape[1]), shape[0]
    n_rows = shape[0]
    for place, tensor in enumerate(described):
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            raise WireError(
                400,
                f"inputs[{place}] has {tensor.shape[1]} columns. Of several inputs each is one "
                "column of shape [n] or [n, 1].",
            )
        if tensor.shape[0] != n_rows:
            raise WireError(
                400,
                f"inputs[{place}] has {tensor.shape[0]} rows, expected {n_rows} as inputs[0] has.",
            )
    names = tuple(tensor.name for tensor in described)
    check_names(names, "inputs")
    if n_rows == 1:
        return Inputs(names=names, rows=[[_first(column) for column in values]]), 1
    return Inputs(columns=dict(zip(names, values, strict=True))), n_rows


def _first(column: Values) -> Any:
    return column.tolist()[0] if isinstance(column, np.ndarray) else column[0]


def _matrix(values: Values, n_rows: int, width: int) -> Inputs:
    if not isinstance(values, np.ndarray):
        starts = range(0, n_rows * width, width)
        return Inputs(rows=[values[start : start + width] for start in starts])
    if n_rows == 1:
        return Inputs(rows=[values.tolist()])
    return from_array(values.reshape(n_rows, width), None)


def _want(outputs: Sequence[_Output], asked: OpenInferenceAsked) -> None:
    wanted = []
    for place, output in enumerate(outputs):
        parameters = output.parameters or {}
        if output.name not in OUTPUTS:
            raise WireError(400, f"outputs[{place}] is none of the model's: {', '.join(OUTPUTS)}.")
        if "classification" in parameters:
            raise WireError(
                400, f"outputs[{place}] asks for classification, an extension not offered here."
            )
        binary = parameters.get("binary_data", asked.is_binary)
        wanted.append((output.name, binary is True))
    check_names([name for name, _ in wanted], "outputs")
    asked.outputs = tuple(wanted)
    asked.explain = asked.explain or any(name == CONTRIBUTIONS for name, _ in wanted)


def encode(
    asked: OpenInferenceAsked,
    outputs: Outputs,
    served: Served,
    *,
    puid: str,
    contributions: Contributions | None = None,
) -> Reply:
    """Answer with the outputs that were asked for, as JSON or with raw bytes after it.

    Parameters
    ----------
    asked : OpenInferenceAsked
        The request.
    outputs : Outputs
        What the model said of its rows.
    served : Served
        Who answers.
    puid : str
        Name of the request if it has none of its own.
    contributions : Contributions, optional
        If they were asked for.

    Raises
    ------
    WireError
        400 if an output was asked for that this model does not have.
    """
    made = described_outputs(outputs, contributions)
    wanted = asked.outputs or tuple((name, asked.is_binary) for name in made)
    described, raw = [], []
    for name, binary in wanted:
        if name not in made:
            raise WireError(400, f"This model has no output {name}; it has {', '.join(made)}.")
        tensor, values = made[name]
        if binary:
            data = tensors.to_binary(values)
            size = {"binary_data_size": len(data)}
            tensor["parameters"] = {**tensor.get("parameters", {}), **size}
            raw.append(data)
        else:
            tensor["data"] = values.ravel().tolist() if isinstance(values, np.ndarray) else values
        described.append(tensor)
    answer = {
        "model_name": served.model,
        "model_version": served.version,
        "id": asked.request_id or puid,
        "outputs": described,
    }
    text = msgspec.json.encode(answer)
    if not raw:
        return Reply(text)
    return Reply(b"".join((text, *raw)), BINARY, ((HEADER_LENGTH, str(len(text))),))
