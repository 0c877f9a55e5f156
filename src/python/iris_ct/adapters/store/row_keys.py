"""Keys of rows as columns of SQL tables: any length in, at most 255 characters out."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# What a column of an index may hold on every database of the product.
LONGEST_KEY = 255


def shortened(keys: pl.Series) -> pl.Series:
    """Give keys as a column of any database holds them; different keys stay different.

    Parameters
    ----------
    keys : Series of str, shape (n,)

    Returns
    -------
    Series of str, shape (n,)
        A key of more than 255 characters, or with NUL, becomes its first 190 without NUL, ``~``
        and its SHA-256.
    """
    import polars as pl

    text = keys.cast(pl.String)
    as_they_are = (text.str.len_chars() <= LONGEST_KEY) & ~text.str.contains("\0", literal=True)
    if as_they_are.all():
        return text
    return pl.Series(text.name, [_short(key) for key in text], dtype=pl.String)


def _short(key: str | None) -> str | None:
    if key is None or (len(key) <= LONGEST_KEY and "\0" not in key):
        return key
    shown = key.replace("\0", "")[:190]
    return f"{shown}~{hashlib.sha256(key.encode()).hexdigest()}"
