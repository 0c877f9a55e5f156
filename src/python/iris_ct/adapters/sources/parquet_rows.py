"""Parquet as chunks of rows, its bytes digested at the same pace.

Apart from `files`, so that a process that reads no Parquet does not load its library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from iris_ct.core.errors import UnreadableFileError

_HASH_BYTES = 2**20


class ParquetRows:
    """One Parquet file, read once from its beginning.

    Parameters
    ----------
    limit : int
        Bytes that the file may unpack to.

    Attributes
    ----------
    schema : polars.Schema
        Known at once.

    Raises
    ------
    UnreadableFileError
        If it is not whole, unpacks to more than ``limit`` bytes, or names a column twice.
    """

    def __init__(self, path: Path, *, limit: int) -> None:
        self._path = path
        self._file = _open(path, limit)
        self.schema = _schema(self._file, path.name)
        self._hash = hashlib.sha256()

    def close(self) -> None:
        """Close the file; twice is harmless."""
        self._file.close()

    def fingerprint(self) -> str:
        """SHA-256 of the file, after the last chunk."""
        return self._hash.hexdigest()

    def chunks(self, chunk_rows: int) -> Iterator[pl.DataFrame]:
        """Give the rows in chunks of at most so many.

        Raises
        ------
        UnreadableFileError
            If a page is damaged; says from which row on.
        """
        n_read, n_rows = 0, self._file.metadata.num_rows
        with self._path.open("rb") as bytes_:
            size = self._path.stat().st_size
            try:
                # One thread: this one runs beside the others anyway, and more cost more in all.
                for batch in self._file.iter_batches(chunk_rows, use_threads=False):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    n_read += frame.height
                    self._hash.update(bytes_.read(size * n_read // n_rows - bytes_.tell()))
                    if frame.height:
                        yield frame
            except (pa.ArrowException, OSError) as error:
                raise UnreadableFileError(
                    f"{self._path.name} is damaged after row {n_read}: a Parquet page cannot be "
                    "read. Write the file again."
                ) from error
            while piece := bytes_.read(_HASH_BYTES):
                self._hash.update(piece)


def _open(path: Path, limit: int) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(
            f"{path.name} begins like Parquet but its footer cannot be read; it may not have "
            "been written to its end. Write the file again."
        ) from error
    metadata = file.metadata
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > limit:
        file.close()
        raise UnreadableFileError(
            f"{path.name} unpacks to more than {limit} bytes, the most that is allowed."
        )
    return file


def _schema(file: pq.ParquetFile, name: str) -> pl.Schema:
    arrow = file.schema_arrow
    twice = sorted({column for column in arrow.names if arrow.names.count(column) > 1})
    if twice:
        raise UnreadableFileError(f"{name} names columns twice: {', '.join(twice)}.")
    return pl.DataFrame(arrow.empty_table()).schema
