"""TensorFlow tensors in the JSON form of their protocol buffer.

Numbers are in ``tensorContent`` (base64, little endian, row by row) or in the list that belongs
to ``dtype``; whole numbers of 64 bits and the sizes of dimensions may be texts, as protocol
buffers have them in JSON.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.wire.refusal import WireError


class _Dtype(NamedTuple):
    field: str
    layout: str
    # Bits of a half, where the list holds those and not numbers.
    is_bits: bool = False


_DTYPES = {
    "DT_DOUBLE": _Dtype("double_val", "<f8"),
    "DT_FLOAT": _Dtype("float_val", "<f4"),
    "DT_HALF": _Dtype("half_val", "<f2", is_bits=True),
    "DT_INT64": _Dtype("int64_val", "<i8"),
    "DT_INT32": _Dtype("int_val", "<i4"),
    "DT_INT16": _Dtype("int_val", "<i2"),
    "DT_INT8": _Dtype("int_val", "<i1"),
    "DT_UINT64": _Dtype("uint64_val", "<u8"),
    "DT_UINT32": _Dtype("uint32_val", "<u4"),
    "DT_UINT16": _Dtype("int_val", "<u2"),
    "DT_UINT8": _Dtype("int_val", "<u1"),
    "DT_BOOL": _Dtype("bool_val", "?"),
    "DT_STRING": _Dtype("string_val", ""),
}
# Numbers of the enumeration, which protocol buffers may write in place of the names.
_NUMBERS = {
    1: "DT_FLOAT",
    2: "DT_DOUBLE",
    3: "DT_INT32",
    4: "DT_UINT8",
    5: "DT_INT16",
    6: "DT_INT8",
    7: "DT_STRING",
    9: "DT_INT64",
    10: "DT_BOOL",
    17: "DT_UINT16",
    19: "DT_HALF",
    22: "DT_UINT32",
    23: "DT_UINT64",
}


class _Dim(msgspec.Struct):
    size: int | str = 0


class _Shape(msgspec.Struct, rename="camel"):
    dim: list[_Dim] = []
    unknown_rank: bool = False


class TFTensor(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A TensorProto as JSON has it."""

    dtype: str | int = ""
    version_number: int = 0
    tensor_shape: _Shape | None = None
    tensor_content: str | None = None
    double_val: list[float] = []
    float_val: list[float] = []
    half_val: list[int] = []
    int_val: list[int] = []
    int64_val: list[int | str] = []
    uint32_val: list[int] = []
    uint64_val: list[int | str] = []
    bool_val: list[bool] = []
    string_val: list[str] = []


def read_tftensor(tensor: TFTensor) -> NDArray[Any] | list[list[str]]:
    """Read a tensor of one dimension (one row) or two.

    Returns
    -------
    ndarray of shape (n, k) of its own type, or rows of texts
        At least one value.

    Raises
    ------
    WireError
        400 if type, shape and values do not fit together.
    """
    name = _NUMBERS.get(tensor.dtype) if isinstance(tensor.dtype, int) else tensor.dtype
    dtype = _DTYPES.get(name or "")
    if dtype is None:
        raise WireError(
            400, f"dtype of data.tftensor is not one that is read: {', '.join(_DTYPES)}."
        )
    rows, width = _shape(tensor)
    if dtype.field == "string_val":
        texts = [_text(item) for item in tensor.string_val]
        _check_count(len(texts), rows, width)
        return [texts[start : start + width] for start in range(0, len(texts), width)]
    values = _numbers(tensor, dtype)
    _check_count(len(values), rows, width)
    return values.reshape(rows, width)


def _shape(tensor: TFTensor) -> tuple[int, int]:
    shape = tensor.tensor_shape
    try:
        sizes = [int(dim.size) for dim in shape.dim] if shape else []
    except ValueError:
        raise WireError(400, "A size in tensorShape of data.tftensor is no number.") from None
    if len(sizes) not in (1, 2) or min(sizes) < 1:
        raise WireError(
            400,
            f"tensorShape of data.tftensor has {len(sizes)} sizes, expected 2 (rows and columns) "
            "or 1 (one row), each at least 1.",
        )
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def _check_count(found: int, rows: int, width: int) -> None:
    expected = math.prod((rows, width))
    if found != expected:
        raise WireError(
            400,
            f"data.tftensor has {found} values, expected {rows} x {width} as tensorShape says.",
        )


def _numbers(tensor: TFTensor, dtype: _Dtype) -> NDArray[Any]:
    if tensor.tensor_content is not None:
        content = base64_bytes(tensor.tensor_content, "tensorContent of data.tftensor")
        size = np.dtype(dtype.layout).itemsize
        if len(content) % size:
            raise WireError(
                400,
                f"tensorContent of data.tftensor has {len(content)} bytes, expected a multiple "
                f"of the {size} of its dtype.",
            )
        return np.frombuffer(content, dtype=dtype.layout)
    listed: Sequence[Any] = getattr(tensor, dtype.field)
    try:
        if dtype.is_bits:
            return np.array(listed, dtype=np.uint16).view(np.float16)
        return np.array([int(v) if isinstance(v, str) else v for v in listed], dtype=dtype.layout)
    except (ValueError, OverflowError):
        raise WireError(400, "A value of data.tftensor is none of its dtype.") from None


def _text(item: str) -> str:
    try:
        return base64_bytes(item, "A text of data.tftensor").decode("utf-8")
    except UnicodeDecodeError:
        raise WireError(400, "A text of data.tftensor is not UTF-8.") from None


def base64_bytes(text: str, what: str) -> bytes:
    """Decode base64 of either alphabet, padded or not, as protocol buffers take it in JSON.

    Raises
    ------
    WireError
        400 if it is no base64.
    """
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WireError(400, f"{what} is no base64.") from None


def write_tftensor(values: NDArray[np.float64], *, as_content: bool) -> dict[str, Any]:
    """Write float64 values of shape (n, k) as a tensor.

    Parameters
    ----------
    values : ndarray of shape (n, k)
        The numbers.
    as_content : bool
        As bytes in base64, else as a list.
    """
    written: dict[str, Any] = {
        "dtype": "DT_DOUBLE",
        "tensorShape": {"dim": [{"size": str(size)} for size in values.shape]},
    }
    if as_content:
        written["tensorContent"] = base64.b64encode(values.astype("<f8").tobytes()).decode()
    else:
        written["doubleVal"] = values.ravel().tolist()
    return written
