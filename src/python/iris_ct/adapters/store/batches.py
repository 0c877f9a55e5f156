"""Arrivals: rows and labels as immutable Parquet files, catalogued in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.batch_writer import FileBatchWriter
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.sweep import orphans, sweep
from iris_ct.core.dataset.batch import Batch, BatchKind
from iris_ct.core.errors import StoreError
from iris_ct.core.specification import Specification
from iris_ct.ports import BatchWriter, Counts

if TYPE_CHECKING:
    import polars as pl

_T = tables.batch
_Q = tables.quarantine
_COLUMNS = tuple(column for column in _T.c if column.name != "purged_at")


class SqlBatches:
    """`ports.BatchStore` on a `Database` and `FactFiles`."""

    def __init__(self, database: Database, files: FactFiles, analyst: Analyst) -> None:
        self._database = database
        self._files = files
        self._analyst = analyst

    def find(self, model: str, fingerprint: str) -> Batch | None:
        """Give the batch of that content, if it arrived before."""
        found = self._select(_T.c.model == model, _T.c.fingerprint == fingerprint)
        return found[0] if found else None

    def writer(self, specification: Specification, kind: BatchKind) -> BatchWriter:
        """Start an arrival; ``first_row`` and ``seq`` follow the newest one of the model."""
        model = specification.name
        next_row = sa.select(sa.func.max(_T.c.first_row + _T.c.n_rows)).where(
            _T.c.model == model, _T.c.kind == "rows"
        )
        return FileBatchWriter(
            self._database,
            self._files,
            specification,
            kind,
            seq=self.newest_seq(model) + 1,
            first_row=self._scalar(next_row) or 0,
        )

    def get(self, batch_id: str) -> Batch:
        """Give one batch; `StoreError` if there is none."""
        found = self._select(_T.c.batch_id == batch_id)
        if not found:
            raise StoreError(f"There is no batch {batch_id} in this store.")
        return found[0]

    def arrivals(self, model: str, *, after_seq: int = 0) -> list[Batch]:
        """List the arrivals in their order."""
        return self._select(_T.c.model == model, _T.c.seq > after_seq)

    def counts(self, model: str) -> Counts:
        """Total the model's arrivals; released and purged rows count as held back no more."""
        totals = (
            sa.select(_T.c.kind, _T.c.state, sa.func.count(), sa.func.sum(_T.c.n_rows))
            .where(_T.c.model == model)
            .group_by(_T.c.kind, _T.c.state)
        )
        held = sa.select(sa.func.sum(_Q.c.n_rows), sa.func.sum(_Q.c.whole_batch)).where(
            _Q.c.model == model, _Q.c.released_at.is_(None), _Q.c.purged_at.is_(None)
        )
        with self._database.reading() as connection:
            by_kind = {
                (kind, state): (n, rows) for kind, state, n, rows in connection.execute(totals)
            }
            held_rows, held_batches = connection.execute(held).one()
        n_batches, n_rows = by_kind.get(("rows", "stored"), (0, 0))
        return Counts(
            rows=int(n_rows),
            batches=n_batches,
            label_files=by_kind.get(("labels", "stored"), (0, 0))[0],
            quarantined_rows=int(held_rows or 0),
            quarantined_batches=int(held_batches or 0),
        )

    def newest_seq(self, model: str) -> int:
        """Give the newest arrival's ``seq``; 0 before the first."""
        return self._scalar(sa.select(sa.func.max(_T.c.seq)).where(_T.c.model == model)) or 0

    def newest_position(self, model: str, *, as_of_seq: int | None = None) -> int | None:
        """Give the largest event position stored: the model's event clock."""
        wanted = sa.select(sa.func.max(_T.c.last_position)).where(_T.c.model == model)
        if as_of_seq is not None:
            wanted = wanted.where(_T.c.seq <= as_of_seq)
        return self._scalar(wanted)

    def rows(self, batch: Batch, *, chunk_rows: int = 65_536) -> Iterator[pl.DataFrame]:
        """Read a batch's stored rows (or labels) back, chunk by chunk."""
        from iris_ct.adapters.store.parquet import read_chunks

        # The file may have been purged after the caller got the batch.
        path = self.get(batch.batch_id).path
        return read_chunks(self._files.absolute(path), chunk_rows=chunk_rows)

    def row(self, model: str, key: str, *, oldest: bool = False) -> pl.DataFrame | None:
        """Give the newest stored row of a key, or the oldest; None if there is none."""
        from iris_ct.adapters.store.lookup import find_row

        stored = self._select(_T.c.model == model, _T.c.kind == "rows", _T.c.path != "")
        for batch in stored if oldest else reversed(stored):
            found = find_row(self._files.absolute(batch.path), key, oldest=oldest)
            if found is not None:
                return found
        return None

    def known_keys(self, model: str, keys: pl.Series) -> pl.Series:
        """Tell for each key (str) whether a stored row has it; a boolean series."""
        stored = self._select(_T.c.model == model, _T.c.kind == "rows", _T.c.path != "")
        paths = [self._files.absolute(batch.path) for batch in stored]
        return self._analyst.known(paths, keys)

    def sweep(self) -> list[Path]:
        """Remove files that dead writers left behind uncatalogued; list them."""
        return sweep(self._database, self._files)

    def orphans(self) -> list[Path]:
        """List the files that `sweep` would remove."""
        return orphans(self._database, self._files)

    def _select(self, *conditions: sa.ColumnElement[bool]) -> list[Batch]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(*_COLUMNS).where(*conditions).order_by(_T.c.seq))
            return [Batch(**row._mapping) for row in rows]

    def _scalar(self, wanted: sa.Select[int]) -> int | None:
        with self._database.reading() as connection:
            found = connection.scalar(wanted)
        return None if found is None else int(found)
