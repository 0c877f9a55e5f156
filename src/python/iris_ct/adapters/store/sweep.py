"""Removing files that nobody will ever catalogue."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles

_PATHS = (
    (tables.batch, tables.batch.c.path),
    (tables.batch, tables.batch.c.quarantine_path),
    (tables.snapshot, tables.snapshot.c.path),
    (tables.prediction_file, tables.prediction_file.c.path),
)


def sweep(database: Database, files: FactFiles) -> list[Path]:
    """Remove the uncatalogued files of dead writers; list them.

    Notes
    -----
    A writer is dead when nobody holds its lock file (see `files`). Its last transaction may still
    be ending in a database server; locking the model waits for that, so what the catalogue does
    not name afterwards is named never.
    """
    files.clear_scratch()
    removed: list[Path] = []
    for model, candidates in files.orphans().items():
        with database.writing(model) as connection:
            known = _catalogued(connection, model)
            unknown = [path for path in candidates if files.relative(path) not in known]
            files.remove(unknown)
        removed.extend(unknown)
    return removed


def orphans(database: Database, files: FactFiles) -> list[Path]:
    """List what `sweep` would remove, and remove nothing."""
    found: list[Path] = []
    for model, candidates in files.orphans().items():
        with database.reading() as connection:
            known = _catalogued(connection, model)
        found.extend(path for path in candidates if files.relative(path) not in known)
    return found


def _catalogued(connection: sa.Connection, model: str) -> set[str]:
    return {
        path
        for table, column in _PATHS
        for path in connection.scalars(sa.select(column).where(table.c.model == model))
    }
