"""CSV as blocks of whole records: bytes in, frames of text out, memory bounded by one block.

A block is parsed by polars if a count of its delimiters shows that every line has all its fields;
if not, the slower reader of the standard library finds out which lines do not, and why.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_ct.core.dataset.validation import RAGGED
from iris_ct.core.errors import UnreadableFileError

Letters = NDArray[np.uint8]
Places = NDArray[np.intp]

DELIMITERS = (",", ";", "\t", "|")

# One record longer than this is taken for a quote that was never closed.
MAX_RECORD_BYTES = 16 * 2**20

_SAMPLE_RECORDS = 50
_LEAST_READ = 2**16
_COUNTED_BYTES = 2**18
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_NEWLINE, _RETURN, _QUOTE, _ZERO = 10, 13, b'"', b"\0"


class ReadsBytes(Protocol):
    """A stream of decompressed bytes."""

    def read(self, size: int, /) -> bytes:
        """Give at most so many bytes; none at the end."""
        ...


@dataclass(frozen=True)
class CsvShape:
    """What the beginning of a file says about the rest.

    Attributes
    ----------
    columns : tuple of str
        Names from the header, without surrounding blanks.
    delimiter : str
        One of `DELIMITERS`.
    row_bytes : float
        Mean length of the first records.
    """

    columns: tuple[str, ...]
    delimiter: str
    row_bytes: float


class CsvBlocks:
    """Frames of text from a stream of CSV bytes; used once, by one thread.

    Parameters
    ----------
    stream : object with ``read``
        Gives the decompressed bytes.
    name : str
        Name of the file, for messages.
    chunk_rows : int
        Rows of one frame at most.
    """

    def __init__(self, stream: ReadsBytes, *, name: str, chunk_rows: int) -> None:
        self._stream, self._name, self._chunk_rows = stream, name, chunk_rows
        self._lines_before = 0
        self._rest = self._head()
        self.shape = _shape(self._rest, name)
        wanted = int(self.shape.row_bytes * chunk_rows)
        self._block_bytes = min(max(wanted, 2**16), 4 * MAX_RECORD_BYTES)
        self._skip_header()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the frames, all columns text, empty fields null."""
        while block := self._next_block():
            frame = self._parse(block)
            self._lines_before += _count(block, _NEWLINE)
            for start in range(0, frame.height, self._chunk_rows):
                yield frame.slice(start, self._chunk_rows)

    def _head(self) -> bytes:
        """Read enough to see the header and some records."""
        head = self._stream.read(2**18)
        if not head:
            raise UnreadableFileError(f"{self._name} is empty: it has not even a header line.")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableFileError(f"{self._name} is UTF-16; save it as UTF-8.")
        return head.removeprefix(b"\xef\xbb\xbf")

    def _skip_header(self) -> None:
        """Drop the header, which may hold quoted line ends, and the blank lines before it."""
        end = 0
        while True:
            line_end = _first_record_end(self._rest[end:])
            blank = not self._rest[end : end + line_end].strip()
            end += line_end
            if not blank or not line_end:
                break
        self._lines_before = self._rest[:end].count(b"\n")
        self._rest = self._rest[end:]

    def _next_block(self) -> bytes:
        """Give the next bytes that end with a whole record; none at the end."""
        pending = self._rest
        size = max(self._block_bytes - len(pending), _LEAST_READ)
        while fresh := self._stream.read(size):
            cut = _last_record_end(fresh, open_quotes=pending.count(_QUOTE))
            if cut:
                self._rest = fresh[cut:]
                return b"".join((pending, memoryview(fresh)[:cut]))
            pending += fresh
            if len(pending) > self._block_bytes + MAX_RECORD_BYTES:
                raise self._unclosed(self._lines_before + 1)
            # Doubling: a long record costs a few copies of itself, not a copy for each read.
            size = max(len(pending), size)
        self._rest = b""
        return _with_line_end(pending)

    def _parse(self, block: bytes) -> pl.DataFrame:
        if _ZERO in block:
            line = self._lines_before + block.count(b"\n", 0, block.index(_ZERO)) + 1
            raise UnreadableFileError(
                f"{self._name}, line {line} holds a zero byte: the file is damaged or no text."
            )
        if self._is_regular(block):
            try:
                return self._read(block)
            except pl.exceptions.PolarsError:
                # The standard library says which line it is, or reads it after all.
                return self._diagnose(block)
        return self._diagnose(block)

    def _is_regular(self, block: bytes) -> bool:
        """Tell whether the delimiters are as many as whole lines have.

        Too many fields in one line could hide too few in another; polars refuses the first.
        """
        width = len(self.shape.columns)
        if width == 1:
            # A blank line is no row, but no delimiter tells it from a row of one field.
            return _BLANK_LINE.search(block) is None
        delimiter = ord(self.shape.delimiter)
        if _QUOTE not in block:
            return _count(block, delimiter) == _count(block, _NEWLINE) * (width - 1)
        letters = np.frombuffer(block, dtype=np.uint8)
        quotes = np.flatnonzero(letters == _QUOTE[0])
        if not _quotes_enclose(letters, quotes, delimiter):
            return False
        # A letter is quoted if an odd number of quotes stands before it.
        delimiters = np.flatnonzero(letters == delimiter)
        lines = np.flatnonzero(letters == _NEWLINE)
        fields = np.count_nonzero(np.searchsorted(quotes, delimiters) % 2 == 0)
        return bool(
            fields == np.count_nonzero(np.searchsorted(quotes, lines) % 2 == 0) * (width - 1)
        )

    def _read(self, block: bytes) -> pl.DataFrame:
        return pl.read_csv(
            block,
            has_header=False,
            schema=dict.fromkeys(self.shape.columns, pl.String),
            separator=self.shape.delimiter,
        )

    def _diagnose(self, block: bytes) -> pl.DataFrame:
        """Read line by line; ragged rows are marked, blank lines left out."""
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = self._lines_before + block.count(b"\n", 0, error.start) + 1
            raise UnreadableFileError(
                f"{self._name}, line {line} is not UTF-8; save the file as UTF-8."
            ) from error
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.shape.delimiter)
        width = len(self.shape.columns)
        rows: list[list[str | None]] = []
        ragged: list[int | None] = []
        first = last = 0
        try:
            for fields in reader:
                if not fields:
                    continue
                ragged.append(None if len(fields) == width else len(fields))
                rows.append(_fit(fields, width, self.shape.delimiter))
                first, last = last, reader.line_num
        except csv.Error as error:
            raise UnreadableFileError(
                f"{self._name}, line {self._lines_before + reader.line_num}: {error}."
            ) from error
        # Only the last block can end inside quotes; the reader then takes the rest as one field.
        if block.count(_QUOTE) % 2 and last > first + 1:
            raise self._unclosed(self._lines_before + first + 1)
        data = [
            pl.Series(n, [r[i] for r in rows], dtype=pl.String)
            for i, n in enumerate(self.shape.columns)
        ]
        if any(found is not None for found in ragged):
            data.append(pl.Series(RAGGED, ragged, dtype=pl.Int64))
        return pl.DataFrame(data)

    def _unclosed(self, line: int) -> UnreadableFileError:
        return UnreadableFileError(
            f"{self._name}: a quote that is opened in line {line} or after it is never closed."
        )


def _with_line_end(block: bytes) -> bytes:
    """Give the last block, which may lack its line end; nothing if it is blank."""
    # A tab may part empty fields: a line of tabs is a row.
    if not block.strip(b" \r\n"):
        return b""
    return block if block.endswith(b"\n") else block + b"\n"


def _fit(fields: Sequence[str], width: int, delimiter: str) -> list[str | None]:
    """Give a line the header's width: filled up with nulls, the surplus kept in the last field."""
    fitted: list[str | None] = [field or None for field in fields[:width]]
    if len(fields) > width:
        fitted[-1] = delimiter.join(fields[width - 1 :])
    return fitted + [None] * (width - len(fitted))


def _quotes_enclose(letters: Letters, quotes: Places, delimiter: int) -> bool:
    """Tell whether all quotes stand at the ends of fields, or doubled inside of quoted ones."""
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.isin(letters[opening[opening > 0] - 1], (delimiter, _NEWLINE, _QUOTE[0]))
    after = np.isin(letters[closing + 1], (delimiter, _NEWLINE, _RETURN, _QUOTE[0]))
    return bool(before.all() and after.all())


def _first_record_end(block: bytes) -> int:
    """Find the end of the first record: a line end outside quotes."""
    end = 0
    while True:
        line_end = block.find(b"\n", end)
        if line_end < 0:
            return len(block)
        end = line_end + 1
        if block.count(_QUOTE, 0, end) % 2 == 0:
            return end


def _last_record_end(block: bytes, *, open_quotes: int) -> int:
    """Find the end of the last whole record; 0 if there is none."""
    end = len(block)
    quotes = open_quotes + block.count(_QUOTE)
    while (line_end := block.rfind(b"\n", 0, end)) >= 0:
        quotes -= block.count(_QUOTE, line_end, end)
        if quotes % 2 == 0:
            return line_end + 1
        end = line_end
    return 0


def _count(block: bytes, letter: int) -> int:
    """Count a frequent letter, in pieces that stay in the processor's cache."""
    letters = np.frombuffer(block, dtype=np.uint8)
    pieces = range(0, len(letters), _COUNTED_BYTES)
    return sum(
        int(np.count_nonzero(letters[start : start + _COUNTED_BYTES] == letter))
        for start in pieces
    )


def _shape(head: bytes, name: str) -> CsvShape:
    """Find the delimiter and the column names."""
    cut = head.rfind(b"\n") + 1 or len(head)
    try:
        text = head[:cut].decode("utf-8")
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(
            f"{name}, line {line} is not UTF-8; save the file as UTF-8."
        ) from error
    if "\0" in text:
        raise UnreadableFileError(
            f"{name} is neither CSV nor Parquet: it holds bytes that are no text."
        )
    if "\r" in text and "\n" not in text:
        raise UnreadableFileError(
            f"{name} ends its lines with a carriage return alone; save it with line feeds."
        )
    delimiter = max(DELIMITERS, key=lambda d: _plausibility(text, d))
    records = _records(text, delimiter)
    if not records or not text.strip():
        raise UnreadableFileError(f"{name} is empty: it has not even a header line.")
    columns = _column_names(records[0], name)
    sample = text.splitlines(keepends=True)[: _SAMPLE_RECORDS + 1]
    row_bytes = sum(len(line.encode()) for line in sample) / len(sample)
    return CsvShape(columns, delimiter, row_bytes)


def _plausibility(text: str, delimiter: str) -> tuple[float, int]:
    """Weigh a delimiter: the share of records as wide as the header, then the width."""
    records = _records(text, delimiter)
    if not records or len(records[0]) == 1:
        return (0.0, 1)
    same = sum(len(record) == len(records[0]) for record in records)
    return (same / len(records), len(records[0]))


def _records(text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records: list[list[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > _SAMPLE_RECORDS:
                break
    except csv.Error:
        return records
    return records


def _column_names(header: Sequence[str], name: str) -> tuple[str, ...]:
    columns = tuple(
        column.strip() or f"_unnamed_{place}" for place, column in enumerate(header, start=1)
    )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise UnreadableFileError(
            f"{name} has a header that names columns twice: {', '.join(twice)}. "
            "Give every column a name of its own."
        )
    return columns
