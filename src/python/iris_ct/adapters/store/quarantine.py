"""Rows and batches held back, with their reasons, until released or purged."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.core.errors import ConflictError, StoreError
from iris_ct.ports import HeldRows

_T = tables.quarantine


class SqlQuarantine:
    """`ports.Quarantine` on a `Database`; the batch writer fills it."""

    def __init__(self, database: Database, files: FactFiles) -> None:
        self._database = database
        self._files = files

    def held(self, model: str, *, released: bool = False) -> list[HeldRows]:
        """List what is held back, oldest first; with ``released`` also what was let in since.

        Purged rows are in neither list.
        """
        wanted = sa.select(_T).where(_T.c.model == model, _T.c.purged_at.is_(None))
        if not released:
            wanted = wanted.where(_T.c.released_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_T.c.seq)).all()
        return [
            HeldRows(
                batch_id=row.batch_id,
                model=row.model,
                n_rows=row.n_rows,
                whole_batch=bool(row.whole_batch),
                reasons=json.loads(row.reasons),
                released=row.released_at is not None,
                arrived_at=row.arrived_at,
                path=self._files.home / row.path,
            )
            for row in rows
        ]

    def mark_released(self, batch_id: str, *, by_batch: str, actor: str, at: datetime) -> None:
        """Note by which new batch the rows were let in.

        Raises
        ------
        StoreError
            If nothing of that batch was held back.
        ConflictError
            If the rows were let in by another batch before.
        """
        with self._database.begin() as connection:
            connection.execute(
                sa.update(_T)
                .where(_T.c.batch_id == batch_id, _T.c.released_at.is_(None))
                .values(released_at=at, released_by=actor, released_in=by_batch)
            )
            row = connection.execute(
                sa.select(_T.c.released_in).where(_T.c.batch_id == batch_id)
            ).one_or_none()
        if row is None:
            raise StoreError(f"No rows of batch {batch_id} are in quarantine.")
        if row.released_in != by_batch:
            raise ConflictError(
                f"The rows of batch {batch_id} were released before, by {row.released_in}."
            )
