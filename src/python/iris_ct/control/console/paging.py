"""Long lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Pages:
    """Where a page is: ``page`` of ``last``, both from 1, of ``total`` things.

    ``is_open`` says that there may be more than were counted.
    """

    SIZE: ClassVar[int] = 50

    page: int
    last: int
    total: int
    is_open: bool = False


def paged(things: Sequence[T], page: int, *, size: int = Pages.SIZE) -> tuple[Sequence[T], Pages]:
    """Give the things of a page; one before the first is the first, one after the last the last.

    Examples
    --------
    >>> paged("abcde", 2, size=2)
    ('cd', Pages(page=2, last=3, total=5, is_open=False))
    """
    last = max(-(-len(things) // size), 1)
    chosen = min(max(page, 1), last)
    return things[(chosen - 1) * size : chosen * size], Pages(chosen, last, len(things))
