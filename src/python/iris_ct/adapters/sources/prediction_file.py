"""Files of predictions: CSV or Parquet by their ending; whole or absent."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self

import polars as pl
import pyarrow.parquet as pq

from iris_ct.adapters.durable import write_whole
from iris_ct.core.errors import ConfigError


class _UnfinishedError(Exception):
    """Ends the writing without letting the file appear."""


class PredictionFile:
    """A destination that appears only when `finish` was called; used by one thread.

    Parameters
    ----------
    path : Path
        Ends in ``.csv`` or ``.parquet``.

    Raises
    ------
    ConfigError
        If the ending says neither, or the directory is not there.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in {".csv", ".parquet"}:
            raise ConfigError(
                f"Predictions cannot be written to {path}: expected a name ending in .csv or "
                f".parquet, found '{path.suffix}'."
            )
        if not path.parent.is_dir():
            raise ConfigError(f"Predictions cannot be written to {path}: no such directory.")
        self._path = path
        self._stack = ExitStack()
        self._file: BinaryIO | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._started = self._finished = False

    def __enter__(self) -> Self:
        """Start writing beside the destination."""
        self._file = self._stack.enter_context(write_whole(self._path))
        return self

    def __exit__(self, *exc: object) -> None:
        """Let the file appear, or throw away what was not finished."""
        if self._parquet is not None:
            self._parquet.close()
        if self._finished:
            self._stack.close()
            return
        with contextlib.suppress(_UnfinishedError):
            self._stack.__exit__(_UnfinishedError, _UnfinishedError(), None)

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        if self._file is None:
            raise RuntimeError(f"{self._path} is not open for writing.")
        if self._path.suffix == ".csv":
            frame.write_csv(self._file, include_header=not self._started)
        else:
            table = frame.to_arrow()
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._file, table.schema)
            self._parquet.write_table(table)
        self._started = True

    def finish(self) -> None:
        """Let the file appear when the block ends."""
        self._finished = True
