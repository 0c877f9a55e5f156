"""One way to write a value as JSON, so that equal values have equal digests."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any


def canonical_json(value: Any) -> str:
    """Write a value as canonical JSON: sorted keys, no blanks, no NaN, shortest floats.

    Parameters
    ----------
    value : JSON value
        Nested dicts, lists, strings, numbers, booleans and None.

    Raises
    ------
    ValueError
        If a number is not finite; say None where there is no number.

    Examples
    --------
    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


def digest(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def finite(number: float) -> float | None:
    """Give a float that JSON can hold: None instead of NaN and the infinities."""
    return float(number) if math.isfinite(number) else None
