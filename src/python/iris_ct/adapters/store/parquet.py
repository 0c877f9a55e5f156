"""Writing and reading the Parquet files of the store: chunk by chunk, with bounded memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from iris_ct.adapters.store.files import disk, part_of
from iris_ct.core.errors import IntegrityError, SchemaMismatchError

# Rows of one row group: large enough for fast scans, small enough to hold two in memory.
ROW_GROUP_ROWS = 131_072
# Level 1 writes twice as fast as the default 3 and costs 4 percent of size on real tables.
_ZSTD_LEVEL = 1
# A number column with fewer different values than this part of its rows is a dictionary.
_FEW_VALUES = 1 / 16


class ChunkedWriter:
    """One Parquet file in the making, at ``<final>.part``; row groups have a fixed size.

    Encoding runs on a thread of its own, one row group behind the caller, who meanwhile reads
    and checks the next rows.

    Parameters
    ----------
    final : Path
        The name it will have once published.
    dictionary : sequence of str
        Columns to encode as dictionaries: those with few different values.
    split : sequence of str
        Numeric columns to encode as byte streams: those with many different values.
    """

    def __init__(
        self,
        final: Path,
        schema: pa.Schema,
        *,
        dictionary: Sequence[str],
        split: Sequence[str] = (),
    ) -> None:
        self.n_rows = 0
        self._final = final
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="parquet")
        self._encoded: Future[None] | None = None
        with disk(final):
            self._file = _DigestedFile(part_of(final))
            self._writer = pq.ParquetWriter(
                self._file,
                schema,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                use_dictionary=list(dictionary),
                use_byte_stream_split=list(split),
                # Of texts nobody asks for the smallest, and finding it takes a tenth of the time.
                write_statistics=[field.name for field in schema if not _is_text(field.type)],
                store_schema=False,
            )

    def write(self, table: pa.Table) -> None:
        """Append rows; they reach the file in row groups of `ROW_GROUP_ROWS`.

        Raises
        ------
        SchemaMismatchError
            If the columns are not those of the first rows.
        """
        if set(table.column_names) != set(self._schema.names):
            raise SchemaMismatchError(
                f"The rows to store have other columns than the {self.n_rows} before them in "
                "the same file. Give every chunk the same columns."
            )
        if table.schema != self._schema:
            table = table.select(self._schema.names).cast(self._schema)
        self._waiting.append(table)
        self._n_waiting += table.num_rows
        self.n_rows += table.num_rows
        if self._n_waiting >= ROW_GROUP_ROWS:
            self._flush(whole=False)

    def close(self) -> None:
        """Write what is left and the footer."""
        try:
            if self._waiting:
                self._flush(whole=True)
            self._catch_up()
            with disk(self._final):
                self._writer.close()
                self._file.close()
        finally:
            self._encoder.shutdown()

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, known once it is closed."""
        return self._file.digest()

    def abandon(self) -> None:
        """Close and remove the file."""
        self._waiting.clear()
        self._encoder.shutdown(cancel_futures=True)
        # What a full disk says about a file that is thrown away helps nobody.
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
            self._file.close()
        part_of(self._final).unlink(missing_ok=True)

    def _flush(self, *, whole: bool) -> None:
        table = pa.concat_tables(self._waiting)
        n_ready = table.num_rows if whole else table.num_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS
        self._catch_up()
        self._encoded = self._encoder.submit(
            self._writer.write_table, table.slice(0, n_ready), row_group_size=ROW_GROUP_ROWS
        )
        rest = table.slice(n_ready)
        self._waiting = [rest] if rest.num_rows else []
        self._n_waiting = rest.num_rows

    def _catch_up(self) -> None:
        """Wait for the row group before this one, and hear of its failure."""
        if self._encoded is not None:
            with disk(self._final):
                self._encoded.result()
            self._encoded = None


class _DigestedFile(io.RawIOBase):
    """A new file whose bytes are digested as they are written, so that none is read again."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        left = memoryview(content).cast("B")
        n_bytes = len(left)
        self._hash.update(left)
        while left:
            left = left[self._file.write(left) :]
        return n_bytes

    def close(self) -> None:
        self._file.close()
        super().close()

    def digest(self) -> str:
        return self._hash.hexdigest()


def number_encodings(frame: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Part a frame's float columns by its rows: those for dictionaries, those for byte streams.

    Numbers of few different values become smaller and faster to read as a dictionary; others are
    written in two thirds of the time with the first bytes of all values together, then the second
    bytes and so on.
    """
    numbers = [name for name in frame.columns if frame.schema[name].is_float()]
    few = {name for name in numbers if frame[name].n_unique() <= frame.height * _FEW_VALUES}
    return [n for n in numbers if n in few], [n for n in numbers if n not in few]


def read_chunks(path: Path, *, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Read a file chunk by chunk.

    Raises
    ------
    IntegrityError
        If it is no whole Parquet file any more.
    """
    with opened(path) as file:
        try:
            for chunk in file.iter_batches(batch_size=chunk_rows):
                frame: Any = pl.from_arrow(chunk)
                yield frame
        except pa.ArrowException as error:
            raise damaged(path) from error


def read_columns(path: Path, columns: Sequence[str], *, rows: Any | None = None) -> pl.DataFrame:
    """Read columns, only the rows that the bool array picks; memory follows what is picked."""
    names = list(dict.fromkeys(columns))
    parts, start = [], 0
    with opened(path) as file:
        try:
            for number in range(file.num_row_groups):
                n_rows = file.metadata.row_group(number).num_rows
                wanted = None if rows is None else rows[start : start + n_rows]
                start += n_rows
                if wanted is not None and not wanted.any():
                    continue
                group = file.read_row_group(number, columns=names)
                parts.append(group if wanted is None else group.filter(pa.array(wanted)))
        except pa.ArrowException as error:
            raise damaged(path) from error
        table = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
    # The reader takes a.b for a part of a column a, so it may have given too many.
    return pl.DataFrame(table.select(names))


def read_places(path: Path, places: Any) -> pl.DataFrame:
    """Read all columns of the rows at ascending places (int64 array); memory follows them."""
    with opened(path) as file:
        names, n_rows = file.schema_arrow.names, file.metadata.num_rows
    wanted = np.zeros(n_rows, dtype=bool)
    wanted[places] = True
    return read_columns(path, names, rows=wanted)


def opened(path: Path) -> Any:
    """Open a Parquet file; `IntegrityError` if it is none."""
    try:
        with disk(path):
            return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise damaged(path) from error


def damaged(path: Path) -> IntegrityError:
    """Make the error that says a stored file cannot be read."""
    return IntegrityError(
        f"The stored file {path} is damaged: it is no readable Parquet file. "
        "Restore it from a backup."
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))
