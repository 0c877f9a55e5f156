"""Reading one column: text or a file's own type in, the declared kind out, failures marked.

Text is read the same way whatever file it came from, so a CSV and a Parquet export of the same
table give the same values. What a column cannot say is null and marked with a reason code; the
caller decides what a missing value means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from iris_ct.core.dataset.issues import (
    NOT_A_NUMBER,
    NOT_BOOLEAN,
    NOT_FINITE,
    NUL_CHARACTER,
    Code,
)
from iris_ct.core.dataset.spelling import EXACT_INTEGER, FALSE, MISSING, TRUE, WHOLE_NUMBER

# The one character that PostgreSQL takes in no text.
_NUL = "\0"


@dataclass(frozen=True)
class Reading:
    """One column as its declared kind.

    Attributes
    ----------
    values : Series of shape (n,)
        Null where the value is missing or could not be read.
    failures : tuple of (code, mask)
        Boolean series of shape (n,), one for each reason that occurs at all.
    """

    values: pl.Series
    failures: tuple[tuple[Code, pl.Series], ...] = ()

    @property
    def failed(self) -> pl.Series:
        """Rows that could not be read, for whatever reason."""
        mask = pl.repeat(False, len(self.values), dtype=pl.Boolean, eager=True)
        for _, rows in self.failures:
            mask = mask | rows
        return mask


def can_be_number(dtype: pl.DataType) -> bool:
    """Tell whether a file's own type can hold a number, if only as text."""
    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null) or is_text(dtype)


def can_be_category(dtype: pl.DataType) -> bool:
    """Tell whether a file's own type has one plain text."""
    return not dtype.is_nested() and dtype not in (pl.Binary, pl.Object)


def is_text(dtype: pl.DataType) -> bool:
    """Tell whether a column holds text that must be read."""
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def read_numbers(given: pl.Series, quick: pl.Series | None = None) -> Reading:
    """Read a column as numbers.

    Parameters
    ----------
    given : Series of shape (n,)
        Text, or any numeric type. Blanks around a number are ignored; a decimal comma, a
        thousands separator and a unit are not understood.
    quick : Series of shape (n,), optional
        ``given`` cast to float64 already, null where that failed.

    Returns
    -------
    Reading
        float64. NaN counts as missing; the infinities fail as ``not_finite``.

    Examples
    --------
    >>> read_numbers(pl.Series(["1.5", " 2 ", "NA", "two"])).values.to_list()
    [1.5, 2.0, None, None]
    """
    values = given.cast(pl.Float64, strict=False) if quick is None else quick
    failures: list[tuple[Code, pl.Series]] = []
    if values.null_count() != given.null_count():
        text = given.cast(pl.String).str.strip_chars()
        values = text.cast(pl.Float64, strict=False)
        wrong = values.is_null() & text.is_not_null() & ~text.is_in(MISSING)
        if wrong.any():
            failures.append((NOT_A_NUMBER, wrong))
    # One sum finds NaN and the infinities; an overflow of the sum itself only costs a look.
    if not math.isfinite(values.sum()):
        values = values.fill_nan(None)
        infinite = values.is_infinite().fill_null(value=False)
        if infinite.any():
            failures.append((NOT_FINITE, infinite))
            values = values.set(infinite, None)
    return Reading(values, tuple(failures))


def read_categories(given: pl.Series) -> Reading:
    """Read a column as categories: exact texts.

    Notes
    -----
    Nothing is stripped or folded, with two exceptions that make the same column equal in files
    of different origin: a whole number written with a fraction of zeros loses it (``1.0`` is
    ``1``), and ``True`` and ``False`` are ``true`` and ``false``. ``007``, ``1.50`` and ``1e3``
    stay as they are. A text with NUL fails as ``nul_character``.

    Examples
    --------
    >>> read_categories(pl.Series(["1.0", "1", "1.50", " a", "NA"])).values.to_list()
    ['1', '1', '1.50', ' a', None]
    >>> read_categories(pl.Series([1.0, 2.5, None])).values.to_list()
    ['1', '2.5', None]
    """
    text = as_text(given)
    found = text.unique().drop_nulls()
    wanted = _canonical(found)
    changed = found.ne_missing(wanted)
    if changed.any():
        text = text.replace(found.filter(changed), wanted.filter(changed))
    refused = found.filter(found.str.contains(_NUL, literal=True))
    if refused.is_empty():
        return Reading(text)
    rows = text.is_in(refused.implode()).fill_null(value=False)
    return Reading(text.set(rows, None), ((NUL_CHARACTER, rows),))


def read_booleans(given: pl.Series) -> Reading:
    """Read a column as booleans: true, t, yes, y, 1 and their opposites, in any case.

    Examples
    --------
    >>> read_booleans(pl.Series(["Yes", "0", "", "maybe"])).values.to_list()
    [True, False, None, None]
    """
    if given.dtype == pl.Boolean:
        return Reading(given)
    reading = read_categories(given)
    text = reading.values
    found = text.unique().drop_nulls()
    plain = found.str.strip_chars().str.to_lowercase()
    meaning = [True if t in TRUE else False if t in FALSE else None for t in plain]
    values = text.replace_strict(
        found, pl.Series(meaning, dtype=pl.Boolean), default=None, return_dtype=pl.Boolean
    )
    if values.null_count() == text.null_count():
        return Reading(values, reading.failures)
    wrong = (NOT_BOOLEAN, values.is_null() & text.is_not_null())
    return Reading(values, (*reading.failures, wrong))


def as_text(given: pl.Series) -> pl.Series:
    """Give a column as text; whole numbers without a fraction, whatever type they had."""
    if not given.dtype.is_float():
        return given if given.dtype == pl.String else given.cast(pl.String)
    plain = given.fill_nan(None)
    whole = (plain == plain.floor()) & (plain.abs() < EXACT_INTEGER)
    integers = plain.set(~whole.fill_null(value=False), None).cast(pl.Int64)
    return pl.select(pl.coalesce(integers.cast(pl.String), plain.cast(pl.String))).to_series()


def _canonical(texts: pl.Series) -> pl.Series:
    """Give each distinct text its one spelling; null where it stands for a missing value."""
    spelled = texts.str.replace(f"^{WHOLE_NUMBER}$", "${1}")
    spelled = spelled.replace(["-0", "True", "False"], ["0", "true", "false"])
    return spelled.set(spelled.is_in(MISSING), None)
