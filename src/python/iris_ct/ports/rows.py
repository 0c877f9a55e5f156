"""Rows and labels as immutable facts: specifications, batches, snapshots, quarantine, purge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.dataset.batch import Batch, BatchKind, BatchState
from iris_ct.core.dataset.snapshot import Snapshot
from iris_ct.core.specification import Feature, Specification

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class SpecificationVersion:
    """One recorded content of a model's specification."""

    model: str
    number: int
    digest: str
    actor: str
    recorded_at: datetime
    changed: tuple[str, ...]
    forces_retraining: bool


class SpecificationStore(Protocol):
    """Versions of the specifications, by content."""

    def models(self) -> list[str]:
        """Name all models ever recorded, sorted."""
        ...

    def newest(self, model: str) -> Specification | None:
        """Give the newest recorded specification."""
        ...

    def get(self, spec_digest: str) -> Specification:
        """Give the specification of that digest; `IntegrityError` if there is none."""
        ...

    def record(self, specification: Specification, *, actor: str, at: datetime) -> bool:
        """Record a content; tell whether it differs from the newest one."""
        ...

    def versions(self, model: str) -> list[SpecificationVersion]:
        """List the recorded contents, oldest first."""
        ...


class BatchWriter(Protocol):
    """One arrival being written; nothing of it is visible before `commit`.

    Leaving the context without `commit` removes the files written so far.
    """

    batch_id: str
    seq: int
    first_row: int

    def __enter__(self) -> BatchWriter:
        """Start writing."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Throw away what was not committed."""
        ...

    def write_rows(self, frame: pl.DataFrame) -> None:
        """Append rows: ``_row``, ``_position``, ``_key``, group, features, target if present.

        For labels: ``_key`` and the target.
        """
        ...

    def write_quarantined(self, frame: pl.DataFrame) -> None:
        """Append rows held back.

        ``_place`` (int64, row of the file from 1), ``_reasons`` (list of str, reason codes with
        columns) and the row's original columns as text.
        """
        ...

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

        A quarantined batch stores no rows: what was given to `write_rows` is dropped, and
        ``write_quarantined`` must hold every row. ``summary`` is the batch's drift summary.
        """
        ...


@dataclass(frozen=True)
class Counts:
    """Totals of one model."""

    rows: int
    batches: int
    label_files: int
    quarantined_rows: int
    quarantined_batches: int


class BatchStore(Protocol):
    """Rows and labels as immutable facts."""

    def find(self, model: str, fingerprint: str) -> Batch | None:
        """Give the batch of that content, if it arrived before."""
        ...

    def writer(self, specification: Specification, kind: BatchKind) -> BatchWriter:
        """Start an arrival; ``first_row`` and ``seq`` follow the newest one of the model.

        Arrivals of one model are written one at a time; `ConflictError` at commit if another
        one came first.
        """
        ...

    def get(self, batch_id: str) -> Batch:
        """Give one batch; `StoreError` if there is none."""
        ...

    def arrivals(self, model: str, *, after_seq: int = 0) -> list[Batch]:
        """List the arrivals in their order."""
        ...

    def counts(self, model: str) -> Counts:
        """Total the model's arrivals."""
        ...

    def newest_seq(self, model: str) -> int:
        """Give the newest arrival's ``seq``; 0 before the first."""
        ...

    def newest_position(self, model: str, *, as_of_seq: int | None = None) -> int | None:
        """Give the largest event position stored: the model's event clock."""
        ...

    def rows(self, batch: Batch, *, chunk_rows: int = 65_536) -> Iterator[pl.DataFrame]:
        """Read a batch's stored rows back, chunk by chunk."""
        ...

    def row(self, model: str, key: str, *, oldest: bool = False) -> pl.DataFrame | None:
        """Give the newest stored row of a key, or the oldest; None if there is none."""
        ...

    def known_keys(self, model: str, keys: pl.Series) -> pl.Series:
        """Tell for each key (str) whether a stored row has it; a boolean series."""
        ...

    def sweep(self) -> list[Path]:
        """Remove files that were written but never catalogued; list them."""
        ...

    def orphans(self) -> list[Path]:
        """List the files that `sweep` would remove."""
        ...


class SnapshotStore(Protocol):
    """Rows joined with corrections and labels, as of an arrival."""

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

        ``beside`` are features that only the champion still knows.
        """
        ...

    def count_labelled(
        self,
        specification: Specification,
        *,
        as_of_seq: int,
        after_position: int | None,
        horizon: int,
    ) -> int:
        """Count the rows a snapshot with ``after_position < position <= horizon`` would have."""
        ...

    def get(self, snapshot_id: str) -> Snapshot:
        """Give one snapshot; `StoreError` if there is none."""
        ...

    def path(self, snapshot: Snapshot) -> Path:
        """Give the absolute path, after checking the file's size against the catalogue."""
        ...

    def columns(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Name the columns of a snapshot."""
        ...

    def read(
        self, snapshot: Snapshot, columns: Sequence[str], *, rows: Any | None = None
    ) -> pl.DataFrame:
        """Read columns in the snapshot's order.

        ``rows`` (bool array of shape (n_rows,)) says which are wanted; memory follows them.
        """
        ...


@dataclass(frozen=True)
class HeldRows:
    """One batch's rows in quarantine."""

    batch_id: str
    model: str
    n_rows: int
    whole_batch: bool
    reasons: Mapping[str, int]
    released: bool
    arrived_at: datetime
    path: Path


class Quarantine(Protocol):
    """Rows and batches held back, with their reasons, until released or purged."""

    def held(self, model: str, *, released: bool = False) -> list[HeldRows]:
        """List what is held back."""
        ...

    def mark_released(self, batch_id: str, *, by_batch: str, actor: str, at: datetime) -> None:
        """Note by which new batch the rows were let in."""
        ...


class Purger(Protocol):
    """Removes facts that are older than their retention."""

    def expired(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """List the files that `purge` would remove; what a champion needs is never listed."""
        ...

    def purge(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """Remove them and note it in the catalogue; list them."""
        ...
