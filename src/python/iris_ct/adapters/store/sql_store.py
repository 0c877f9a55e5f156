"""The store: facts as files under one home, everything else in one database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from iris_ct.adapters.journal import FolderJournal, JournalWriter, journal_dir
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.audit import SqlAudit
from iris_ct.adapters.store.batches import SqlBatches
from iris_ct.adapters.store.cycles import SqlCycles
from iris_ct.adapters.store.decisions import SqlDecisions
from iris_ct.adapters.store.engine import Database, SqlTransactions, Synchronous
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.migrations import migrate
from iris_ct.adapters.store.models import SqlModels
from iris_ct.adapters.store.packages import SqlAuthors, SqlPackages
from iris_ct.adapters.store.predictions import SqlPredictions
from iris_ct.adapters.store.projections import SqlProjections
from iris_ct.adapters.store.purge import SqlPurger
from iris_ct.adapters.store.quarantine import SqlQuarantine
from iris_ct.adapters.store.services import SqlServices
from iris_ct.adapters.store.snapshots import SqlSnapshots
from iris_ct.adapters.store.sources import SqlSources
from iris_ct.adapters.store.specifications import SqlSpecifications
from iris_ct.adapters.store.summaries import SqlSummaries


class SqlStore:
    """Every store port of `iris_ct.ports`, for any number of threads and processes.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, as for `Database`.
    home : Path
        Directory of the files; all processes of one database must share it.
    synchronous : {"OFF", "NORMAL", "FULL"}
        SQLite's ``PRAGMA synchronous``. With ``OFF`` files are not synced either: for tests.
    memory_limit : str
        What cutting a snapshot or scoring predictions may hold in memory before it spills.
    threads : int
        Threads of such a query.
    password : str, optional
        Password of the URL, which then holds none.
    connect : callable, optional
        Gives the DB-API connections instead of the driver that the URL names.

    Raises
    ------
    StoreError
        If a newer release has changed the database, or the address is wrong.
    StoreUnavailableError
        If the database does not answer.

    Notes
    -----
    Open it after a fork, never before: neither connections nor the lock that marks this process
    as alive survive one.
    """

    def __init__(
        self,
        url: str,
        home: Path,
        *,
        synchronous: Synchronous = "NORMAL",
        memory_limit: str = "1GB",
        threads: int = 2,
        password: str | None = None,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self._database = database = Database(
            url, synchronous=synchronous, password=password, connect=connect
        )
        try:
            self.migrate()
            self._files = files = FactFiles(home, synced=synchronous != "OFF")
        except BaseException:
            database.close()
            raise
        analyst = Analyst(files, memory_limit=memory_limit, threads=threads)
        self.transactions = SqlTransactions(database)
        self.specifications = SqlSpecifications(database)
        self.batches = SqlBatches(database, files, analyst)
        self.snapshots = SqlSnapshots(database, files, self.batches, analyst)
        self.predictions = SqlPredictions(database, files, self.batches, analyst)
        self.journal = FolderJournal(journal_dir(home))
        self.journal_writer = JournalWriter(journal_dir(home))
        self.projections = SqlProjections(database, files, self.specifications, analyst)
        self.summaries = SqlSummaries(database)
        self.sources = SqlSources(database)
        self.cycles = SqlCycles(database)
        self.decisions = SqlDecisions(database)
        self.models = SqlModels(database, files)
        self.audit = SqlAudit(database)
        self.services = SqlServices(database)
        self.packages = SqlPackages(database)
        self.authors = SqlAuthors(database)
        self.quarantine = SqlQuarantine(database, files)
        self.purger = SqlPurger(database, files, self.cycles, self.models)

    @property
    def engine(self) -> sa.Engine:
        """The connections of the catalogue's database, where tables of its users may lie too."""
        return self._database.engine

    def migrate(self) -> list[int]:
        """Bring the database to this release's tables; give the numbers of the steps taken."""
        return migrate(self._database)

    def close(self) -> None:
        """Close the connections and give up this process' claim on files in the making."""
        self.journal_writer.close()
        self._database.close()
        self._files.close()

    def __enter__(self) -> Self:
        """Use the store for a block."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()
