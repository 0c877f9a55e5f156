"""All facts and records of one home."""

from __future__ import annotations

from typing import Protocol

from iris_ct.ports.journal import Journal, JournalWriter
from iris_ct.ports.observation import PredictionLog, SummaryStore
from iris_ct.ports.projections import Projections
from iris_ct.ports.records import AuditLog, CycleStore, DecisionLog, ModelStore, Transactions
from iris_ct.ports.rows import BatchStore, Purger, Quarantine, SnapshotStore, SpecificationStore
from iris_ct.ports.services import AuthorStore, PackageStore, ServiceStore
from iris_ct.ports.source import SourceStore


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
    def journal(self) -> Journal:
        """What was predicted and is not in the log yet."""
        ...

    @property
    def journal_writer(self) -> JournalWriter:
        """Where this process queues its own predictions."""
        ...

    @property
    def projections(self) -> Projections:
        """What is shown once more as rows of SQL tables."""
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

    @property
    def sources(self) -> SourceStore:
        """How far tables have been read."""
        ...

    @property
    def services(self) -> ServiceStore:
        """Model services."""
        ...

    @property
    def packages(self) -> PackageStore:
        """Models from elsewhere."""
        ...

    @property
    def authors(self) -> AuthorStore:
        """Whose packages are taken."""
        ...
