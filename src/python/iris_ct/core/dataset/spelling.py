"""How values are spelled in text, for every reader of rows; needs no library."""

from __future__ import annotations

import re

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""Texts that stand for a missing value, in every column; compared exactly."""

TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")

# Beyond it a float64 no longer tells neighbouring integers apart.
EXACT_INTEGER = 2.0**53

WHOLE_NUMBER = r"(-?(?:0|[1-9][0-9]*))\.0+"
"""A whole number with a fraction of zeros; the first group is the number."""

_WHOLE_NUMBER = re.compile(WHOLE_NUMBER)
_MISSING = frozenset(MISSING)
_RESPELLED = {"-0": "0", "True": "true", "False": "false"}


def category(text: str) -> str | None:
    """Give a text its one spelling as a category; None where it stands for a missing value.

    Examples
    --------
    >>> category("1.0"), category("True"), category("007"), category("NA")
    ('1', 'true', '007', None)
    """
    if text in _MISSING:
        return None
    if text.endswith("0") and (whole := _WHOLE_NUMBER.fullmatch(text)):
        text = whole[1]
    return _RESPELLED.get(text, text)
