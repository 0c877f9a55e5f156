"""Which names of columns can also be names of columns in SQL, on every database of the product."""

from __future__ import annotations

from collections.abc import Iterable

OWN_COLUMNS = ("row_number", "row_key", "row_position", "row_time", "batch_id")
"""Columns that a table of rows has of its own, before those of the specification."""

# PostgreSQL's limit, the smallest one; it would cut a longer name without a word.
_MOST_BYTES = 63
# What quotes a name, and what IRIS does not allow in a quoted one ("Identifiers" of its SQL guide).
_NOT_ALLOWED = ('"', ",", ".", "^", "->")


def unfit_names(names: Iterable[str]) -> list[str]:
    """Say of each name that cannot be a column's why, in the order given.

    Examples
    --------
    >>> unfit_names(["temperature in °C", "Order"])
    []
    >>> unfit_names(["a.b", "Batch_ID", "x", "X"])
    ["'a.b' has a .", "'Batch_ID' is a column of its own", "'X' differs from 'x' in case only"]
    """
    taken = dict.fromkeys(OWN_COLUMNS, "")
    found = []
    for name in names:
        folded = name.casefold()
        reason = _unfit(name)
        if reason is None and folded in taken:
            other = taken[folded]
            reason = f"differs from {other!r} in case only" if other else "is a column of its own"
        if reason is not None:
            found.append(f"{name!r} {reason}")
        taken.setdefault(folded, name)
    return found


def _unfit(name: str) -> str | None:
    if not name.strip():
        return "is blank"
    if len(name.encode()) > _MOST_BYTES:
        return f"is longer than {_MOST_BYTES} bytes"
    if not name.isprintable():
        return "has a character that cannot be printed"
    wrong = [said for said in _NOT_ALLOWED if said in name]
    return f"has a {' and a '.join(wrong)}" if wrong else None
