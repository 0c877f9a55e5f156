"""Guessing features: which columns a model may learn from, as what, and why the others not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from iris_ct.core.proposal.profile import ColumnProfile
from iris_ct.core.specification import DatetimePart, FeatureKind

# A text that is new in so many rows names the row rather than describes it.
_IDENTIFIER_SHARE = 0.5
_FEW = 50
_MANY_CATEGORIES = 255
_CODE_VALUES = 1000
_CODE_SHARE = 0.05
_CODE_NAME = re.compile(
    r"(?:^|[_.\s-])(id|code|type|class|category|zip|zipcode|postcode|plz)s?(?:$|[_.\s-])",
    re.IGNORECASE,
)
_IDENTIFIER_NAME = re.compile(
    r"(?:^|[_.\s-])(id|uuid|guid|key|index|idx|seq|row|rownum|rowid|instant)(?:$|[_.\s#-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ProposedColumn:
    """What is proposed for one column of the file.

    Attributes
    ----------
    kind : str or None
        Kind of feature; None if the column is no feature.
    why : str
        The reason, without any value of a row.
    parts : tuple of str
        For a datetime feature.
    """

    name: str
    kind: FeatureKind | None
    why: str
    parts: tuple[DatetimePart, ...] = ()


def guess_feature(column: ColumnProfile) -> ProposedColumn:
    """Guess what a column without another role is to a model."""
    return ProposedColumn(column.name, *_guess(column))


def same_as_another(
    column: ColumnProfile, earlier: Mapping[str, ColumnProfile]
) -> ProposedColumn | None:
    """Leave a column out that says in every row what an earlier one says."""
    for name, other in earlier.items():
        if other.nature == column.nature and other.values.equals(
            column.values, check_names=False, null_equal=True
        ):
            return ProposedColumn(column.name, None, f"the same as {name} in every row")
    return None


def _guess(column: ColumnProfile) -> tuple[FeatureKind | None, str]:
    if column.nature == "empty":
        return None, "no value in the rows looked at"
    if column.nature == "nested":
        return None, "neither text nor a number"
    if column.nature == "time":
        return None, "times; add it with parts if the time of day or year matters"
    if column.n_distinct == 1 and not column.n_missing:
        return None, "the same value in every row"
    if column.nature == "boolean":
        return "boolean", _missing(column)
    return _guess_number(column) if column.nature == "number" else _guess_text(column)


def _guess_number(column: ColumnProfile) -> tuple[FeatureKind | None, str]:
    n = column.n_distinct
    if column.counts_rows:
        return None, "a running number of the rows"
    unique = column.whole and n == column.n_present and n > _FEW
    if unique and _IDENTIFIER_NAME.search(column.name):
        return None, "an identifier: its name says so and no value occurs twice"
    if (
        column.whole
        and _CODE_NAME.search(column.name)
        and n <= min(_CODE_VALUES, _CODE_SHARE * column.n_present)
    ):
        return "categorical", f"its name says a code; {n} values{_missing(column, ', ')}"
    return "numeric", _missing(column)


def _guess_text(column: ColumnProfile) -> tuple[FeatureKind | None, str]:
    n = column.n_distinct
    if n > _FEW and n > _IDENTIFIER_SHARE * column.n_present:
        return None, f"{n} texts in {column.n_present} rows: an identifier or free text"
    many = " (many: rare ones are treated like unseen ones)" if n > _MANY_CATEGORIES else ""
    return "categorical", f"{n} values{many}{_missing(column, ', ')}"


def _missing(column: ColumnProfile, before: str = "") -> str:
    if not column.n_missing:
        return ""
    share = column.missing_share
    return f"{before}missing in {'under 1%' if share < 0.01 else f'{share:.0%}'} of the rows"
