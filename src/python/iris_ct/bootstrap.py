"""The composition root: real parts by default, others where a test passes them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from iris_ct.config import Settings, load_settings
from iris_ct.flow.serve import Champions
from iris_ct.ports import (
    Clock,
    ConsoleLog,
    Inbox,
    JobFiles,
    ModelFiles,
    ModelRegistry,
    PredictionWriter,
    SourceFiles,
    Store,
    Tables,
    Trainer,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from iris_ct.adapters.store import SqlStore


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """Everything a component or a procedure needs."""

    settings: Settings
    clock: Clock
    store: Store
    files: ModelFiles
    inbox: Inbox
    jobs: JobFiles
    trainer: Trainer
    registry: ModelRegistry
    console: ConsoleLog
    champions: Champions
    tables: Tables
    source_files: SourceFiles

    def prediction_file(self, path: Path) -> PredictionWriter:
        """Give a destination for predictions."""
        from iris_ct.adapters.sources.prediction_file import PredictionFile

        return PredictionFile(path)

    @property
    def home(self) -> Path:
        """Absolute path of the home."""
        return self.settings.root


_lock = threading.Lock()
_parts: dict[tuple[int, Path], Parts] = {}


def parts(settings: Settings | None = None) -> Parts:
    """Give the parts of this process for a home, built once.

    On IRIS every pool slot is a process of its own and builds its own parts; whatever must be
    exclusive between processes is exclusive in the store.
    """
    chosen = settings or load_settings()
    with _lock:
        place = (os.getpid(), chosen.root)
        if place not in _parts:
            _parts[place] = build(chosen)
        return _parts[place]


def build(settings: Settings) -> Parts:
    """Build the real parts, and send the program's own log where the settings say."""
    from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
    from iris_ct.adapters.sources.inbox import Inbox as InboxFolders
    from iris_ct.adapters.sources.model_files import FolderModelFiles
    from iris_ct.adapters.sources.source_files import FolderSourceFiles
    from iris_ct.adapters.store import SqlStore
    from iris_ct.adapters.telemetry.logs import configure_logs
    from iris_ct.adapters.training.job_files import FolderJobFiles
    from iris_ct.adapters.training.process_trainer import ProcessTrainer

    configure_logs(settings.log_level)
    home = settings.root
    home.mkdir(parents=True, exist_ok=True)
    store = SqlStore(
        settings.database_url,
        home,
        synchronous=settings.synchronous,
        memory_limit=f"{settings.snapshot_memory_mb}MB",
        password=settings.password,
    )
    return Parts(
        settings=settings,
        clock=SystemClock(),
        store=store,
        files=FolderModelFiles(settings.models_dir),
        inbox=InboxFolders(home),
        jobs=FolderJobFiles(home),
        trainer=ProcessTrainer(
            recycle_mb=settings.worker_recycle_mb,
            memory_mb=settings.worker_memory_mb,
            threads=settings.worker_threads,
            python=settings.training_python,
        ),
        registry=MlflowRegistry(settings.tracking_uri, timeout_s=settings.mlflow_timeout_s),
        console=console_log(settings),
        champions=Champions(store),
        tables=_tables(store),
        source_files=FolderSourceFiles(home),
    )


def console_log(settings: Settings) -> ConsoleLog:
    """Give the console log: the instance's own inside IRIS, files under the home elsewhere."""
    from iris_ct.adapters.telemetry.console_log import IrisConsoleLog, MessagesLog

    name = settings.audit_event or None
    if settings.on_iris:
        return IrisConsoleLog(event_name=name)
    return MessagesLog(settings.root, event_name=name)


def _tables(store: SqlStore) -> Tables:
    """Read tables in the store's own database, or in another by its URL."""
    from iris_ct.adapters.sources.sql_tables import SqlTables, sqlite_reader
    from iris_ct.adapters.store.engine import Database

    def connect(url: str) -> Engine:
        return (sqlite_reader(url) or Database(url).engine) if url else store.engine

    return SqlTables(connect)
