"""Puts DuckDB statements together: values stay parameters, and names are checked.

SQLAlchemy has no dialect for DuckDB here, and neither it nor a parameter can stand for a column
that is addressed by its place. A statement's text therefore consists of templates written in the
code, of names that `sql` has checked, and of whole numbers; nothing else gets into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import Formatter
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Sql:
    """A statement or a piece of one, with the values of its question marks in their order."""

    text: str
    values: tuple[Any, ...] = ()


def sql(template: str, /, *values: Any, **pieces: Sql | str | int) -> Sql:
    """Fill a template; the values of its pieces go where the pieces go.

    Parameters
    ----------
    template : str
        A constant of the code, with ``{name}`` for each piece.
    *values : Any
        One for each question mark of the template itself.
    **pieces : Sql, str or int
        Other pieces, names (of columns, tables, functions), or whole numbers.

    Raises
    ------
    ValueError
        If a name is none, or the values are not as many as the question marks.

    Examples
    --------
    >>> low = sql("{column} >= ?", 5, column="position")
    >>> sql("SELECT n FROM {table} WHERE {low} AND n < ?", 9, table="facts", low=low)
    Sql(text='SELECT n FROM facts WHERE position >= ? AND n < ?', values=(5, 9))
    """
    left = iter(values)
    texts: list[str] = []
    together: list[Any] = []
    for text, name, _, _ in Formatter().parse(template):
        texts.append(text)
        together += _take(left, text.count("?"), template)
        if name is not None:
            piece = _checked(pieces[name])
            texts.append(piece.text)
            together += piece.values
    if unused := len(list(left)):
        raise ValueError(f"{unused} values have no question mark in: {template}")
    return Sql("".join(texts), tuple(together))


def joined(separator: str, pieces: Iterable[Sql | str]) -> Sql:
    """Put pieces and names side by side.

    Examples
    --------
    >>> joined(", ", ["a", sql("? AS b", 1)])
    Sql(text='a, ? AS b', values=(1,))
    """
    checked = [_checked(piece) for piece in pieces]
    return Sql(
        separator.join(piece.text for piece in checked),
        tuple(value for piece in checked for value in piece.values),
    )


def _take(values: Iterator[Any], n: int, template: str) -> list[Any]:
    taken = [value for _, value in zip(range(n), values, strict=False)]
    if len(taken) < n:
        raise ValueError(f"A question mark has no value in: {template}")
    return taken


def _checked(piece: Sql | str | int) -> Sql:
    if isinstance(piece, Sql):
        return piece
    if isinstance(piece, int):
        return Sql(str(int(piece)))
    if _NAME.fullmatch(piece) is None:
        raise ValueError(f"{piece!r} is no name of a column, a table or a function.")
    return Sql(piece)
