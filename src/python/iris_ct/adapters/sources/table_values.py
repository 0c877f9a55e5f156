"""What a database gives as Python objects, as the texts that a CSV file would hold.

From there on the rules for files apply (docs/how-it-works/ingest.md), so the same row means the
same whether it comes from a table or from a file.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from iris_ct.core.errors import SourceError

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def text_of(value: Any, *, column: str) -> str | None:
    """Write a value as text; None for what is missing.

    Parameters
    ----------
    value : object
        Text, whole or decimal number, float, boolean, date, time stamp with or without a zone,
        UUID, or None. A time stamp with a zone becomes one in UTC.
    column : str
        For the message.

    Raises
    ------
    SourceError
        If it is anything else, such as bytes; names the column, never the value.

    Examples
    --------
    >>> from decimal import Decimal
    >>> [text_of(value, column="x") for value in (True, 1.0, Decimal("1.50"), "", None)]
    ['true', '1.0', '1.50', '', None]
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else format(value, "f")
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    raise SourceError(
        f"Column {column} holds values of type {type(value).__name__}, which have no text: expected "
        "text, numbers, booleans, dates or time stamps. Convert it in a view, or leave it out of "
        "the model file."
    )


def row_digest(texts: Sequence[str | None]) -> str:
    """Digest what a row says; a text that is missing differs from an empty one."""
    said = "".join("-" if text is None else f"{len(text)}:{text}" for text in texts)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def row_id(value: Any, *, column: str) -> int:
    """Read the id of a row.

    Raises
    ------
    SourceError
        If it is no whole number of 64 bits.
    """
    whole = value
    if isinstance(value, Decimal):
        whole = int(value) if value.is_finite() and value == value.to_integral_value() else None
    elif isinstance(value, str):
        whole = int(value) if _WHOLE.fullmatch(value) else None
    if not isinstance(whole, int) or isinstance(whole, bool) or not -(2**63) <= whole < 2**63:
        raise SourceError(
            f"Column {column} is no row id: expected whole numbers that grow from row to row, "
            f"found {'NULL' if value is None else type(value).__name__}. Name another column as id."
        )
    return whole
