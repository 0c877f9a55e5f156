"""JSON in: typed decoding, and refusals that say where and why without saying what was there."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from iris_ct.core.wire.refusal import WireError

T = TypeVar("T")

# A cell of a row as JSON has it; a number keeps whether it was whole.
Cell = int | float | str | bool | None

# Where JSON has a value, these words of other languages are the usual mistake.
_NOT_NUMBERS = re.compile(rb"[\[,:]\s*[-+]?(?:NaN|nan|Infinity|inf)\b")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MARK_TEXT = "It begins with a byte order mark; send UTF-8 without one."
_NAN_TEXT = "NaN and Infinity are no JSON; send null for a missing number."


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str) -> T:
    """Decode JSON into the decoder's type.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
        Knows the type.
    body : bytes
        UTF-8.
    what : str
        Begins the refusal, such as "The body".

    Raises
    ------
    WireError
        400, with the place of the mistake and what was expected there, never the value.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise WireError(400, f"{what} is not as the protocol says: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(400, f"{what} is no JSON: {_reason(error, bytes(body))}") from None


def _reason(error: Exception, body: bytes) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "expected UTF-8, found other bytes."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if body.startswith(_BYTE_ORDER_MARK):
        return _MARK_TEXT
    if _NOT_NUMBERS.search(body):
        return _NAN_TEXT
    if not body.strip():
        return "it is empty."
    return f"{error}."
