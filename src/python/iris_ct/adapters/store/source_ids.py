"""The ids that were read from a table, packed: some thousands to a row of the catalogue.

They are kept for the sweep, which compares them with the table. Ids that follow one another pack
to almost nothing, so a hundred million rows of a table cost some megabytes.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

import numpy as np
import sqlalchemy as sa

from iris_ct.adapters.store.tables import source_ids

_T = source_ids
# Ids of one piece: few enough to be unpacked for one late row, enough to pack well.
PIECE = 4096


def pack(ids: Sequence[int]) -> bytes:
    """Pack ascending ids."""
    array = np.asarray(ids, dtype="<i8")
    return zlib.compress(np.diff(array, prepend=0).astype("<i8").tobytes(), 6)


def unpack(content: bytes) -> list[int]:
    """Give the ids back.

    Examples
    --------
    >>> unpack(pack([-3, 5, 6]))
    [-3, 5, 6]
    """
    steps = np.frombuffer(zlib.decompress(content), dtype="<i8")
    return [int(one) for one in np.cumsum(steps)]


def pieces(
    connection: sa.Connection, model: str, *, after: int | None, most: int
) -> list[tuple[int, list[int]]]:
    """Give the next pieces, each with where it begins."""
    starts = sa.select(_T.c.from_id).where(_T.c.model == model).order_by(_T.c.from_id)
    if after is not None:
        starts = starts.where(_T.c.from_id > after)
    # First where they begin: a driver may fetch all rows of a statement, and these are small.
    wanted = list(islice(connection.scalars(starts), most))
    return [(start, _piece(connection, model, start)) for start in wanted]


def known(connection: sa.Connection, model: str, ids: Collection[int]) -> set[int]:
    """Tell which of the ids are there."""
    found: set[int] = set()
    for start, inside in _by_piece(connection, model, ids):
        if start is not None:
            found.update(set(_piece(connection, model, start)) & set(inside))
    return found


def add(
    connection: sa.Connection, model: str, ids: Collection[int], *, piece: int = PIECE
) -> None:
    """Add ids; those that are there already stay."""
    for start, inside in _by_piece(connection, model, ids):
        there = [] if start is None else _piece(connection, model, start)
        together = sorted({*there, *inside})
        if start is not None:
            # A piece keeps its beginning, even if the row it was named after is gone.
            _delete(connection, model, start)
        for at in range(0, len(together), piece):
            part = together[at : at + piece]
            begins = start if at == 0 and start is not None else part[0]
            _insert(connection, model, begins, part)


def remove(connection: sa.Connection, model: str, ids: Collection[int]) -> None:
    """Take ids out."""
    for start, inside in _by_piece(connection, model, ids):
        if start is None:
            continue
        left = sorted(set(_piece(connection, model, start)) - set(inside))
        _delete(connection, model, start)
        if left:
            _insert(connection, model, start, left)


def _by_piece(
    connection: sa.Connection, model: str, ids: Iterable[int]
) -> list[tuple[int | None, list[int]]]:
    """Group ids by the piece that they belong to; None for those before the first."""
    wanted = sa.select(_T.c.from_id).where(_T.c.model == model).order_by(_T.c.from_id)
    starts = list(connection.scalars(wanted))
    groups: dict[int | None, list[int]] = {}
    for one in sorted(ids):
        place = bisect_right(starts, one)
        groups.setdefault(starts[place - 1] if place else None, []).append(one)
    return list(groups.items())


def _piece(connection: sa.Connection, model: str, start: int) -> list[int]:
    wanted = sa.select(_T.c.content).where(_T.c.model == model, _T.c.from_id == start)
    return unpack(connection.execute(wanted).scalar_one())


def _delete(connection: sa.Connection, model: str, start: int) -> None:
    connection.execute(sa.delete(_T).where(_T.c.model == model, _T.c.from_id == start))


def _insert(connection: sa.Connection, model: str, start: int, ids: Sequence[int]) -> None:
    connection.execute(
        sa.insert(_T).values(model=model, from_id=start, n_rows=len(ids), content=pack(ids))
    )
