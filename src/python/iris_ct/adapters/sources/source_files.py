"""Batches that were read from tables, as files on their way to the store.

They lie in ``store/incoming/<model>/table/``, from where the inbox opens and archives them as any
claimed file. A batch gets its name in the same transaction in which its reading is recorded.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from iris_ct.adapters.durable import sync

_FOLDER = "store/incoming/{model}/table"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_PART, _LOCK = ".part", ".lock"


class FolderSourceFiles:
    """`ports.SourceFiles` below a home; used by any number of threads and processes."""

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()

    @contextmanager
    def alone(self, model: str) -> Iterator[None]:
        """Wait until no other reader of this home, in whatever process, works on the model."""
        folder = self._folder(model)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # Given back by the system if this process dies.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write(self, path: str, frame: pl.DataFrame) -> Path:
        """Write rows durably under a name that nobody takes for a batch.

        Its path stands in the file, so that rows which say the same at two readings are not taken
        for one content that arrived twice.
        """
        folder = (self._home / path).parent
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f".{secrets.token_hex(8)}{_PART}"
        frame.write_parquet(
            written, compression="zstd", statistics=False, metadata={"batch": path}
        )
        sync(written)
        return written

    def name(self, model: str, label: str, at: datetime) -> str:
        """Make the path of a batch; it sorts by time, and says which table and which reading."""
        plain = re.sub(r"[^A-Za-z0-9.-]+", "_", label)[:80]
        stamp = f"{at.strftime(_STAMP)}-{secrets.token_hex(2)}"
        return f"{_FOLDER.format(model=model)}/{stamp}_{plain}.parquet"

    def read_at(self, path: str) -> datetime:
        """Tell when a batch was read, by its path."""
        stamp = Path(path).name.partition("-")[0]
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)

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
        kept = {_LOCK, *(Path(path).name for path in keep)}
        for path in self._folder(model).iterdir():
            if path.name not in kept and (not path.name.endswith(_PART) or _is_old(path)):
                path.unlink(missing_ok=True)

    def _folder(self, model: str) -> Path:
        folder = self._home / _FOLDER.format(model=model)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > 3600
    except FileNotFoundError:
        return False
