"""What a step needs from outside, as protocols; `adapters/` keeps the real parts.

Frames are ``polars.DataFrame``; positions are event positions (see `core.dataset.batch`); paths
given to callers are absolute, paths inside facts are relative to the home. All methods that
record are idempotent: recording the same identifier again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.audit import AuditEvent
from iris_ct.core.cycle import Cycle, CycleState, Trigger
from iris_ct.core.dataset.batch import Batch, BatchKind, BatchState
from iris_ct.core.dataset.snapshot import Snapshot
from iris_ct.core.dataset.split import Split
from iris_ct.core.decision import Decision
from iris_ct.core.model_version import Champion, ModelVersion
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl


class Clock(Protocol):
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time, timezone-aware, in UTC."""
        ...


class Transactions(Protocol):
    """Several records, or none of them."""

    def begin(self) -> AbstractContextManager[None]:
        """Open a transaction that all stores of this thread join; nested ones join the outer."""
        ...


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
    ) -> Snapshot:
        """Write the snapshot file with bounded memory, or give the one of that id."""
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

    def read(
        self, snapshot: Snapshot, columns: Sequence[str], *, rows: Any | None = None
    ) -> pl.DataFrame:
        """Read columns in the snapshot's order.

        ``rows`` (bool array of shape (n_rows,)) says which are wanted; memory follows them.
        """
        ...


@dataclass(frozen=True)
class Outcomes:
    """Predictions whose truth is known, in order of event position."""

    position: Any  # int64 array of shape (n,)
    truth: Any  # float64 or str array of shape (n,)
    predictions: pl.DataFrame  # columns as PredictionLog.record got them
    version: Any  # int64 array of shape (n,)


class PredictionLog(Protocol):
    """What was predicted, by which version, when; scored when labels come."""

    def record(
        self,
        specification: Specification,
        *,
        request_id: str,
        version: int,
        frame: pl.DataFrame,
        at: datetime,
        batch_id: str | None = None,
    ) -> None:
        """Keep predictions.

        ``_key``, ``_position`` (null outside a batch), ``prediction`` and ``probability``
        (binary) or ``probability_<class>`` columns (multiclass).
        """
        ...

    def outcomes(
        self,
        specification: Specification,
        *,
        as_of_seq: int,
        from_position: int | None = None,
        to_position: int | None = None,
        version: int | None = None,
        batch_id: str | None = None,
    ) -> Outcomes:
        """Join logged predictions of arrived rows with their newest known truth.

        The first prediction of a row counts.
        """
        ...

    def counts(self, model: str) -> dict[int, int]:
        """Count logged predictions by version."""
        ...


class SummaryStore(Protocol):
    """Drift summaries, the grids they are counted on, and drift reports."""

    def grid(self, model: str, spec_digest: str) -> bytes | None:
        """Give the grid on which this specification's rows are counted."""
        ...

    def save_grid(self, model: str, spec_digest: str, grid: bytes) -> None:
        """Keep the grid; the first one wins."""
        ...

    def of_batch(self, batch_id: str) -> bytes | None:
        """Give one batch's summary."""
        ...

    def overlapping(
        self, model: str, *, from_position: int, to_position: int, as_of_seq: int
    ) -> list[bytes]:
        """Give the summaries of batches that overlap the window, in order of arrival."""
        ...

    def save_reference(self, model: str, version: int, summary: bytes) -> None:
        """Keep the merged summary of a version's training window."""
        ...

    def reference(self, model: str, version: int) -> bytes | None:
        """Give it back."""
        ...

    def save_report(self, model: str, report_id: str, batch_id: str, content: str) -> None:
        """Keep a drift report as canonical JSON."""
        ...

    def reports(self, model: str, *, newest: int = 1) -> list[str]:
        """Give the newest reports as JSON, newest first."""
        ...


@dataclass(frozen=True)
class SpentRows:
    """Holdout rows that a gate has used: positions ``first..last``, and which gate."""

    cycle_id: str
    first_position: int
    last_position: int
    n_rows: int


class CycleStore(Protocol):
    """Training cycles; at most one is open per model, whoever asks."""

    def open_or_join(self, trigger: Trigger, *, spec_digest: str) -> tuple[Cycle, bool]:
        """Open a cycle, or join the open one; tell whether it was opened by this trigger."""
        ...

    def get(self, cycle_id: str) -> Cycle:
        """Give one cycle; `StoreError` if there is none."""
        ...

    def open_cycle(self, model: str) -> Cycle | None:
        """Give the open cycle."""
        ...

    def cycles(self, model: str) -> list[Cycle]:
        """List the cycles, oldest first."""
        ...

    def cut_at(self, cycle_id: str, as_of_seq: int) -> Cycle:
        """Fix which arrivals the cycle sees; the first value stays."""
        ...

    def accept_reused(self, cycle_id: str) -> None:
        """Note that a person allows promotion on spent rows."""
        ...

    def close(self, cycle_id: str, state: CycleState, *, at: datetime) -> Cycle:
        """Close it; the first state stays."""
        ...

    def spend(self, model: str, spent: SpentRows) -> None:
        """Record the holdout rows of a gate."""
        ...

    def spent(self, model: str) -> list[SpentRows]:
        """List all rows spent in gates."""
        ...


class DecisionLog(Protocol):
    """Decisions, chained per model: each record's digest covers the one before."""

    def record(self, decision: Decision) -> Decision:
        """Append it; if its id is there already, give the stored one instead."""
        ...

    def get(self, decision_id: str) -> Decision | None:
        """Give one decision."""
        ...

    def decisions(self, model: str, *, newest: int | None = None) -> list[Decision]:
        """List decisions, oldest first; only the ``newest`` if given."""
        ...

    def verify(self, model: str) -> str | None:
        """Recompute the chain; name the first decision that was changed, or None."""
        ...


class ModelStore(Protocol):
    """Model versions, their files, and who serves."""

    def save_files(self, model: str, files: Mapping[str, bytes]) -> tuple[str, str]:
        """Keep an artefact's files by content; give its directory (relative) and its digest."""
        ...

    def files(self, version: ModelVersion) -> Path:
        """Give the artefact's absolute directory after checking its digest."""
        ...

    def add(self, version: ModelVersion) -> ModelVersion:
        """Keep a version; its number is assigned here unless the cycle already has one."""
        ...

    def get(self, model: str, version: int) -> ModelVersion:
        """Give one version; `ModelVersionNotFoundError` if there is none."""
        ...

    def of_cycle(self, cycle_id: str) -> ModelVersion | None:
        """Give the version that a cycle made."""
        ...

    def versions(self, model: str) -> list[ModelVersion]:
        """List all versions, oldest first."""
        ...

    def champion(self, model: str) -> Champion | None:
        """Give who serves now."""
        ...

    def champions(self, model: str) -> list[Champion]:
        """List who served, oldest first."""
        ...

    def appoint(
        self,
        model: str,
        version: int,
        *,
        decision_id: str,
        actor: str,
        at: datetime,
        since_position: int | None,
    ) -> Champion:
        """Move the alias ``champion`` in one step; once per decision."""
        ...

    def unregistered(self) -> list[ModelVersion]:
        """List versions that MLflow does not know yet, oldest first."""
        ...

    def mark_registered(
        self, model: str, version: int, *, run_id: str, registry_version: str
    ) -> None:
        """Note what MLflow called it."""
        ...

    def alias_pending(self) -> list[str]:
        """Name models whose alias in MLflow is behind the champion here."""
        ...

    def mark_alias(self, model: str, champion_seq: int) -> None:
        """Note that MLflow's alias has reached that champion."""
        ...


class AuditLog(Protocol):
    """Audit events: committed here once, then written to the console log at least once."""

    def record(self, event: AuditEvent) -> bool:
        """Keep it; tell whether it was new."""
        ...

    def unwritten(self, limit: int = 100) -> list[AuditEvent]:
        """List events that no console log line carries yet, oldest first."""
        ...

    def mark_written(self, event_id: str) -> None:
        """Note that the line was written."""
        ...

    def events(self, model: str | None = None, *, newest: int = 50) -> list[AuditEvent]:
        """List the newest events, oldest of them first."""
        ...


class ConsoleLog(Protocol):
    """Where operators look: IRIS' console log, or files of its form."""

    def write(self, event: AuditEvent) -> None:
        """Write one line."""
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


@dataclass(frozen=True)
class TrainingJob:
    """What the training process is asked; it reads only these files and writes only ``output``.

    Attributes
    ----------
    snapshot, snapshot_digest : Path, str
        Parquet file as `core.dataset.snapshot` says; checked before use.
    roles : Path
        NumPy file, int8 of shape (n_rows,): 0 unused, 1 may train, 2 validates the window
        choice and then trains, 3 judges.
    window, rounds : str or None, int or None
        Given: fit exactly this recipe on roles 1, 2 and 3 together (a refit). Not given: compare
        the specification's windows, choose, fit on roles 1 and 2, and predict role 3.
    output : Path
        Directory for the files below; a finished one (``result.json``) is used again.
    """

    job_id: str
    specification: Specification
    snapshot: Path
    snapshot_digest: str
    roles: Path
    output: Path
    window: str | None = None
    rounds: int | None = None
    preferred_window: str | None = None


@dataclass(frozen=True)
class TrainingOutcome:
    """What the training process left in ``output``.

    ``model.txt`` and ``encoding.json`` (the artefact), ``holdout.parquet`` (``_row`` and the
    prediction columns for role 3; not for a refit), ``result.json`` (this record).

    Attributes
    ----------
    baseline : mapping
        What someone without a model knows of the training rows: ``mean`` and ``median`` of the
        target, or the share of each class.
    """

    job_id: str
    window: str
    rounds: int
    recipe_digest: str
    n_rows: int
    fit_from: int
    fit_until: int
    candidates: tuple[Mapping[str, Any], ...]
    curve: tuple[float, ...]
    importances: Mapping[str, float]
    seconds: float
    peak_mb: float
    versions: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)


class Trainer(Protocol):
    """Fits models in a process of their own."""

    def run(
        self, job: TrainingJob, *, on_progress: Callable[[str, float], None] | None = None
    ) -> TrainingOutcome:
        """Run a job to its end; `TrainingFailedError` or `TrainingCancelledError` otherwise."""
        ...

    def cancel(self, job_id: str) -> bool:
        """Stop a running job; tell whether it was running."""
        ...


class ModelRegistry(Protocol):
    """MLflow: the run, the registered model and its aliases."""

    def register(
        self,
        version: ModelVersion,
        specification: Specification,
        *,
        files: Path,
        details: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> tuple[str, str]:
        """Make run and model version once per cycle; give run id and version name."""
        ...

    def set_alias(self, model: str, alias: str, registry_version: str) -> None:
        """Move an alias."""
        ...

    def get_alias(self, model: str, alias: str) -> str | None:
        """Give the version an alias points at."""
        ...


class Purger(Protocol):
    """Removes facts that are older than their retention."""

    def expired(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """List the files that `purge` would remove; what a champion needs is never listed."""
        ...

    def purge(self, specification: Specification, *, now: datetime) -> Sequence[Path]:
        """Remove them and note it in the catalogue; list them."""
        ...


class Store(Protocol):
    """All facts and records of one home, behind one address."""

    def close(self) -> None:
        """Give the connections back."""
        ...

    @property
    def transactions(self) -> Transactions:
        """Several records, or none."""
        ...

    @property
    def specifications(self) -> SpecificationStore:
        """Versions of the specifications."""
        ...

    @property
    def batches(self) -> BatchStore:
        """Rows and labels."""
        ...

    @property
    def snapshots(self) -> SnapshotStore:
        """What trainings see."""
        ...

    @property
    def predictions(self) -> PredictionLog:
        """What was predicted."""
        ...

    @property
    def summaries(self) -> SummaryStore:
        """What drift is measured on."""
        ...

    @property
    def cycles(self) -> CycleStore:
        """Training cycles."""
        ...

    @property
    def decisions(self) -> DecisionLog:
        """What was decided."""
        ...

    @property
    def models(self) -> ModelStore:
        """Versions, and who serves."""
        ...

    @property
    def audit(self) -> AuditLog:
        """What happened."""
        ...

    @property
    def quarantine(self) -> Quarantine:
        """What is held back."""
        ...

    @property
    def purger(self) -> Purger:
        """What is too old."""
        ...


class ModelFiles(Protocol):
    """The folder of model files."""

    def names(self) -> list[str]:
        """Name the models that have a file, sorted."""
        ...

    def read(self, model: str) -> Specification | None:
        """Read and check one file; None if there is none, `SpecificationError` if it is wrong."""
        ...


class RowSource(Protocol):
    """The rows of one file, read once from its beginning."""

    @property
    def schema(self) -> pl.Schema:
        """Types of the columns; all text for CSV."""
        ...

    @property
    def first_place(self) -> int:
        """Number of the newest chunk's first row in the file, from 1."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content; known after the last chunk."""
        ...

    def __enter__(self) -> RowSource:
        """Open it."""
        ...

    def __exit__(self, *exc: Any) -> None:
        """Close it."""
        ...

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the chunks in the order of the file."""
        ...


class ClaimedFile(Protocol):
    """A file on its way; its path, relative to the home, is unique among all arrivals."""

    @property
    def model(self) -> str:
        """Whose it is."""
        ...

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def source(self) -> str:
        """Name under which it arrived."""
        ...

    @property
    def kind(self) -> str:
        """What it holds: rows, labels or release."""
        ...


class Inbox(Protocol):
    """Files on their way: claimed or handed over, read, then archived or set aside."""

    def claim_ready(self, *, settle_s: float) -> Sequence[ClaimedFile]:
        """Claim all complete files, in the order of their names."""
        ...

    def take_in(self, model: str, path: Path) -> ClaimedFile:
        """Copy a person's file durably to where claimed files are; the original stays."""
        ...

    def open(self, path: str) -> RowSource:
        """Open a claimed file (relative path); `UnreadableFileError` if it is no table."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether the file is still where it was claimed to."""
        ...

    def archive(self, model: str, path: str) -> None:
        """Move a stored file to the archive; once."""
        ...

    def set_aside(self, model: str, path: str, *, report: Mapping[str, Any], text: str) -> None:
        """Move a refused file into quarantine, with the report beside it; once."""
        ...


class PredictionWriter(Protocol):
    """A file of predictions that appears only when it is finished."""

    def __enter__(self) -> PredictionWriter:
        """Start writing beside the destination."""
        ...

    def __exit__(self, *exc: Any) -> None:
        """Throw away what was not finished."""
        ...

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        ...

    def finish(self) -> None:
        """Let the file appear."""
        ...


class JobFiles(Protocol):
    """The files of a training cycle: how its rows were split, and what its fits left."""

    def save_split(self, model: str, cycle_id: str, split: Split) -> None:
        """Keep the split; an earlier one stays."""
        ...

    def split(self, model: str, cycle_id: str) -> Split | None:
        """Give the split, or None before it was made."""
        ...

    def roles_path(self, model: str, cycle_id: str) -> Path:
        """Give the NumPy file of the roles."""
        ...

    def output(self, model: str, cycle_id: str, phase: str) -> Path:
        """Give the directory in which a phase's training process writes."""
        ...

    def outcome(self, model: str, cycle_id: str, phase: str) -> TrainingOutcome | None:
        """Give a finished fit's record, or None."""
        ...

    def artefact(self, model: str, cycle_id: str, phase: str) -> dict[str, bytes]:
        """Give a finished fit's ``model.txt`` and ``encoding.json``."""
        ...

    def ask_to_cancel(self, model: str, cycle_id: str) -> None:
        """Note durably that a person wants the cycle's training to stop."""
        ...

    def is_cancelled(self, model: str, cycle_id: str) -> bool:
        """Tell whether somebody asked for that, in whatever process."""
        ...

    def holdout_predictions(self, model: str, cycle_id: str) -> pl.DataFrame:
        """Give the evaluated fit's predictions of the holdout, in the snapshot's order."""
        ...
