"""Files of rows: CSV, gzip CSV and Parquet, known by their content, read in chunks.

What a file is called does not matter. Memory is bounded by a chunk, not by the file; a Parquet
file costs a row group's compressed columns besides.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Literal, Self

import polars as pl

from iris_ct.adapters.sources.ahead import read_ahead
from iris_ct.adapters.sources.csv_blocks import CsvBlocks
from iris_ct.core.errors import UnreadableFileError

if TYPE_CHECKING:
    from iris_ct.adapters.sources.parquet_rows import ParquetRows

FileFormat = Literal["csv", "gzip csv", "parquet"]

# A file that unpacks to more is taken for a mistake or an attack.
MAX_UNCOMPRESSED_BYTES = 64 * 2**30

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
# Containers that people take for CSV, by their first bytes.
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive or Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"ARROW1": "Arrow IPC",
    b"%PDF": "PDF",
}
_HASH_BYTES = 2**20


class RowSource:
    """The rows of one file, read once from its beginning; used by one thread.

    A thread of its own reads and parses the next chunk while the caller works on this one.

    Attributes
    ----------
    path : Path
    format : str
        ``csv``, ``gzip csv`` or ``parquet``.
    columns : tuple of str
        Names in the order of the file; known at once.
    schema : polars.Schema
        Types of the columns; all text for CSV.
    n_rows : int
        Rows given so far.
    first_place : int
        Number of the newest chunk's first row in the file, from 1, the header not counted.
    """

    def __init__(
        self, path: Path, *, chunk_rows: int = 65_536, max_uncompressed_bytes: int | None = None
    ) -> None:
        if chunk_rows < 1:
            raise ValueError(f"chunk_rows is {chunk_rows}; expected at least 1.")
        self.path = path
        self.n_rows = 0
        self.first_place = 1
        self._chunk_rows = chunk_rows
        self._fingerprint: str | None = None
        self._ahead: Generator[pl.DataFrame, None, None] | None = None
        self._limit = max_uncompressed_bytes or MAX_UNCOMPRESSED_BYTES
        self.format: FileFormat = detect_format(path)
        self._stream: _Bytes | None = None
        self._parquet: ParquetRows | None = None
        if self.format == "parquet":
            from iris_ct.adapters.sources.parquet_rows import ParquetRows

            self._parquet = ParquetRows(path, limit=self._limit)
            self.schema = self._parquet.schema
        else:
            self._stream = _Bytes(path, compressed=self.format != "csv", limit=self._limit)
            try:
                self._blocks = CsvBlocks(self._stream, name=path.name, chunk_rows=chunk_rows)
            except UnreadableFileError:
                self._stream.close()
                raise
            self.schema = pl.Schema(dict.fromkeys(self._blocks.shape.columns, pl.String()))
        self.columns = tuple(self.schema)

    def __enter__(self) -> Self:
        """Give the source itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, once nobody reads it any more; twice is harmless."""
        if self._ahead is not None:
            self._ahead.close()
        if self._stream is not None:
            self._stream.close()
        if self._parquet is not None:
            self._parquet.close()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the chunks in the order of the file; the file is closed after the last.

        Raises
        ------
        UnreadableFileError
            If the file is damaged; says from which row or line on.
        """
        self._ahead = read_ahead(self._chunks())
        with self, closing(self._ahead):
            for chunk in self._ahead:
                self.first_place = self.n_rows + 1
                self.n_rows += chunk.height
                yield chunk

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content, known after the last chunk.

        Of the decompressed bytes for CSV, so that ``x.csv`` and ``x.csv.gz`` are the same
        content; of the file for Parquet.
        """
        if self._fingerprint is None:
            raise RuntimeError(f"The fingerprint of {self.path.name} is known after its last row.")
        return self._fingerprint

    def _chunks(self) -> Iterator[pl.DataFrame]:
        if self._parquet is not None:
            yield from self._parquet.chunks(self._chunk_rows)
            self._fingerprint = self._parquet.fingerprint()
        elif self._stream is not None:
            yield from self._blocks
            self._fingerprint = self._stream.drain()


def open_rows(
    path: Path, *, chunk_rows: int = 65_536, max_uncompressed_bytes: int | None = None
) -> RowSource:
    """Open a file of rows.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon, tab or bar; UTF-8), gzip CSV or Parquet, by content.
    chunk_rows : int, default 65_536
        Rows of one chunk at most.
    max_uncompressed_bytes : int, optional
        Bytes that the file may unpack to; default 64 GiB.

    Returns
    -------
    RowSource

    Raises
    ------
    UnreadableFileError
        If it is none of these, is empty, or its header cannot be used.
    """
    return RowSource(path, chunk_rows=chunk_rows, max_uncompressed_bytes=max_uncompressed_bytes)


def detect_format(path: Path) -> FileFormat:
    """Tell by its first bytes what a file is; `UnreadableFileError` if it is nothing readable."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}.") from error
    if not head:
        raise UnreadableFileError(f"{path.name} is empty: it has not even a header line.")
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_GZIP):
        return "gzip csv"
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise UnreadableFileError(f"{path.name} is {what}; expected CSV, gzip CSV or Parquet.")
    return "csv"


class _Bytes:
    """Decompressed bytes of a file, counted and digested while they are read."""

    def __init__(self, path: Path, *, compressed: bool, limit: int) -> None:
        self._name, self._limit = path.name, limit
        self._raw: IO[bytes] = path.open("rb")
        self._file: IO[bytes] | gzip.GzipFile = (
            gzip.GzipFile(fileobj=self._raw) if compressed else self._raw
        )
        self._hash = hashlib.sha256()
        self._size = 0

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; fewer only at the end."""
        pieces = []
        while size > 0 and (piece := self._read_some(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def _read_some(self, size: int) -> bytes:
        try:
            piece = self._file.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFileError(
                f"{self._name} is damaged: gzip breaks off after {self._size} unpacked bytes. "
                "Copy or write the file again."
            ) from error
        except OSError as error:
            raise UnreadableFileError(
                f"{self._name} cannot be read after {self._size} bytes: {error.strerror}."
            ) from error
        self._size += len(piece)
        if self._size > self._limit:
            raise UnreadableFileError(
                f"{self._name} unpacks to more than {self._limit} bytes, the most that is allowed."
            )
        self._hash.update(piece)
        return piece

    def drain(self) -> str:
        """Read what is left and give the digest of everything."""
        while self.read(_HASH_BYTES):
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()
