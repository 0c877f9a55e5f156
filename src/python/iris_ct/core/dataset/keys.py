r"""Keys: the columns that identify a row over time, as one text.

The text is the same for the same row from every kind of file: whole numbers have no fraction,
times stand in UTC as ISO 8601. Several columns are joined by ``|``; a ``|`` or ``\`` inside a
value is preceded by ``\``. A single column stands as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from iris_ct.core.dataset.batch import KEY
from iris_ct.core.dataset.columns import Reading, read_categories
from iris_ct.core.dataset.times import iso_texts, read_times
from iris_ct.core.specification import Specification


def row_keys(frame: pl.DataFrame, specification: Specification) -> pl.Series:
    """Build the keys of rows; see `read_keys`."""
    return read_keys(frame, specification).values


def read_keys(frame: pl.DataFrame, specification: Specification) -> Reading:
    """Build the keys of rows.

    Parameters
    ----------
    frame : DataFrame of n rows
        Holds the specification's key columns, as text or in the file's own types.

    Returns
    -------
    Reading
        str, named ``_key``; null where a key column is missing or no time where one is declared.
        Fails as ``nul_character`` where a text holds NUL.
    """
    times = {f.name for f in specification.features if f.kind == "datetime"}
    times.add(specification.event_time or "")
    parts = [
        Reading(iso_texts(read_times(frame[name], time_zone=specification.time_zone).values))
        if name in times
        else read_categories(frame[name])
        for name in specification.key
    ]
    failures = tuple(failure for part in parts for failure in part.failures)
    return Reading(join_key([part.values for part in parts]), failures)


def join_key(parts: Sequence[pl.Series]) -> pl.Series:
    r"""Join key texts; null where any of them is.

    Examples
    --------
    >>> join_key([pl.Series(["a|b", "x"]), pl.Series(["1", None])]).to_list()
    ['a\\|b|1', None]
    """
    if len(parts) == 1:
        return parts[0].alias(KEY)
    escaped = [
        part.str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True)
        for part in parts
    ]
    return pl.select(pl.concat_str(escaped, separator="|")).to_series().alias(KEY)


def place_keys(batch_id: str, places: pl.Series) -> pl.Series:
    """Give rows of a model without key columns their key: ``<batch id>:<place>``."""
    return pl.select(pl.format(batch_id + ":{}", places)).to_series().alias(KEY)
