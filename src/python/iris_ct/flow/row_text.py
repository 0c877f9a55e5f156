"""serving: the row that somebody says as a JSON object."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from iris_ct.core.errors import DataError

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_object(text: str) -> dict[str, Any]:
    """Read a row.

    Raises
    ------
    DataError
        If the text is no JSON object, names something twice, or holds NaN or Infinity.
    """
    try:
        content = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _read_carefully(text)
    # The quick codec lets a name that comes twice pass, which adds at least two quotation marks.
    n_marks = text.count('"') - 2 * len(content)
    if n_marks and n_marks != 2 * sum([type(said) is str for said in content.values()]):
        return _read_carefully(text)
    return content


def _read_carefully(text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(
            text, object_pairs_hook=_without_repetition, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(
            f"The row is no JSON object{where}: expected "
            '{"feature": value, ...} with texts, numbers, true, false or null.'
        ) from error
    return content


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise DataError("The row names a feature twice. Say each one once.")
    return content


def _no_number(_constant: str) -> None:
    raise DataError("The row holds NaN or Infinity, which JSON has not; say null instead.")
