"""Parting a chunk: which of its rows are good, which are bad, and for what reasons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from iris_ct.core.dataset.columns import as_text, can_be_category
from iris_ct.core.dataset.issues import RAGGED_ROW, Code, reason
from iris_ct.core.dataset.schema import COLUMNS_OF_THE_PRODUCT

PLACE = "_place"
"""Number of a row in its file, from 1, the header not counted; int64."""

REASONS = "_reasons"
"""Why a row is bad: ``code:column``, list of str."""

RAGGED = "_ragged"
"""Fields that a ragged line holds; null for a whole one. Readers add it only where there are."""


@dataclass(frozen=True)
class ValidatedChunk:
    """One chunk, parted.

    Attributes
    ----------
    good : DataFrame
        ``_place``, ``_position`` (with an event time), ``_key`` (with key columns), the group
        column, the features in their declared order, the target (null without a label); typed
        as stored.
    bad : DataFrame
        ``_place``, ``_reasons``, and the columns of the file as text.
    """

    good: pl.DataFrame
    bad: pl.DataFrame


@dataclass
class Parts:
    """What has been read of one chunk so far; made and used by one validator.

    Attributes
    ----------
    columns : dict
        Columns of the good rows by name, over all rows of the chunk.
    problems : dict
        Rows (boolean series) by reason code and column.
    """

    frame: pl.DataFrame
    first_place: int
    columns: dict[str, pl.Series] = field(default_factory=dict)
    problems: dict[tuple[Code, str], pl.Series] = field(default_factory=dict)

    def mark(self, code: Code, column: str, rows: pl.Series) -> None:
        """Mark rows as bad; a mask without rows is forgotten, the same reason counts once."""
        if rows.any():
            self.problems[code, column] = rows | self.problems.get((code, column), rows)

    @property
    def found(self) -> dict[tuple[Code, str], pl.Series]:
        """The problems that any row has."""
        return {at: rows for at, rows in self.problems.items() if rows.any()}

    @property
    def bad_rows(self) -> pl.Series:
        """Rows with at least one problem."""
        if not self.problems:
            return pl.repeat(False, self.frame.height, dtype=pl.Boolean, eager=True)
        return pl.select(pl.any_horizontal(list(self.problems.values()))).to_series()

    @property
    def places(self) -> pl.Series:
        """Numbers of the rows in their file."""
        end = self.first_place + self.frame.height
        return pl.int_range(self.first_place, end, dtype=pl.Int64, eager=True).alias(PLACE)

    def good(self) -> pl.DataFrame:
        """Give the rows without a problem, typed."""
        columns = [values.alias(name) for name, values in self.columns.items()]
        typed = pl.DataFrame([self.places, *columns])
        return typed.filter(~self.bad_rows) if self.problems else typed

    def bad(self, *, keep: Collection[str], every_row: bool = False) -> pl.DataFrame:
        """Give the rows with a problem, or every row, as the file said them.

        Columns of the product itself are left out, unless they are to be kept; nested columns
        have no text and are left out as well.
        """
        own = set(COLUMNS_OF_THE_PRODUCT) - set(keep)
        originals = [
            column
            for column in self.frame.get_columns()
            if column.name not in own and can_be_category(column.dtype)
        ]
        if not (every_row or self.problems):
            texts = dict.fromkeys((column.name for column in originals), pl.String())
            return pl.DataFrame(schema={PLACE: pl.Int64(), REASONS: pl.List(pl.String), **texts})
        wanted = [self.places, *originals]
        if every_row:
            reasons = self._reasons(pl.repeat(True, self.frame.height, eager=True))
        else:
            rows = self.bad_rows
            wanted, reasons = [column.filter(rows) for column in wanted], self._reasons(rows)
        return pl.DataFrame([wanted[0], reasons, *(as_text(column) for column in wanted[1:])])

    def _reasons(self, rows: pl.Series) -> pl.Series:
        """Give each of these rows the list of its reasons."""
        if not self.problems:
            none: list[list[str]] = [[]]
            empty = pl.Series(REASONS, none, dtype=pl.List(pl.String))
            return empty.new_from_index(0, int(rows.sum()))
        marked = [
            pl.when(mask.filter(rows)).then(pl.lit(reason(code, column)))
            for (code, column), mask in self.problems.items()
        ]
        return pl.select(pl.concat_list(marked).list.drop_nulls()).to_series().alias(REASONS)


def ragged_rows(frame: pl.DataFrame) -> pl.Series | None:
    """Find rows that a reader marked as ragged, or that were held back as such before.

    Rows released from quarantine carry their old reasons; what stood in a ragged line was in the
    wrong columns, and still is.
    """
    if RAGGED in frame.columns:
        return frame[RAGGED].is_not_null()
    if frame.schema.get(REASONS) == pl.List(pl.String):
        held = frame[REASONS].list.contains(RAGGED_ROW).fill_null(value=False)
        return held if held.any() else None
    return None
