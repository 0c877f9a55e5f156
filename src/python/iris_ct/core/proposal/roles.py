"""Guessing roles: the task from the target, the event time from the columns of times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from iris_ct.core.errors import SpecificationError
from iris_ct.core.proposal.profile import ColumnProfile
from iris_ct.core.specification import DatetimePart

Task = Literal["regression", "binary", "multiclass"]

# Whole numbers with so few values are taken for classes, such as grades from 1 to 5.
_NUMBERED_CLASSES = 10
_TEXT_CLASSES = 200
_BIRTH = ("birth", "dob", "born")
_MAX_MISSING_TIMES = 0.01

_DAY_US = 86_400_000_000


def guess_task(target: ColumnProfile) -> tuple[Task, str]:
    """Guess what kind of prediction a target asks for, and say why.

    Raises
    ------
    SpecificationError
        If no model can learn it: no value, one value, or texts that are no classes.
    """
    name, n = target.name, target.n_distinct
    if n < 2:
        values = "no value" if n == 0 else "one value only"
        raise SpecificationError(
            f"The target {name} has {values} in the rows looked at; expected at least two. "
            "Name another column, or a file with more rows."
        )
    if target.nature in ("time", "nested"):
        raise SpecificationError(
            f"The target {name} holds {target.nature} values; expected numbers or classes."
        )
    if n == 2:
        return "binary", f"{name} has two values"
    if target.nature == "number":
        if target.whole and n <= _NUMBERED_CLASSES:
            return (
                "multiclass",
                f"{name} has {n} different whole numbers; regression if they measure",
            )
        return "regression", f"{name} has {n} different numbers"
    if n > _TEXT_CLASSES:
        raise SpecificationError(
            f"The target {name} has {n} different texts in the rows looked at; expected at most "
            f"{_TEXT_CLASSES} classes, or numbers."
        )
    return "multiclass", f"{name} has {n} different texts"


def guess_time(columns: Mapping[str, ColumnProfile]) -> tuple[str | None, str, tuple[str, ...]]:
    """Guess the event time: its name or None, why, and the candidates.

    A candidate has times in nearly every row and is no birthday. Those in the order of the file
    come first; of several, one that tells more than all others, such as a time beside its date.
    """
    candidates = [
        column
        for column in columns.values()
        if column.nature == "time"
        and column.n_distinct > 1
        and column.missing_share <= _MAX_MISSING_TIMES
        and not any(word in column.name.casefold() for word in _BIRTH)
    ]
    names = tuple(column.name for column in candidates)
    if not candidates:
        return None, "no column holds times; arrival order is the time", ()
    ordered = [column for column in candidates if column.is_ordered]
    pool = ordered or candidates
    finest = max(pool, key=lambda column: column.n_distinct)
    if not all(c is finest or is_determined(c, by=finest) for c in pool):
        return (
            None,
            f"several columns hold times: {', '.join(names)}; say which with --time",
            names,
        )
    if len(names) == 1:
        why = "the only column of times"
    elif len(ordered) == 1:
        why = "the only column of times that is in the order of the file"
    else:
        why = "the most exact column of times"
    return finest.name, why, names


def useful_parts(
    time: ColumnProfile, columns: Sequence[ColumnProfile], *, time_zone: str = "UTC"
) -> tuple[tuple[DatetimePart, ...], dict[str, DatetimePart]]:
    """Find the parts of an event time that repeat in the data and that no column says already.

    Returns
    -------
    parts, said
        Parts to use, and columns that say a part already.
    """
    values = time.values.dt.convert_time_zone(time_zone)
    first, last = values.to_physical().min(), values.to_physical().max()
    if not isinstance(first, int) or not isinstance(last, int):
        return (), {}
    span_days = (last - first) / _DAY_US
    wanted: list[DatetimePart] = []
    if span_days >= 365:
        wanted.append("month")
    # Firsts of months have weekdays as well, but nothing happened on them.
    if span_days >= 28 and values.drop_nulls().dt.day().n_unique() > 1:
        wanted.append("weekday")
    if values.drop_nulls().dt.hour().n_unique() > 1:
        wanted.append("hour")
    parts: list[DatetimePart] = []
    said: dict[str, DatetimePart] = {}
    for part in wanted:
        expression = pl.Series(part, getattr(values.dt, part)())
        if expression.drop_nulls().n_unique() < 2:
            continue
        same = next((c.name for c in columns if _is_renaming(expression, c)), None)
        if same is None:
            parts.append(part)
        else:
            said[same] = part
    return tuple(parts), said


def is_determined(column: ColumnProfile, *, by: ColumnProfile) -> bool:
    """Tell whether one column of times follows from another, as a date follows from its time."""
    pairs = pl.DataFrame({"one": by.values, "other": column.values})
    if pairs.n_unique() != pairs["one"].n_unique():
        return False
    # A time that never repeats determines everything; only what rises with it follows from it.
    return pairs.drop_nulls().sort("one")["other"].is_sorted()


def _is_renaming(part: pl.Series, column: ColumnProfile) -> bool:
    if column.n_distinct != part.drop_nulls().n_unique():
        return False
    pairs = pl.DataFrame({"one": part, "other": column.values}).drop_nulls()
    return pairs.n_unique() == column.n_distinct
