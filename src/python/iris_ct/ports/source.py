"""Rows that lie in a database: the tables themselves, and how far they have been read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from iris_ct.core.specification import Specification
from iris_ct.ports.files import RowSource

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class SourcePage:
    """Some rows of a table, in the order of their ids.

    Attributes
    ----------
    ids : list of int
        Strictly ascending.
    digests : list of str
        Of what each row says in the model's columns.
    marks : list of str or None
        What the column ``changed`` says, as `ports.Marks` orders it; None for NULL.
    frame : DataFrame
        The model's columns as text.
    """

    ids: Sequence[int]
    digests: Sequence[str]
    marks: Sequence[str | None]
    frame: pl.DataFrame


class SourceTable(Protocol):
    """One declared table, open for reading."""

    def page(
        self,
        *,
        after: int | None,
        until: int | None = None,
        changed_after: str | None = None,
        limit: int,
    ) -> SourcePage:
        """Read the first rows with ``after < id <= until``, changed after a mark if one is given.

        Raises
        ------
        SourceError
            If an id is no whole number, or a value has no text.
        SourceUnavailableError
            If the database does not answer.
        """
        ...

    def ids(self, *, after: int | None, until: int, limit: int) -> list[int]:
        """Read the first ids with ``after < id <= until``."""
        ...

    def newest_mark(self) -> str | None:
        """Give the largest value of ``changed``; None if there is none."""
        ...


class Tables(Protocol):
    """The databases that model files name."""

    def open(self, specification: Specification) -> AbstractContextManager[SourceTable]:
        """Open the table of ``[source]``.

        Raises
        ------
        SourceError
            If there is no such table, it cannot be read, or it lacks columns.
        SourceUnavailableError
            If the database does not answer.
        """
        ...

    def rows(self, specification: Specification, table: str) -> RowSource:
        """Open a table of ``[scoring]`` as a file is opened: once, from its beginning."""
        ...


@dataclass(frozen=True)
class SourceState:
    """How far one model's table has been read.

    Attributes
    ----------
    place : str
        Digest of where the rows lie.
    turn : int
        Number of the reading.
    newest_id : int or None
        Largest id read; None before the first row.
    window_from : int or None
        Rows with larger ids are read again each time; None: all.
    settled_mark : str or None
        No change up to this mark can still come; kept with its column, see `core.mark.kept`.
    settling_mark, settling_at : str or None, datetime or None
        Newest mark that was seen then; it is settled once the overlap has passed. Kept alike.
    swept_to : int or None
        How far the sweep under way has come; None if there is none.
    swept_at, looked_at, read_at : datetime or None
        Ends of the newest sweep, look and successful look.
    failure : str or None
        Why the newest look failed.
    pending : tuple of str
        Files of batches, relative to the home, that may not have been ingested yet.
    """

    model: str
    place: str
    turn: int = 0
    newest_id: int | None = None
    window_from: int | None = None
    settled_mark: str | None = None
    settling_mark: str | None = None
    settling_at: datetime | None = None
    swept_to: int | None = None
    swept_at: datetime | None = None
    looked_at: datetime | None = None
    read_at: datetime | None = None
    n_new: int = 0
    n_changed: int = 0
    n_deleted: int = 0
    n_batches: int = 0
    n_failures: int = 0
    failure: str | None = None
    pending: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeenRow:
    """What a row said when it was read last."""

    digest: str
    read_at: datetime


@dataclass(frozen=True)
class Reading:
    """What one reading changes.

    Attributes
    ----------
    before, after : SourceState
        ``after`` gets the next turn.
    seen : mapping
        Rows by id whose digest is to be kept.
    added : sequence of int
        Ids read for the first time.
    gone : sequence of int
        Ids that are not in the table any more.
    forget_until : datetime or None
        Rows below the window of ``before`` that were read until then need no digest any more.
    restarted : bool
        Everything known of ids and digests is of another place and goes first.
    """

    before: SourceState
    after: SourceState
    seen: Mapping[int, SeenRow]
    added: Sequence[int]
    gone: Collection[int]
    forget_until: datetime | None
    restarted: bool = False


class SourceStore(Protocol):
    """How far the tables have been read; one record per model."""

    def state(self, model: str) -> SourceState | None:
        """Give a model's state; None before its first look."""
        ...

    def seen(
        self, model: str, *, after: int | None = None, until: int | None = None
    ) -> dict[int, SeenRow]:
        """Give the kept digests of ``after < id <= until``, in the order of ids."""
        ...

    def seen_of(self, model: str, ids: Sequence[int]) -> dict[int, SeenRow]:
        """Give the kept digests of these ids."""
        ...

    def known(self, model: str, ids: Collection[int]) -> set[int]:
        """Tell which of the ids were read before and were not gone since."""
        ...

    def segments(self, model: str, *, after: int | None, most: int) -> list[tuple[int, list[int]]]:
        """Give the next pieces of all known ids: where each begins, and its ids ascending.

        ``after`` is the beginning of the piece before; None for the first.
        """
        ...

    def advance(self, reading: Reading) -> SourceState:
        """Record a reading; `ConflictError` if another one came first."""
        ...

    def fail(self, model: str, place: str, failure: str, *, at: datetime) -> SourceState:
        """Note why a look failed; give the state before.

        A place that was never read gives way to this one; one that was read is kept.
        """
        ...


class SourceFiles(Protocol):
    """Batches that were read from tables, as files on their way."""

    def alone(self, model: str) -> AbstractContextManager[None]:
        """Wait until no other reader of this home works on the model."""
        ...

    def write(self, path: str, frame: pl.DataFrame) -> Path:
        """Write the batch of a path durably, under a name that nobody takes for a batch.

        Its content is like that of no other batch, whatever the rows say.
        """
        ...

    def name(self, model: str, label: str, at: datetime) -> str:
        """Make the path of a batch, relative to the home; no other batch has it."""
        ...

    def read_at(self, path: str) -> datetime:
        """Tell when a batch was read, by its path."""
        ...

    def place(self, written: Path, path: str) -> None:
        """Give a written file its path, durably."""
        ...

    def discard(self, written: Path) -> None:
        """Remove a written file that was not placed."""
        ...

    def waiting(self, paths: Sequence[str]) -> list[str]:
        """Tell which files are still there."""
        ...

    def sweep(self, model: str, keep: Collection[str]) -> None:
        """Remove files of a model that no state names; the caller holds the model's lock."""
        ...
