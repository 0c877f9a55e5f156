"""Batches that were read from tables, as files on their way to the store.

They lie in ``store/incoming/<model>/table/``, from where the inbox opens and archives them as any
claimed file. A batch gets its name in the same transaction in which its reading is recorded.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from iris_ct.adapters.durable import sync

_FOLDER = "store/incoming/{model}/table"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_PART = ".part"


class FolderSourceFiles:
    """`ports.SourceFiles` below a home; used by any number of threads and processes."""

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()

    def write(self, model: str, frame: pl.DataFrame) -> Path:
        """Write rows durably under a name that nobody takes for a batch."""
        folder = self._home / _FOLDER.format(model=model)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".{secrets.token_hex(8)}{_PART}"
        frame.write_parquet(path, compression="zstd", statistics=False)
        sync(path)
        return path

    def name(self, model: str, label: str, at: datetime) -> str:
        """Make the path of a batch; it sorts by time, and says which table and which reading."""
        plain = re.sub(r"[^A-Za-z0-9.-]+", "_", label)[:80]
        stamp = f"{at.strftime(_STAMP)}-{secrets.token_hex(2)}"
        return f"{_FOLDER.format(model=model)}/{stamp}_{plain}.parquet"

    def place(self, written: Path, path: str) -> None:
        """Give a written file its path, durably."""
        target = self._home / path
        written.rename(target)
        sync(target.parent)

    def discard(self, written: Path) -> None:
        """Remove a written file that was not placed."""
        written.unlink(missing_ok=True)

    def waiting(self, paths: Sequence[str]) -> list[str]:
        """Tell which files are still there."""
        return [path for path in paths if (self._home / path).is_file()]

    def sweep(self, model: str, keep: Collection[str]) -> None:
        """Remove files of a model that no state names; the caller holds the model's lock.

        Unfinished ones too, unless they are of this hour: another process may be writing them.
        """
        folder = self._home / _FOLDER.format(model=model)
        if not folder.is_dir():
            return
        kept = {self._home / path for path in keep}
        for entry in os.scandir(folder):
            path = Path(entry.path)
            if path not in kept and (not path.name.endswith(_PART) or _is_old(path)):
                path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > 3600
    except FileNotFoundError:
        return False
