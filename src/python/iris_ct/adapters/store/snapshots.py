"""Snapshots: rows joined with corrections and labels as of an arrival, cut once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst, run
from iris_ct.adapters.store.batches import SqlBatches
from iris_ct.adapters.store.columns import Columns, arrow_schema, learned_columns
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.facts import Facts, Wanted
from iris_ct.adapters.store.files import STORE, FactFiles, file_digest, part_of
from iris_ct.adapters.store.sql_text import sql
from iris_ct.core.dataset.batch import POSITION, ROW, Batch
from iris_ct.core.dataset.snapshot import Snapshot
from iris_ct.core.errors import InsufficientDataError, IntegrityError, StoreError
from iris_ct.core.specification import Feature, Specification

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_T = tables.snapshot
_COLUMNS = tuple(_T.c[field.name] for field in fields(Snapshot))


class SqlSnapshots:
    """`ports.SnapshotStore` on a `Database`, `FactFiles` and DuckDB."""

    def __init__(
        self, database: Database, files: FactFiles, batches: SqlBatches, analyst: Analyst
    ) -> None:
        self._database = database
        self._files = files
        self._batches = batches
        self._analyst = analyst

    def cut(
        self,
        specification: Specification,
        *,
        snapshot_id: str,
        as_of_seq: int,
        from_position: int | None,
        horizon: int,
        beside: Sequence[Feature] = (),
    ) -> Snapshot:
        """Write the snapshot file with bounded memory, or give the one of that id.

        Parameters
        ----------
        beside : sequence of Feature
            Features that only the champion still knows: it is judged on them, nothing learns
            them. Null in rows that were stored without them.

        Raises
        ------
        InsufficientDataError
            If no row would be in it.
        """
        stored = self._find(snapshot_id)
        if stored is not None:
            return stored
        final = self._files.new(
            STORE, specification.name, "snapshots", stem=snapshot_id, suffix=".parquet"
        )
        with self._analyst.session() as session:
            facts = Facts(
                session,
                self._files,
                specification,
                self._arrivals(specification.name, as_of_seq),
                low=from_position,
                high=horizon,
            )
            others = {f.name: f.kind for f in beside}
            columns = {**others, **learned_columns(specification)}
            n_rows, first, last = _write(session, facts, specification.target, columns, final)
        if n_rows == 0:
            part_of(final).unlink(missing_ok=True)
            raise InsufficientDataError(
                f"Snapshot {snapshot_id} would be empty: model {specification.name} has no row "
                f"with a known target up to event position {horizon} and arrival {as_of_seq}."
            )
        self._files.publish(final)
        snapshot = Snapshot(
            snapshot_id=snapshot_id,
            model=specification.name,
            spec_digest=specification.digest,
            path=self._files.relative(final),
            digest=file_digest(final),
            as_of_seq=as_of_seq,
            from_position=first if from_position is None else from_position,
            horizon=horizon,
            n_rows=n_rows,
            first_position=first,
            last_position=last,
        )
        return self._catalogue(snapshot, final)

    def count_labelled(
        self,
        specification: Specification,
        *,
        as_of_seq: int,
        after_position: int | None,
        horizon: int,
    ) -> int:
        """Count the rows a snapshot with ``after_position < position <= horizon`` would have."""
        low = None if after_position is None else after_position + 1
        arrivals = self._arrivals(specification.name, as_of_seq)
        with self._analyst.session() as session:
            facts = Facts(session, self._files, specification, arrivals, low=low, high=horizon)
            [(n_rows,)] = run(
                session, sql("SELECT count(*) FROM ({query})", query=facts.query([]))
            )
        return int(n_rows)

    def get(self, snapshot_id: str) -> Snapshot:
        """Give one snapshot; `StoreError` if there is none."""
        snapshot = self._find(snapshot_id)
        if snapshot is None:
            raise StoreError(f"There is no snapshot {snapshot_id} in this store.")
        return snapshot

    def path(self, snapshot: Snapshot) -> Path:
        """Give the absolute path, after checking the file's size against the catalogue.

        Raises
        ------
        StoreError
            If the snapshot was purged.
        IntegrityError
            If the file is missing or has another size.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(_T.c.path, _T.c.size_bytes).where(
                    _T.c.snapshot_id == snapshot.snapshot_id
                )
            ).one_or_none()
        if row is None:
            raise StoreError(f"There is no snapshot {snapshot.snapshot_id} in this store.")
        path = self._files.absolute(row.path)
        size_bytes = path.stat().st_size
        if size_bytes != row.size_bytes:
            raise IntegrityError(
                f"Snapshot {snapshot.snapshot_id} has {size_bytes} bytes, expected "
                f"{row.size_bytes}: {row.path} was changed. Restore it from a backup."
            )
        return path

    def columns(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Name the columns of a snapshot."""
        from iris_ct.adapters.store.parquet import opened

        with opened(self.path(snapshot)) as file:
            return tuple(file.schema_arrow.names)

    def read(
        self, snapshot: Snapshot, columns: Sequence[str], *, rows: Any | None = None
    ) -> pl.DataFrame:
        """Read columns in the snapshot's order.

        Parameters
        ----------
        rows : ndarray of bool of shape (n_rows,), optional
            Which rows are wanted; memory follows them.
        """
        from iris_ct.adapters.store.parquet import read_columns

        return read_columns(self.path(snapshot), columns, rows=rows)

    def _arrivals(self, model: str, as_of_seq: int) -> list[Batch]:
        return [batch for batch in self._batches.arrivals(model) if batch.seq <= as_of_seq]

    def _find(self, snapshot_id: str) -> Snapshot | None:
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(*_COLUMNS).where(_T.c.snapshot_id == snapshot_id)
            ).one_or_none()
        return None if row is None else Snapshot(**row._mapping)

    def _catalogue(self, snapshot: Snapshot, final: Path) -> Snapshot:
        with self._database.writing(snapshot.model) as connection:
            self._database.when_done(rolled_back=lambda: self._files.remove([final]))
            stored = self._find(snapshot.snapshot_id)
            if stored is not None:
                self._files.remove([final])
                return stored
            connection.execute(
                sa.insert(_T).values(
                    **vars(snapshot),
                    size_bytes=final.stat().st_size,
                    cut_at=datetime.now(UTC),
                )
            )
            return snapshot


def _write(
    session: duckdb.DuckDBPyConnection,
    facts: Facts,
    target: str,
    columns: Columns,
    final: Path,
) -> tuple[int, int, int]:
    """Write the rows in their order; give their number, smallest and largest position."""
    import pyarrow as pa

    from iris_ct.adapters.store.parquet import ROW_GROUP_ROWS, ChunkedWriter

    inputs = {name: kind for name, kind in columns.items() if name != target}
    wanted = [Wanted(name, kind, f"f{i}") for i, (name, kind) in enumerate(inputs.items())]
    query = sql("{query} ORDER BY r_position, r_row", query=facts.query(wanted))
    schema = arrow_schema({ROW: "int", POSITION: "int", **columns})
    texts = [name for name, kind in columns.items() if kind == "categorical"]
    writer = ChunkedWriter(final, schema, dictionary=texts)
    first = last = 0
    try:
        chunks: Any = session.sql(query.text, params=list(query.values)).to_arrow_reader(
            ROW_GROUP_ROWS
        )
        for chunk in chunks:
            if chunk.num_rows == 0:
                continue
            table = pa.Table.from_batches([chunk]).rename_columns(schema.names)
            positions = table.column(POSITION)
            first = first if writer.n_rows else positions[0].as_py()
            last = positions[-1].as_py()
            writer.write(table)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return writer.n_rows, first, last
