"""Stored rows as an SQL table of their own for each model: ``ct_rows_<model>``.

Arrivals go in in their order, a chunk to a transaction, and ``ct_row_table`` notes in the same
transaction how far the table is. Other columns in the specification make another table: it is
dropped and filled again from the files, which hold all. Customers' names of columns reach SQL
only here, checked by `core.sql_names` and always quoted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Float, SmallInteger, String, Text

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.budget import Budget, chunk_rows
from iris_ct.adapters.store.columns import learned_columns
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.row_changes import RowChanges
from iris_ct.adapters.store.row_keys import LONGEST_KEY
from iris_ct.core.canonical import canonical_json
from iris_ct.core.specification import Specification

_T, _B = tables.row_table, tables.batch
_TYPES: dict[str, Any] = {
    "numeric": Float(53),
    "categorical": Text(),
    "boolean": SmallInteger(),
    "datetime": sa.DateTime(),
}


@dataclass(frozen=True)
class _Place:
    """How far a table is: whole arrivals up to one, and some rows of the next."""

    layout: str
    through_seq: int
    n_rows: int


@dataclass(frozen=True)
class PurgedRows:
    """A batch of rows whose file is gone: its age, and its first and last row's ordinals."""

    seq: int
    span: tuple[int, int]


class RowTables:
    """Keeps the tables of rows in step with the batches."""

    def __init__(self, database: Database, files: FactFiles, analyst: Analyst) -> None:
        self._analyst = analyst
        self._database = database
        self._files = files

    def is_behind(self, specification: Specification) -> bool:
        """Tell whether the model's table is not what its specification and batches say."""
        model = specification.name
        newest = sa.select(sa.func.max(_B.c.seq)).where(_B.c.model == model)
        with self._database.reading() as connection:
            place = _place(connection, model)
            if not specification.tables.rows:
                return place is not None or _has_table(connection, model)
            if place is None or place.layout != _layout(specification):
                return True
            return place.through_seq < (connection.scalar(newest) or 0)

    def bring_up(self, specification: Specification, budget: Budget) -> None:
        """Make the table if need be, and let all arrivals in that are not in it."""
        self._make(specification)
        while not budget.is_spent and self._let_in_next(specification, budget):
            pass

    def remove(self, model: str) -> None:
        """Drop the model's table."""
        with self._database.reading() as connection:
            # Forgotten by somebody who was killed before the table was dropped.
            if _place(connection, model) is None and not _has_table(connection, model):
                return
        with self._database.writing(model) as connection:
            _forget(connection, model)
        with self._database.changing_tables() as connection:
            if _place(connection, model) is None:
                _drop(connection, model)

    def _make(self, specification: Specification) -> None:
        layout = _layout(specification)
        with self._database.reading() as connection:
            if _is_made(_place(connection, specification.name), layout):
                return
        # First forgotten, so that nobody fills it any more; then made, outside a transaction where
        # the database wants it so (IRIS); noted at last. What breaks off between is made again.
        with self._database.writing(specification.name) as connection:
            if _is_made(_place(connection, specification.name), layout):
                return
            _forget(connection, specification.name)
        with self._database.changing_tables() as connection:
            if _place(connection, specification.name) is not None:
                # Somebody else was faster.
                return
            _drop(connection, specification.name)
            row_table(specification.name, layout).create(connection)
            connection.execute(
                sa.insert(_T).values(
                    model=specification.name, layout=layout, through_seq=0, n_rows=0
                )
            )

    def _let_in_next(self, specification: Specification, budget: Budget) -> bool:
        """Let the next arrival in; tell whether there was one."""
        model, layout = specification.name, _layout(specification)
        with self._database.reading() as connection:
            place = _place(connection, model)
            if place is None or place.layout != layout:
                # Somebody knows a newer specification.
                return False
            batch = _next_batch(connection, model, place.through_seq)
        if batch is None:
            return False
        if batch.path:
            place = self._let_in(specification, batch, place, budget)
            if place is None:
                return False
        if place.through_seq < batch.seq and (not batch.path or place.n_rows >= batch.n_rows):
            with self._database.writing(model) as connection:
                if _place(connection, model) == place:
                    _note(connection, model, through_seq=batch.seq, n_rows=0)
        return True

    def _let_in(
        self, specification: Specification, batch: Any, place: _Place, budget: Budget
    ) -> _Place | None:
        """Let in the rows or labels of one arrival, from where it was left.

        Gives how far it is; None if somebody else went on with it or purged it meanwhile.
        """
        from iris_ct.adapters.store.parquet import read_chunks

        table = row_table(specification.name, place.layout)
        changes = RowChanges(
            self._database, self._files, self._analyst, specification, table, batch
        )
        done = 0
        size = chunk_rows(is_iris=self._database.is_iris)
        for frame in read_chunks(self._files.absolute(batch.path), chunk_rows=size):
            first, done = done, done + frame.height
            if done <= place.n_rows:
                continue
            if budget.is_spent:
                return place
            prepared = changes.prepare(frame[max(0, place.n_rows - first) :])
            with self._database.writing(specification.name) as connection:
                if _place(connection, specification.name) != place or not _has_file(
                    connection, batch
                ):
                    return None
                changes.apply(connection, prepared)
                _note(connection, specification.name, n_rows=done)
            place = _Place(place.layout, place.through_seq, done)
            budget.spend(prepared.height)
        return place


def row_table(model: str, layout: str) -> sa.Table:
    """Describe the table of a model's rows; its columns' keys are ``c0``, ``c1`` ..."""
    name = f"ct_rows_{model}"
    learned = [
        Column(sa.quoted_name(column, quote=True), _TYPES[kind], key=f"c{place}")
        for place, (column, kind) in enumerate(json.loads(layout))
    ]
    return sa.Table(
        name,
        sa.MetaData(),
        Column("row_key", String(LONGEST_KEY), primary_key=True),
        Column("row_number", BigInteger, nullable=False),
        Column("row_position", BigInteger, nullable=False),
        Column("row_time", sa.DateTime()),
        Column("batch_id", String(255), nullable=False),
        *learned,
        sa.Index(f"{name}_number", "row_number"),
    )


def remove_rows(
    connection: sa.Connection, specification: Specification, purged: Sequence[PurgedRows]
) -> None:
    """Remove the rows of purged batches from the model's table, if it has one.

    Where another row of the same key counts now, all arrivals are let in once more.
    """
    model = specification.name
    if not purged or not _has_table(connection, model):
        return
    table = row_table(model, "[]")
    for first, last in (batch.span for batch in purged):
        connection.execute(
            sa.delete(table).where(table.c.row_number >= first, table.c.row_number <= last)
        )

    if specification.key and _others_count(connection, specification, purged):
        _note(connection, model, through_seq=0, n_rows=0)


def _others_count(
    connection: sa.Connection, specification: Specification, purged: Sequence[PurgedRows]
) -> bool:
    """Tell whether a batch that is kept may hold a row which a purged one kept from counting."""
    if specification.on_duplicate == "reject":
        return False
    if specification.on_duplicate == "keep":
        behind = _B.c.seq > min(batch.seq for batch in purged)
    else:
        behind = _B.c.seq < max(batch.seq for batch in purged)
    kept = sa.select(sa.func.count()).where(
        _B.c.model == specification.name, _B.c.kind == "rows", _B.c.path != "", behind
    )
    return bool(connection.scalar(kept))


def _layout(specification: Specification) -> str:
    """Give the specification's columns and their kinds, in their order, as JSON text."""
    return canonical_json([list(item) for item in learned_columns(specification).items()])


def _place(connection: sa.Connection, model: str) -> _Place | None:
    wanted = sa.select(_T.c.layout, _T.c.through_seq, _T.c.n_rows).where(_T.c.model == model)
    found = connection.execute(wanted).one_or_none()
    return None if found is None else _Place(*found)


def _has_table(connection: sa.Connection, model: str) -> bool:
    return sa.inspect(connection).has_table(f"ct_rows_{model}")


def _is_made(place: _Place | None, layout: str) -> bool:
    return place is not None and place.layout == layout


def _note(connection: sa.Connection, model: str, **to: int) -> None:
    connection.execute(sa.update(_T).where(_T.c.model == model).values(to))


def _forget(connection: sa.Connection, model: str) -> None:
    connection.execute(sa.delete(_T).where(_T.c.model == model))


def _drop(connection: sa.Connection, model: str) -> None:
    """Drop the table, whatever its columns were."""
    row_table(model, "[]").drop(connection, checkfirst=True)


def _next_batch(connection: sa.Connection, model: str, after_seq: int) -> Any:
    """Give the next arrival; one that was held back or purged has no path."""
    following = sa.select(sa.func.min(_B.c.seq)).where(_B.c.model == model, _B.c.seq > after_seq)
    wanted = sa.select(
        _B.c.batch_id, _B.c.seq, _B.c.kind, _B.c.n_rows, _B.c.path, _B.c.model
    ).where(_B.c.model == model, _B.c.seq == following.scalar_subquery())
    return connection.execute(wanted).one_or_none()


def _has_file(connection: sa.Connection, batch: Any) -> bool:
    wanted = sa.select(_B.c.path).where(_B.c.batch_id == batch.batch_id)
    return bool(connection.scalar(wanted))
