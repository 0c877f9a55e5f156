"""How far the tables of model files have been read, and what is remembered of their rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import source_ids, tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.errors import ConflictError
from iris_ct.ports import Reading, SeenRow, SourceState

_S, _R, _I = tables.source, tables.source_row, tables.source_ids
# Ids of one statement.
_PART = 500


class SqlSources:
    """`ports.SourceStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, model: str) -> SourceState | None:
        """Give a model's state; None before its first look."""
        with self._database.reading() as connection:
            return _state(connection, model)

    def seen(
        self, model: str, *, after: int | None = None, until: int | None = None
    ) -> dict[int, SeenRow]:
        """Give the kept digests of ``after < id <= until``, in the order of ids."""
        wanted = sa.select(_R).where(_R.c.model == model)
        if after is not None:
            wanted = wanted.where(_R.c.source_id > after)
        if until is not None:
            wanted = wanted.where(_R.c.source_id <= until)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_R.c.source_id))
            return {row.source_id: SeenRow(row.row_digest, row.read_at) for row in rows}

    def seen_of(self, model: str, ids: Sequence[int]) -> dict[int, SeenRow]:
        """Give the kept digests of these ids."""
        found: dict[int, SeenRow] = {}
        with self._database.reading() as connection:
            for start in range(0, len(ids), _PART):
                part = ids[start : start + _PART]
                wanted = sa.select(_R).where(_R.c.model == model, _R.c.source_id.in_(part))
                for row in connection.execute(wanted):
                    found[row.source_id] = SeenRow(row.row_digest, row.read_at)
        return found

    def known(self, model: str, ids: Collection[int]) -> set[int]:
        """Tell which of the ids were read before and were not gone since."""
        if not ids:
            return set()
        with self._database.reading() as connection:
            return source_ids.known(connection, model, ids)

    def segments(self, model: str, *, after: int | None, most: int) -> list[tuple[int, list[int]]]:
        """Give the next pieces of all known ids: where each begins, and its ids ascending."""
        with self._database.reading() as connection:
            return source_ids.pieces(connection, model, after=after, most=most)

    def advance(self, reading: Reading) -> SourceState:
        """Record a reading.

        Raises
        ------
        ConflictError
            If another reader has recorded one since this one began; nothing is recorded then.
        """
        before, after = reading.before, replace(reading.after, turn=reading.before.turn + 1)
        model = after.model
        with self._database.writing(model) as connection:
            now = _state(connection, model)
            if (now.turn if now else 0) != before.turn:
                raise ConflictError(
                    f"Somebody else has read the table of '{model}' meanwhile; what was read now "
                    "is given up. Read again."
                )
            if reading.restarted:
                for table in (_R, _I):
                    connection.execute(sa.delete(table).where(table.c.model == model))
            _remember(connection, model, reading)
            source_ids.remove(connection, model, reading.gone)
            source_ids.add(connection, model, reading.added)
            # What left the window with this reading was not looked at by `changed` yet.
            if reading.forget_until is not None and before.window_from is not None:
                connection.execute(
                    sa.delete(_R).where(
                        _R.c.model == model,
                        _R.c.source_id <= before.window_from,
                        _R.c.read_at <= reading.forget_until,
                    )
                )
            # A failure that was noted meanwhile counts, and is over.
            failures = now.n_failures if now else 0
            _write(connection, replace(after, failure=None, n_failures=failures), new=now is None)
        return after

    def fail(self, model: str, place: str, failure: str, *, at: datetime) -> SourceState:
        """Note why a look failed; give the state before.

        A place that was never read gives way to this one; one that was read is kept.
        """
        with self._database.writing(model) as connection:
            found = _state(connection, model)
            before = found or SourceState(model, place)
            begins = before.failure != failure
            after = replace(
                before,
                place=place if before.read_at is None else before.place,
                looked_at=at,
                failure=failure,
                n_failures=before.n_failures + int(begins),
            )
            _write(connection, after, new=found is None)
        return before


def _state(connection: sa.Connection, model: str) -> SourceState | None:
    row = connection.execute(sa.select(_S).where(_S.c.model == model)).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = {column.name: getattr(row, column.name) for column in _S.c}
    # A database may give an empty text back as none at all.
    return SourceState(**{**values, "pending": tuple(json.loads(row.pending or "[]"))})


def _write(connection: sa.Connection, state: SourceState, *, new: bool) -> None:
    values = {**asdict(state), "pending": json.dumps(state.pending)}
    if new:
        connection.execute(sa.insert(_S).values(values))
        return
    del values["model"]
    connection.execute(sa.update(_S).where(_S.c.model == state.model).values(values))


def _remember(connection: sa.Connection, model: str, reading: Reading) -> None:
    """Keep the newest digests; what is gone has none."""
    stale = [{"m": model, "i": one} for one in {*reading.seen, *reading.gone}]
    if stale and not reading.restarted:
        connection.execute(
            sa.delete(_R).where(
                _R.c.model == sa.bindparam("m"), _R.c.source_id == sa.bindparam("i")
            ),
            stale,
        )
    fresh = [
        {"model": model, "source_id": one, "row_digest": row.digest, "read_at": row.read_at}
        for one, row in sorted(reading.seen.items())
    ]
    if fresh:
        connection.execute(sa.insert(_R), fresh)
