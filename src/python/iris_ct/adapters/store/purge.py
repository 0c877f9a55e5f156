"""Removing facts that are older than their retention, and nothing that a champion needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.cycles import SqlCycles
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.models import SqlModels
from iris_ct.adapters.store.prediction_rows import remove_file
from iris_ct.adapters.store.row_tables import PurgedRows, remove_rows
from iris_ct.core.specification import Specification

_B, _Q, _S, _P = tables.batch, tables.quarantine, tables.snapshot, tables.prediction_file


@dataclass(frozen=True)
class _Expired:
    """One file that goes, and the record of the catalogue that names it.

    ``seq`` is that of a prediction file; ``rows`` is what it held of a batch.
    """

    path: str
    table: sa.Table
    record_id: str
    seq: int = 0
    rows: PurgedRows | None = None


# Identifies a record within its model.
_ID = {_B: _B.c.batch_id, _Q: _Q.c.batch_id, _S: _S.c.snapshot_id, _P: _P.c.request_id}


class SqlPurger:
    """`ports.Purger` on a `Database` and `FactFiles`.

    Notes
    -----
    Ages are counted on the wall clock since arrival. Kept whatever their age are: batches that
    reach into the serving champion's training window, label files as long as a batch that
    arrived before them is kept, the champion's snapshot, and snapshots cut since the open cycle
    was opened. Artefacts have no retention.
    """

    def __init__(
        self, database: Database, files: FactFiles, cycles: SqlCycles, models: SqlModels
    ) -> None:
        self._database = database
        self._files = files
        self._cycles = cycles
        self._models = models

    def expired(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """List the files that `purge` would remove; what a champion needs is never listed."""
        return [self._files.home / gone.path for gone in self._expired(specification, now)]

    def purge(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """Remove them and note it in the catalogue; list them.

        The catalogue forgets a path first: a file that outlives a crash in between is swept.
        """
        model = specification.name
        with self._database.writing(model) as connection:
            expired = self._expired(specification, now)
            for gone in expired:
                connection.execute(
                    sa.update(gone.table)
                    .where(gone.table.c.model == model, _ID[gone.table] == gone.record_id)
                    .values(path="", purged_at=now)
                )
                if gone.table is _P:
                    remove_file(connection, model, gone.seq)
                if gone.table is _Q:
                    connection.execute(
                        sa.update(_B)
                        .where(_B.c.batch_id == gone.record_id)
                        .values(quarantine_path="")
                    )
            rows = [gone.rows for gone in expired if gone.rows is not None]
            remove_rows(connection, specification, rows)
            paths = [self._files.home / gone.path for gone in expired]
            self._database.when_done(committed=lambda: self._files.remove(paths))
        return paths

    def _expired(self, specification: Specification, now: datetime) -> list[_Expired]:
        keep, model = specification.retention, specification.name
        with self._database.reading() as connection:
            return [
                *self._batches(connection, model, _days_before(now, keep.batches_days)),
                *_older(
                    connection,
                    _P.c.predicted_at,
                    _P.c.model == model,
                    before=_days_before(now, keep.predictions_days),
                ),
                *_older(
                    connection,
                    _Q.c.arrived_at,
                    _Q.c.model == model,
                    before=_days_before(now, keep.quarantine_days),
                ),
                *_older(
                    connection,
                    _S.c.cut_at,
                    _S.c.model == model,
                    *self._free_snapshots(model),
                    before=_days_before(now, keep.snapshots_days),
                ),
            ]

    def _batches(
        self, connection: sa.Connection, model: str, before: datetime | None
    ) -> list[_Expired]:
        champion = self._models.champion(model)
        conditions = [_B.c.model == model, _B.c.kind == "rows"]
        if champion is not None:
            fit_from = self._models.get(model, champion.version).fit_from
            conditions.append(_B.c.last_position < fit_from)
        rows = _older(connection, _B.c.arrived_at, *conditions, before=before)
        going = {gone.record_id for gone in rows}
        present = sa.select(_B.c.batch_id, _B.c.seq).where(
            _B.c.model == model, _B.c.kind == "rows", _B.c.path != ""
        )
        kept = [row.seq for row in connection.execute(present) if row.batch_id not in going]
        unneeded = [] if not kept else [_B.c.seq < min(kept)]
        labels = _older(
            connection,
            _B.c.arrived_at,
            _B.c.model == model,
            _B.c.kind == "labels",
            *unneeded,
            before=before,
        )
        return [*rows, *labels]

    def _free_snapshots(self, model: str) -> list[sa.ColumnElement[bool]]:
        """Give the conditions under which nobody needs a snapshot any more."""
        conditions: list[sa.ColumnElement[bool]] = []
        champion = self._models.champion(model)
        if champion is not None:
            version = self._models.get(model, champion.version)
            conditions.append(_S.c.digest != version.snapshot_digest)
        cycle = self._cycles.open_cycle(model)
        if cycle is not None:
            conditions.append(_S.c.cut_at < cycle.opened_at)
        return conditions


def _older(
    connection: sa.Connection,
    age: sa.Column[datetime],
    *conditions: sa.ColumnElement[bool],
    before: datetime | None,
) -> list[_Expired]:
    """List the files of one table that are older; none if they are kept for ever."""
    if before is None:
        return []
    table = age.table
    wanted = (
        sa.select(table)
        .where(age < before, table.c.path != "", *conditions)
        .order_by(age, _ID[table])
    )
    return [_expired(table, row) for row in connection.execute(wanted)]


def _expired(table: sa.Table, row: sa.Row[Any]) -> _Expired:
    record_id = getattr(row, _ID[table].name)
    if table is _P:
        return _Expired(row.path, table, record_id, seq=row.seq)
    if table is _B and row.kind == "rows":
        rows = PurgedRows(row.seq, (row.first_row, row.first_row + row.n_rows - 1))
        return _Expired(row.path, table, record_id, rows=rows)
    return _Expired(row.path, table, record_id)


def _days_before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)
