"""Where rows lie in a database: what ``[source]`` and ``[scoring]`` of a model file may say.

Only declared and checked here; `flow.source` reads, `adapters.sources` knows the SQL.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from iris_ct.core.canonical import digest
from iris_ct.core.span import Span, is_rows, span_length

# As SQL writes a name, or quoted; what is quoted may hold anything but quotes and control letters.
_PLAIN = r"[A-Za-z_%][A-Za-z0-9_%$]*"
_QUOTED = r'"[^"\x00-\x1f\x7f]{1,128}"'
_TABLE = re.compile(rf"(?:{_PLAIN}|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))?", re.ASCII)
_PART = re.compile(rf"{_PLAIN}|{_QUOTED}", re.ASCII)
_QUERY = re.compile(r"\s*select\b", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_COLUMN = re.compile(r'[^"\x00-\x1f\x7f]{1,128}')

# The window of digests is held in memory while it is compared.
MAX_OVERLAP_ROWS = 100_000
# Ten minutes; longer than a transaction should last, where overlap does not say it.
_SETTLING_US = 600 * 1_000_000


def _table(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise ValueError(
            "expected the name of a table or view as SQL writes it: name or schema.name, parts "
            'with other letters in double quotes, such as Shop."Order Lines"'
        )
    return name


def _query(text: str) -> str:
    if not _QUERY.match(text) or ";" in text or "--" in text or "/*" in text:
        raise ValueError(
            "expected one SELECT without semicolon and comments; for more, make a view and name "
            "it as table"
        )
    return text.strip()


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name):
        raise ValueError("expected the name of a column, without double quotes")
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            "expected the name of an environment variable that holds an SQLAlchemy URL; the URL "
            "itself does not belong into a model file"
        )
    return name


def _duration(span: str) -> str:
    if is_rows(span):
        raise ValueError(f"'{span}': expected a duration of the clock, such as 30m or 1d")
    return span


def _rows_or_duration(span: str) -> str:
    if is_rows(span) and not 1 <= span_length(span) <= MAX_OVERLAP_ROWS:
        raise ValueError(f"'{span}': expected 1 to {MAX_OVERLAP_ROWS} rows, or a duration")
    return span


TableName = Annotated[str, AfterValidator(_table)]
Query = Annotated[str, AfterValidator(_query)]
ColumnName = Annotated[str, AfterValidator(_column)]
Variable = Annotated[str, AfterValidator(_variable)]
Duration = Annotated[Span, AfterValidator(_duration)]


class SourcePolicy(BaseModel):
    """A table from which new and changed rows are read; without it rows come as files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableName | None = Field(
        None, description="Table or view, as SQL writes its name; either this or query is said."
    )
    query: Query | None = Field(
        None, description="One SELECT that gives the rows, where a view cannot be made."
    )
    id: ColumnName = Field(
        description="Column with a whole number that grows from row to row and stays with its row."
    )
    changed: ColumnName | None = Field(
        None,
        description="Column with the time of a row's last change, or a number that grows over "
        "the whole table with every change (no version counter of each row); default none: only "
        "changes of the newest rows are noticed.",
    )
    overlap: Annotated[Span, AfterValidator(_rows_or_duration)] = Field(
        "1000 rows",
        description="What is read again each time, since rows are not committed in the order of "
        "their ids: the newest rows by number, or those that came within a duration.",
    )
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50_000, description="Rows of one batch at most."
    )
    every: Duration = Field("1m", description="Time of the clock between two looks at the table.")
    sweep: Duration | Literal["never"] = Field(
        "1d",
        description="Time of the clock between two comparisons of all ids, which find rows that "
        "were deleted or came late.",
    )
    url_env: Variable | None = Field(
        None,
        description="Environment variable with the SQLAlchemy URL of the table's database; "
        "default the store's own database.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("expected either table or query")
        return self

    @property
    def label(self) -> str:
        """What people call it: the table, or that it is a query."""
        return self.table or "the query"

    @property
    def place(self) -> str:
        """Digest of where the rows lie; another place is read from its beginning."""
        return digest([self.table, self.query, self.id, self.url_env])

    @property
    def overlap_rows(self) -> int | None:
        """How many of the newest rows are read again; None if a duration says it."""
        return span_length(self.overlap) if is_rows(self.overlap) else None

    @property
    def overlap_us(self) -> int | None:
        """Microseconds for which arrived rows are read again; None if a number says it."""
        return None if is_rows(self.overlap) else span_length(self.overlap)

    @property
    def settling_us(self) -> int:
        """Microseconds after which a change that was made is committed, and can be seen."""
        return self.overlap_us if self.overlap_us is not None else _SETTLING_US

    @property
    def every_us(self) -> int:
        """Microseconds between two looks."""
        return span_length(self.every)

    @property
    def sweep_us(self) -> int | None:
        """Microseconds between two sweeps; None for never."""
        return None if self.sweep == "never" else span_length(self.sweep)


class ScoringPolicy(BaseModel):
    """Tables that may be predicted as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[TableName, ...] = Field(
        (), description="Tables and views that PredictBatch may read; no others."
    )
    url_env: Variable | None = Field(
        None,
        description="Environment variable with the SQLAlchemy URL of their database; default the "
        "store's own database.",
    )


def table_parts(name: str) -> list[tuple[str, bool]]:
    """Split a table's name into its parts, each with whether it was quoted.

    Examples
    --------
    >>> table_parts('Shop."Order Lines"')
    [('Shop', False), ('Order Lines', True)]
    """
    return [(part.strip('"'), part.startswith('"')) for part in _PART.findall(_table(name))]
