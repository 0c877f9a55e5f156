"""The SQL by which tables are read: pages in the order of a key, in each database's words.

The only place of the product where a statement limits its rows. It is text and not SQLAlchemy's
``limit``, since the dialect for InterSystems IRIS drops the order beside it; on IRIS the limit is
``TOP``, which every version knows. Names come from the database itself or are checked, quoted,
and never a value: values are parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from iris_ct.core.errors import SourceError
from iris_ct.core.source import table_parts

# Row ids that a table has without being asked, and that it does not list among its columns.
_HIDDEN = {"iris": frozenset({"%id", "id"}), "sqlite": frozenset({"rowid", "oid", "_rowid_"})}
_LIMIT, _TOP = frozenset({"sqlite", "postgresql", "mysql", "mariadb"}), frozenset({"iris"})


@dataclass(frozen=True)
class PageText:
    """Puts statements together for one table of one database.

    Parameters
    ----------
    dialect : Dialect
        SQLAlchemy's, for its name and its quotes.
    rows : str
        What stands behind ``FROM``; see `table_text` and `query_text`.

    Raises
    ------
    SourceError
        If the dialect's way to limit rows is not known here.
    """

    dialect: sa.Dialect
    rows: str

    def __post_init__(self) -> None:
        """Refuse databases whose words are not known."""
        if self.dialect.name not in _LIMIT | _TOP:
            raise SourceError(
                f"Tables of {self.dialect.name} cannot be read in pages: expected one of "
                f"{', '.join(sorted(_LIMIT | _TOP))}. Bring the rows as files instead."
            )

    def look(self) -> sa.TextClause:
        """Ask for the columns, and for no row."""
        return _said("SELECT * FROM", self.rows, "WHERE 1 = 0")

    def page(
        self,
        columns: Sequence[str],
        *,
        id_column: str,
        limit: int,
        after: bool = False,
        until: bool = False,
        changed: str | None = None,
    ) -> sa.TextClause:
        """Ask for the first rows of a range of ids.

        Parameters
        ----------
        columns : sequence of str
            As the database names them.
        id_column : str
            Orders the rows.
        limit : int
            Rows at most.
        after, until : bool
            Whether ``:after`` and ``:until`` bound the ids, exclusively and inclusively.
        changed : str, optional
            Column that must be beyond ``:changed``.
        """
        key = self.name(id_column)
        bounds = [
            *([f"{key} > :after"] if after else []),
            *([f"{key} <= :until"] if until else []),
            *([f"{self.name(changed)} > :changed"] if changed is not None else []),
        ]
        where = ("WHERE", " AND ".join(bounds)) if bounds else ()
        names = ", ".join(self.name(column) for column in columns)
        top = self.dialect.name in _TOP
        return _said(
            *("SELECT", f"TOP {limit:d}" if top else "", names, "FROM", self.rows),
            *(*where, "ORDER BY", key, "" if top else f"LIMIT {limit:d}"),
        )

    def newest(self, column: str) -> sa.TextClause:
        """Ask for the largest value of a column."""
        return _said(f"SELECT MAX({self.name(column)})", "FROM", self.rows)

    def all(self, columns: Sequence[str]) -> sa.TextClause:
        """Ask for all rows, in no order."""
        names = ", ".join(self.name(column) for column in columns)
        return _said("SELECT", names, "FROM", self.rows)

    def is_hidden(self, column: str) -> bool:
        """Tell whether that may be the row id which a table has without listing it."""
        return column.casefold() in _HIDDEN.get(self.dialect.name, ())

    def name(self, column: str) -> str:
        """Quote the name of a column; what could end the quotes is refused."""
        if self.is_hidden(column):
            return column
        if '"' in column or "`" in column or "\x00" in column:
            raise SourceError(
                "A column has a quote in its name and cannot be read. Name it otherwise in a view."
            )
        return _quoted(self.dialect, column)


def table_text(dialect: sa.Dialect, name: str) -> str:
    """Write a table's name: plain parts as they are, so that the database folds their case."""
    parts = table_parts(name)
    return ".".join(_quoted(dialect, part) if quoted else part for part, quoted in parts)


def query_text(query: str) -> str:
    """Write a query as a table."""
    return f"({_literal(query)}) source_rows"


def _quoted(dialect: sa.Dialect, name: str) -> str:
    preparer = dialect.identifier_preparer
    # Not `quote_identifier`: it doubles percent signs, which `sa.text` does as well.
    return _literal(f"{preparer.initial_quote}{name}{preparer.final_quote}")


def _literal(words: str) -> str:
    """Keep `sa.text` from taking a colon for the beginning of a parameter."""
    return words.replace(":", "\\:")


def _said(*words: str) -> sa.TextClause:
    return sa.text(" ".join(word for word in words if word))
