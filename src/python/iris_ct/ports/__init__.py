"""What a step needs from outside, as protocols; `adapters/` keeps the real parts.

Frames are ``polars.DataFrame``; positions are event positions (see `core.dataset.batch`); paths
given to callers are absolute, paths inside facts are relative to the home. All methods that
record are idempotent: recording the same identifier again changes nothing.
"""

from iris_ct.ports.clock import Clock
from iris_ct.ports.files import ClaimedFile, Inbox, ModelFiles, PredictionWriter, RowSource
from iris_ct.ports.journal import Journal, JournalWriter
from iris_ct.ports.observation import Outcomes, PredictionLog, SummaryStore
from iris_ct.ports.projections import Projections
from iris_ct.ports.records import (
    AuditLog,
    ConsoleLog,
    CycleStore,
    DecisionLog,
    ModelStore,
    SpentRows,
    Transactions,
)
from iris_ct.ports.rows import (
    BatchStore,
    BatchWriter,
    Counts,
    HeldRows,
    Purger,
    Quarantine,
    SnapshotStore,
    SpecificationStore,
    SpecificationVersion,
)
from iris_ct.ports.services import AuthorStore, KeptService, PackageStore, ServiceStore
from iris_ct.ports.source import (
    Reading,
    SeenRow,
    SourceFiles,
    SourcePage,
    SourceState,
    SourceStore,
    SourceTable,
    Tables,
)
from iris_ct.ports.store import Store
from iris_ct.ports.training import JobFiles, ModelRegistry, Trainer, TrainingJob, TrainingOutcome

__all__ = [
    "AuditLog",
    "AuthorStore",
    "BatchStore",
    "BatchWriter",
    "ClaimedFile",
    "Clock",
    "ConsoleLog",
    "Counts",
    "CycleStore",
    "DecisionLog",
    "HeldRows",
    "Inbox",
    "JobFiles",
    "Journal",
    "JournalWriter",
    "KeptService",
    "ModelFiles",
    "ModelRegistry",
    "ModelStore",
    "Outcomes",
    "PackageStore",
    "PredictionLog",
    "PredictionWriter",
    "Projections",
    "Purger",
    "Quarantine",
    "Reading",
    "RowSource",
    "SeenRow",
    "ServiceStore",
    "SnapshotStore",
    "SourceFiles",
    "SourcePage",
    "SourceState",
    "SourceStore",
    "SourceTable",
    "SpecificationStore",
    "SpecificationVersion",
    "SpentRows",
    "Store",
    "SummaryStore",
    "Tables",
    "Trainer",
    "TrainingJob",
    "TrainingOutcome",
    "Transactions",
]
