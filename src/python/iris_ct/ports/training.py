"""Training in a process of its own, and the registry of what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.dataset.split import Split
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl


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
