"""Files of people: model files, the inbox, rows in and predictions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl


class ModelFiles(Protocol):
    """The folder of model files."""

    def names(self) -> list[str]:
        """Name the models that have a file, sorted."""
        ...

    def read(self, model: str) -> Specification | None:
        """Read and check one file; None if there is none, `SpecificationError` if it is wrong."""
        ...


class RowSource(Protocol):
    """The rows of one file, read once from its beginning."""

    @property
    def schema(self) -> pl.Schema:
        """Types of the columns; all text for CSV."""
        ...

    @property
    def first_place(self) -> int:
        """Number of the newest chunk's first row in the file, from 1."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content; known after the last chunk."""
        ...

    def __enter__(self) -> RowSource:
        """Open it."""
        ...

    def __exit__(self, *exc: Any) -> None:
        """Close it."""
        ...

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the chunks in the order of the file."""
        ...


class ClaimedFile(Protocol):
    """A file on its way; its path, relative to the home, is unique among all arrivals."""

    @property
    def model(self) -> str:
        """Whose it is."""
        ...

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def source(self) -> str:
        """Name under which it arrived."""
        ...

    @property
    def kind(self) -> str:
        """What it holds: rows, labels or release."""
        ...


class Inbox(Protocol):
    """Files on their way: claimed or handed over, read, then archived or set aside."""

    def claim_ready(self, *, settle_s: float) -> Iterator[ClaimedFile]:
        """Claim the complete files in the order of their names, each when the last was taken on.

        At the end `ConfigError` if some could not be claimed.
        """
        ...

    def take_in(self, model: str, path: Path) -> ClaimedFile:
        """Copy a person's file durably to where claimed files are; the original stays."""
        ...

    def open(self, model: str, path: str) -> RowSource:
        """Open a claimed file (relative path); `UnreadableFileError` if it is no table."""
        ...

    def exists(self, model: str, path: str) -> bool:
        """Tell whether the file is still where it was claimed to.

        `UnreadableFileError` here and below if it is none of the model's claimed files.
        """
        ...

    def archive(self, model: str, path: str) -> None:
        """Move a stored file to the archive; once."""
        ...

    def set_aside(self, model: str, path: str, *, report: Mapping[str, Any], text: str) -> None:
        """Move a refused file into quarantine, with the report beside it; once."""
        ...


class PredictionWriter(Protocol):
    """A file of predictions that appears only when it is finished."""

    def __enter__(self) -> PredictionWriter:
        """Start writing beside the destination."""
        ...

    def __exit__(self, *exc: Any) -> None:
        """Throw away what was not finished."""
        ...

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        ...

    def finish(self) -> None:
        """Let the file appear."""
        ...
