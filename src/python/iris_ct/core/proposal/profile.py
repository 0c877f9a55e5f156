"""Looking at the columns of a sample: what each could be, without deciding anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from iris_ct.core.dataset.columns import (
    can_be_category,
    can_be_number,
    is_text,
    read_categories,
    read_numbers,
)
from iris_ct.core.dataset.times import can_be_time, read_times

Nature = Literal["empty", "number", "boolean", "time", "text", "nested"]

# Text such as 007 is a code that happens to have digits only.
_LEADING_ZERO = r"^-?0[0-9]"


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a sample of n rows.

    Attributes
    ----------
    values : Series of shape (n,)
        As its nature says: float64, bool, Datetime[us, UTC] or str; null where missing.
    n_distinct : int
        Distinct values, missing ones not counted.
    whole : bool
        All numbers are whole.
    has_zone : bool
        The times say their zone themselves.
    """

    name: str
    nature: Nature
    values: pl.Series
    n_distinct: int
    whole: bool = False
    has_zone: bool = False

    @property
    def n_missing(self) -> int:
        """Rows without a value."""
        return self.values.null_count()

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return len(self.values) - self.n_missing

    @property
    def missing_share(self) -> float:
        """Share of rows without a value."""
        return self.n_missing / len(self.values) if len(self.values) else 0.0

    @property
    def is_ordered(self) -> bool:
        """Tell whether the values never fall in the order of the file, but for a few."""
        present = self.values.drop_nulls().to_physical()
        if len(present) < 2:
            return False
        falls = (present.diff().drop_nulls() < 0).mean()
        return isinstance(falls, float) and falls <= 0.01

    @property
    def counts_rows(self) -> bool:
        """Tell whether it is a running number: whole, and always one same step further."""
        if self.nature != "number" or not self.whole or self.n_missing or len(self.values) < 3:
            return False
        steps = self.values.diff().drop_nulls()
        return steps.n_unique() == 1 and steps[0] != 0


def profile_columns(frame: pl.DataFrame, *, time_zone: str = "UTC") -> dict[str, ColumnProfile]:
    """Look at every column of a sample, as text or in the file's own types."""
    return {name: profile_column(frame[name], time_zone=time_zone) for name in frame.columns}


def profile_column(given: pl.Series, *, time_zone: str = "UTC") -> ColumnProfile:
    """Find the narrowest nature that all values of a column have."""
    name, dtype = given.name, given.dtype
    if not can_be_category(dtype):
        return ColumnProfile(name, "nested", given.is_null().replace(old=True, new=None), 0)
    texts = read_categories(given).values
    n_distinct = texts.drop_nulls().n_unique()
    if n_distinct == 0:
        return ColumnProfile(name, "empty", texts, 0)
    if dtype == pl.Boolean or set(texts.drop_nulls().unique()) <= {"true", "false"}:
        return ColumnProfile(name, "boolean", texts == "true", n_distinct)
    if can_be_number(dtype) and not (is_text(dtype) and _holds_codes(texts)):
        numbers = read_numbers(given)
        if not numbers.failures:
            present = numbers.values.drop_nulls().to_numpy()
            whole = bool(np.all(present == np.floor(present)))
            return ColumnProfile(name, "number", numbers.values, n_distinct, whole=whole)
    if can_be_time(dtype):
        times = read_times(given, time_zone=time_zone)
        if not times.failures:
            distinct = times.values.drop_nulls().n_unique()
            return ColumnProfile(name, "time", times.values, distinct, has_zone=_has_zone(given))
    return ColumnProfile(name, "text", texts, n_distinct)


def _holds_codes(texts: pl.Series) -> bool:
    return bool(texts.str.contains(_LEADING_ZERO).any())


def _has_zone(given: pl.Series) -> bool:
    if isinstance(given.dtype, pl.Datetime):
        return given.dtype.time_zone is not None
    if not is_text(given.dtype):
        return False
    return bool(given.cast(pl.String).str.contains(r"(?:Z|[+-]\d{2}:?\d{2})\s*$").any())
