"""Tensors of the open inference protocol: datatypes, JSON data flat or nested, raw bytes."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.wire.json_text import decode_json
from iris_ct.core.wire.refusal import WireError

# A tensor's values: one dimension, row by row; a list where one is missing or is text.
Values = NDArray[Any] | list[Any]

_LENGTH: Final = struct.Struct("<I")
_LARGEST_32 = float(np.finfo(np.float32).max)


class _Datatype(NamedTuple):
    dtype: str
    flat: msgspec.json.Decoder[list[Any]] | None
    nested: msgspec.json.Decoder[list[list[Any]]] | None


def _datatype(dtype: str, kind: Any) -> _Datatype:
    # null is a missing value, as clients send it that hold tables.
    return _Datatype(
        dtype,
        msgspec.json.Decoder(list[kind | None]),
        msgspec.json.Decoder(list[list[kind | None]]),
    )


def _whole(low: int, high: int) -> Any:
    return Annotated[int, msgspec.Meta(ge=low, le=high)]


DATATYPES: Final[dict[str, _Datatype]] = {
    "BOOL": _datatype("?", bool),
    "UINT8": _datatype("u1", _whole(0, 2**8 - 1)),
    "UINT16": _datatype("<u2", _whole(0, 2**16 - 1)),
    "UINT32": _datatype("<u4", _whole(0, 2**32 - 1)),
    # Beyond what a constraint can say; the array tells.
    "UINT64": _datatype("<u8", int),
    "INT8": _datatype("i1", _whole(-(2**7), 2**7 - 1)),
    "INT16": _datatype("<i2", _whole(-(2**15), 2**15 - 1)),
    "INT32": _datatype("<i4", _whole(-(2**31), 2**31 - 1)),
    "INT64": _datatype("<i8", _whole(-(2**63), 2**63 - 1)),
    # Without a form in JSON, says the binary tensor extension.
    "FP16": _Datatype("<f2", None, None),
    "FP32": _datatype("<f4", Annotated[float, msgspec.Meta(ge=-_LARGEST_32, le=_LARGEST_32)]),
    "FP64": _datatype("<f8", float),
    "BYTES": _datatype("", str),
}


def datatype_of(name: str, what: str) -> _Datatype:
    """Look a datatype up.

    Raises
    ------
    WireError
        400 if the protocol has none of that name.
    """
    found = DATATYPES.get(name)
    if found is None:
        raise WireError(
            400, f"The datatype of {what} is not one of the protocol's: {', '.join(DATATYPES)}."
        )
    return found


def from_json(data: msgspec.Raw, name: str, shape: Sequence[int], what: str) -> Values:
    """Read data that came as JSON, flat or nested, row by row.

    Parameters
    ----------
    data : msgspec.Raw
        A list.
    name : str
        The datatype.
    shape : sequence of one or two int
        What the tensor says of itself.
    what : str
        Names the tensor in refusals by its place, such as ``inputs[0]``.

    Raises
    ------
    WireError
        400 if a value is not of the datatype, or there are not as many as the shape says.
    """
    datatype = datatype_of(name, what)
    if datatype.flat is None or datatype.nested is None:
        raise WireError(
            400, f"{what} is {name}, which has no form in JSON. Send it as binary data."
        )
    text = bytes(data)
    if text[1:].lstrip()[:1] == b"[":
        values = _flattened(decode_json(datatype.nested, data, f"data of {what}"), shape, what)
    else:
        values = decode_json(datatype.flat, data, f"data of {what}")
    check_count(len(values), shape, what)
    return _typed(values, name, datatype.dtype, what)


def _flattened(rows: list[list[Any]], shape: Sequence[int], what: str) -> list[Any]:
    width = shape[-1] if len(shape) > 1 else 1
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise WireError(
                400, f"Row {number} of {what} has {len(row)} values, its shape says {width}."
            )
    return list(chain.from_iterable(rows))


def _typed(values: list[Any], name: str, dtype: str, what: str) -> Values:
    if not dtype or (len(values) == 1 and name not in ("FP32", "UINT64")):
        return values
    if dtype in ("<f4", "<f8"):
        # null becomes NaN, which is missing.
        return np.array(values, dtype=np.float64).astype(dtype)
    try:
        return values if None in values else np.array(values, dtype=dtype)
    except OverflowError:
        raise WireError(400, f"A value of {what} does not fit into {name}.") from None


def check_count(found: int, shape: Sequence[int], what: str) -> None:
    """Refuse more or fewer values than a shape says.

    Raises
    ------
    WireError
        400.
    """
    if found != math.prod(shape):
        said = " x ".join(map(str, shape))
        raise WireError(400, f"{what} has {found} values, expected {said} as its shape says.")


def from_binary(data: bytes, name: str, shape: Sequence[int], what: str) -> Values:
    """Read little-endian values without gaps; text with its length before it, in four bytes.

    Raises
    ------
    WireError
        400 if the bytes are not as many as datatype and shape need.
    """
    dtype = datatype_of(name, what).dtype
    if not dtype:
        texts = _texts(data, what)
        check_count(len(texts), shape, what)
        return texts
    size = np.dtype(dtype).itemsize
    if len(data) != size * math.prod(shape):
        said = " x ".join(map(str, shape))
        raise WireError(
            400, f"{what} has {len(data)} bytes, expected {said} values of {size} bytes each."
        )
    if dtype == "?" and data.strip(b"\x00\x01"):
        raise WireError(400, f"A byte of {what} is neither 0 nor 1, which BOOL has.")
    return np.frombuffer(data, dtype=dtype)


def _texts(data: bytes, what: str) -> list[Any]:
    texts: list[Any] = []
    place = 0
    while place < len(data):
        start = place + _LENGTH.size
        if start > len(data):
            break
        (length,) = _LENGTH.unpack_from(data, place)
        place = start + length
        if place > len(data):
            break
        try:
            texts.append(data[start:place].decode("utf-8"))
        except UnicodeDecodeError:
            raise WireError(400, f"Text {len(texts) + 1} of {what} is not UTF-8.") from None
    if place != len(data):
        raise WireError(400, f"Text {len(texts) + 1} of {what} is longer than the tensor.")
    return texts


def to_binary(values: NDArray[Any] | Sequence[str]) -> bytes:
    """Write values as `from_binary` reads them: float64 for numbers, else text."""
    if isinstance(values, np.ndarray):
        return values.astype("<f8").tobytes()
    texts = [value.encode() for value in values]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def from_base64(values: Values, what: str) -> list[Any]:
    """Decode texts that a client sent as base64 (content type ``base64``).

    Raises
    ------
    WireError
        400 if one is no base64 of UTF-8.
    """
    try:
        return [
            value if value is None else base64.b64decode(value, validate=True).decode("utf-8")
            for value in values
        ]
    except (binascii.Error, ValueError, TypeError):
        raise WireError(400, f"A text of {what} is no base64 of UTF-8.") from None
