"""One arrival in the making: files first, then one row of the catalogue."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.columns import Columns, conform, stored_columns
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import QUARANTINE, STORE, FactFiles
from iris_ct.core.canonical import canonical_json
from iris_ct.core.dataset.batch import POSITION, ROW, Batch, BatchKind, BatchState
from iris_ct.core.errors import ConflictError, StoreError
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from iris_ct.adapters.store.parquet import ChunkedWriter

_T = tables.batch
_REASONS = "_reasons"


class FileBatchWriter:
    """`ports.BatchWriter`; used by one thread."""

    def __init__(
        self,
        database: Database,
        files: FactFiles,
        specification: Specification,
        kind: BatchKind,
        *,
        seq: int,
        first_row: int,
    ) -> None:
        self.seq = seq
        self.first_row = first_row
        self.batch_id = f"{specification.name}-{seq:06d}"
        self._database = database
        self._files = files
        self._specification = specification
        self._kind: BatchKind = kind
        self._columns: Columns = stored_columns(specification, kind)
        self._rows = _Part(files, STORE, specification.name, kind, self.batch_id)
        self._held = _Part(files, QUARANTINE, specification.name, "", self.batch_id)
        self._span: tuple[int, int] | None = None
        self._reasons: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Start writing."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Throw away what was not committed."""
        self._rows.abandon()
        self._held.abandon()

    def write_rows(self, frame: pl.DataFrame) -> None:
        """Append rows, or labels; columns beyond the specification are left out.

        Raises
        ------
        SchemaMismatchError
            If columns are missing or hold what their kind cannot.
        StoreError
            If ``_row`` does not count on from the row before.
        """
        import polars as pl

        if frame.is_empty():
            return
        start = self._rows.n_rows
        if self._kind == "labels":
            frame = frame.with_columns(pl.int_range(start, start + frame.height).alias(ROW))
            frame = conform(frame, self._columns)
        else:
            frame = conform(frame, self._columns, may_lack=self._specification.target)
            self._check_ordinals(frame, self.first_row + start)
            self._widen(frame)
        self._rows.writer(frame, self._columns).write(_arrow(frame))

    def write_quarantined(self, frame: pl.DataFrame) -> None:
        """Append rows held back: ``_place``, ``_reasons`` and the original columns as text."""
        if frame.is_empty():
            return
        self._reasons.update(frame.get_column(_REASONS).explode().drop_nulls().to_list())
        self._held.writer(frame, {}).write(_arrow(frame))

    def commit(
        self,
        *,
        fingerprint: str,
        source: str,
        state: BatchState,
        n_labelled: int,
        arrived_at: datetime,
        summary: bytes | None = None,
    ) -> Batch:
        """Sync and rename the files, then catalogue them in one transaction.

        Raises
        ------
        ConflictError
            If another arrival of the model, or the same content, was catalogued first.
        """
        if state == "quarantined":
            self._rows.abandon()
            self._span = None
        rows, held = self._rows.publish(), self._held.publish()
        first, last = self._span or (None, None)
        batch = Batch(
            batch_id=self.batch_id,
            model=self._specification.name,
            seq=self.seq,
            kind=self._kind,
            state=state,
            source=source,
            fingerprint=fingerprint,
            spec_digest=self._specification.digest,
            first_row=self.first_row,
            n_rows=self._rows.n_rows,
            n_labelled=n_labelled if state == "stored" else 0,
            n_quarantined=self._held.n_rows,
            first_position=first,
            last_position=last,
            path=self._files.relative(rows) if rows else "",
            quarantine_path=self._files.relative(held) if held else "",
            file_digest=self._rows.digest,
            arrived_at=arrived_at,
        )
        self._catalogue(batch, summary, [path for path in (rows, held) if path])
        self._rows.keep()
        self._held.keep()
        return batch

    def _catalogue(self, batch: Batch, summary: bytes | None, paths: list[Path]) -> None:
        with self._database.writing(batch.model) as connection:
            # Renamed but named nowhere: this process lives on, so it clears up by itself.
            self._database.when_done(rolled_back=lambda: self._files.remove(paths))
            newest = connection.scalar(
                sa.select(sa.func.max(_T.c.seq)).where(_T.c.model == batch.model)
            )
            if (newest or 0) != self.seq - 1:
                raise ConflictError(
                    f"Arrival {batch.batch_id} was overtaken: number {newest} of this model was "
                    "stored meanwhile. Take the file again."
                )
            same = connection.scalar(
                sa.select(_T.c.batch_id).where(
                    _T.c.model == batch.model, _T.c.fingerprint == batch.fingerprint
                )
            )
            if same is not None:
                raise ConflictError(f"The same content is stored already as {same}.")
            connection.execute(sa.insert(_T).values(_values(batch)))
            if batch.n_quarantined:
                connection.execute(sa.insert(tables.quarantine).values(self._held_values(batch)))
            if summary is not None and batch.first_position is not None:
                connection.execute(
                    sa.insert(tables.summary).values(
                        batch_id=batch.batch_id,
                        model=batch.model,
                        seq=batch.seq,
                        first_position=batch.first_position,
                        last_position=batch.last_position,
                        content=summary,
                    )
                )

    def _held_values(self, batch: Batch) -> dict[str, Any]:
        return {
            "batch_id": batch.batch_id,
            "model": batch.model,
            "seq": batch.seq,
            "n_rows": batch.n_quarantined,
            "whole_batch": int(batch.state == "quarantined"),
            "reasons": canonical_json(dict(self._reasons)),
            "path": batch.quarantine_path,
            "arrived_at": batch.arrived_at,
        }

    def _check_ordinals(self, frame: pl.DataFrame, expected: int) -> None:
        ordinals = frame.get_column(ROW)
        first, last = ordinals[0], ordinals[-1]
        if (first, last) != (expected, expected + frame.height - 1):
            raise StoreError(
                f"Rows of {self.batch_id} must be numbered on from {expected} in {ROW}, found "
                f"{first} to {last} in a chunk of {frame.height}."
            )

    def _widen(self, frame: pl.DataFrame) -> None:
        import polars as pl

        if frame.get_column(POSITION).null_count():
            raise StoreError(f"A row of {self.batch_id} has no {POSITION}; every row needs one.")
        low, high = frame.select(low=pl.min(POSITION), high=pl.max(POSITION)).row(0)
        old = self._span or (low, high)
        self._span = (min(old[0], low), max(old[1], high))


class _Part:
    """One file of an arrival: none, being written, or renamed."""

    def __init__(self, files: FactFiles, room: str, model: str, folder: str, stem: str) -> None:
        self._files = files
        self._where = (room, model, folder) if folder else (room, model)
        self._stem = stem
        self._writer: ChunkedWriter | None = None
        self._final: Path | None = None

    @property
    def n_rows(self) -> int:
        return self._writer.n_rows if self._writer is not None else 0

    def writer(self, frame: pl.DataFrame, columns: Columns) -> ChunkedWriter:
        """Give the writer; the first call makes the file, encoded as suits its first rows."""
        from iris_ct.adapters.store.parquet import ChunkedWriter, number_encodings

        if self._writer is None:
            self._final = self._files.new(*self._where, stem=self._stem, suffix=".parquet")
            texts = [name for name, kind in columns.items() if kind == "categorical"]
            few, many = number_encodings(frame)
            self._writer = ChunkedWriter(
                self._final, _arrow(frame.clear()).schema, dictionary=[*texts, *few], split=many
            )
        return self._writer

    @property
    def digest(self) -> str:
        return self._writer.digest if self._writer is not None else ""

    def publish(self) -> Path | None:
        if self._writer is None or self._final is None:
            return None
        self._writer.close()
        self._files.publish(self._final)
        return self._final

    def keep(self) -> None:
        """Forget the file: the catalogue has it now."""
        self._writer = None

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Give a frame as Arrow, in types that every reader of Parquet knows."""
    import polars as pl

    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _values(batch: Batch) -> dict[str, Any]:
    return {field.name: getattr(batch, field.name) for field in fields(batch)}
