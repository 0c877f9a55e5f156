"""Tables of any SQL database that SQLAlchemy reaches, read in pages by their ids.

Foreign errors end here. While a table is looked at no row is read, so the database's own words may
be told; later they might hold a value, and only their kind is told.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import polars as pl
import sqlalchemy as sa
from sqlalchemy import exc

from iris_ct.adapters.sources.table_pages import PageText, query_text, table_text
from iris_ct.adapters.sources.table_values import row_digest, row_id, text_of
from iris_ct.core.errors import (
    ConfigError,
    CTError,
    SourceError,
    SourceUnavailableError,
    TransientError,
)
from iris_ct.core.mark import mark_of, mark_value
from iris_ct.core.source import SourcePolicy
from iris_ct.core.specification import Specification
from iris_ct.ports import SourcePage

Connect = Callable[[str], sa.Engine]

_CHUNK_ROWS = 10_000
# Seconds for which another program may hold its SQLite file.
_BUSY_S = 30
_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_FULL")


class SqlTables:
    """`ports.Tables` by SQLAlchemy; used by any number of threads.

    Parameters
    ----------
    connect : callable
        Makes or gives the engine of a URL; the empty URL is the store's own database.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._engines: dict[str, sa.Engine] = {}

    @contextmanager
    def open(self, specification: Specification) -> Iterator[OpenTable]:
        """Open the table of ``[source]``."""
        source = specification.source
        if source is None:
            raise ConfigError(
                f"models/{specification.name}.toml has no table [source]; see docs/models.md."
            )
        with self._connection(source.url_env, source.label) as connection:
            yield OpenTable(connection, specification, source)

    def rows(self, specification: Specification, table: str) -> TableRows:
        """Open a table of ``[scoring]`` as a file is opened."""
        scoring = specification.scoring
        allowed = scoring.tables if scoring else ()
        if scoring is None or table not in allowed:
            raise ConfigError(
                f"models/{specification.name}.toml lets no batch of '{table}' be predicted: "
                f"[scoring] tables has {', '.join(allowed) or 'none'}. Add it there."
            )
        url = _url(scoring.url_env)
        return TableRows(self._engine(url, table), table, specification.input_columns)

    def close(self) -> None:
        """Give back the connections to other databases."""
        for url, engine in self._engines.items():
            if url:
                engine.dispose()

    @contextmanager
    def _connection(self, variable: str | None, label: str) -> Iterator[sa.Connection]:
        engine = self._engine(_url(variable), label)
        with told(label, looking=True):
            connection = engine.connect()
        with connection:
            yield connection

    def _engine(self, url: str, label: str) -> sa.Engine:
        if url not in self._engines:
            with told(label, looking=True):
                self._engines[url] = self._connect(url)
        return self._engines[url]


class OpenTable:
    """`ports.SourceTable` on one connection; used by one thread."""

    def __init__(
        self, connection: sa.Connection, specification: Specification, source: SourcePolicy
    ) -> None:
        self._connection, self._label = connection, source.label
        dialect = connection.dialect
        rows = (
            query_text(source.query) if source.query else table_text(dialect, source.table or "")
        )
        self._text = PageText(dialect, rows)
        wanted = (*specification.input_columns, specification.target)
        found = _columns(connection, self._text, source.label)
        self._columns = {name: column for name in wanted if (column := _named(found, name))}
        self._id = (
            source.id
            if self._text.is_hidden(source.id)
            else _required(found, source.id, source, "id")
        )
        self._changed = (
            _required(found, source.changed, source, "changed") if source.changed else None
        )
        missing = [name for name in specification.input_columns if name not in self._columns]
        if missing:
            raise SourceError(
                f"{source.label} lacks {len(missing)} of {len(specification.input_columns)} "
                f'columns of model "{specification.name}": {", ".join(missing)}. Expected the '
                f"columns of models/{specification.name}.toml; add them in a view, or declare the "
                "columns it has."
            )

    def page(
        self,
        *,
        after: int | None,
        until: int | None = None,
        changed_after: str | None = None,
        limit: int,
    ) -> SourcePage:
        """Read the first rows with ``after < id <= until``, changed after a mark if one is given."""
        own = list(self._columns.values())
        extra = [self._id, *([self._changed] if self._changed else [])]
        text = self._text.page(
            [*extra, *own],
            id_column=self._id,
            limit=limit,
            after=after is not None,
            until=until is not None,
            changed=self._changed if changed_after is not None else None,
        )
        values: dict[str, Any] = {
            **({"after": after} if after is not None else {}),
            **({"until": until} if until is not None else {}),
            **({"changed": mark_value(changed_after)} if changed_after is not None else {}),
        }
        return self._made(self._rows(text, values), len(extra))

    def ids(self, *, after: int | None, until: int, limit: int) -> list[int]:
        """Read the first ids with ``after < id <= until``."""
        text = self._text.page(
            [self._id], id_column=self._id, limit=limit, after=after is not None, until=True
        )
        values = {"until": until, **({"after": after} if after is not None else {})}
        return self._ids([row[0] for row in self._rows(text, values)])

    def newest_mark(self) -> str | None:
        """Give the largest value of ``changed``; None if there is none."""
        if self._changed is None:
            return None
        rows = self._rows(self._text.newest(self._changed), {})
        return mark_of(rows[0][0], column=self._changed)

    def _rows(self, text: sa.TextClause, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with told(self._label):
            return [tuple(row) for row in self._connection.execute(text, values)]

    def _made(self, rows: Sequence[tuple[Any, ...]], n_extra: int) -> SourcePage:
        names = list(self._columns)
        texts = [
            tuple(
                text_of(value, column=name)
                for name, value in zip(names, row[n_extra:], strict=True)
            )
            for row in rows
        ]
        frame = pl.DataFrame(
            texts, schema={name: pl.String() for name in names}, orient="row", strict=True
        )
        marks: list[str | None] = (
            [mark_of(row[1], column=self._changed) for row in rows]
            if self._changed
            else [None] * len(rows)
        )
        ids = self._ids([row[0] for row in rows])
        return SourcePage(ids, [row_digest(text) for text in texts], marks, frame)

    def _ids(self, values: Sequence[Any]) -> list[int]:
        ids = [row_id(value, column=self._id) for value in values]
        if any(b <= a for a, b in pairwise(ids)):
            raise SourceError(
                f"Column {self._id} of {self._label} does not name each row once, in the order of "
                "numbers. Name a column with a different whole number for each row as id."
            )
        return ids


class TableRows:
    """`ports.RowSource` of a whole table; read once, in whatever order the database gives.

    Attributes
    ----------
    schema : polars.Schema
        The model's input columns that the table has, all text.
    """

    def __init__(self, engine: sa.Engine, table: str, wanted: Sequence[str]) -> None:
        self._label = table
        self.first_place = 1
        self._hash = hashlib.sha256()
        self._read = False
        with told(table, looking=True):
            self._connection = engine.connect()
        try:
            self._text = PageText(engine.dialect, table_text(engine.dialect, table))
            found = _columns(self._connection, self._text, table)
        except CTError:
            self._connection.close()
            raise
        self._columns = {name: column for name in wanted if (column := _named(found, name))}
        self.schema = pl.Schema(dict.fromkeys(self._columns, pl.String()))

    def __enter__(self) -> Self:
        """Give the source itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the connection back."""
        self._connection.close()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the rows' digests; known after the last chunk."""
        if not self._read:
            raise RuntimeError(f"The fingerprint of {self._label} is known after its last row.")
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the rows in chunks."""
        names, n_rows = list(self._columns), 0
        with told(self._label):
            result = self._connection.execution_options(stream_results=True).execute(
                self._text.all(list(self._columns.values()))
            )
        while True:
            with told(self._label):
                rows = result.fetchmany(_CHUNK_ROWS)
            if not rows:
                break
            texts = [
                tuple(text_of(v, column=name) for name, v in zip(names, row, strict=True))
                for row in rows
            ]
            for text in texts:
                self._hash.update(row_digest(text).encode())
            self.first_place = n_rows + 1
            n_rows += len(texts)
            yield pl.DataFrame(texts, schema=self.schema, orient="row", strict=True)
        self._read = True


def sqlite_reader(url: str) -> sa.Engine | None:
    """Open another program's SQLite file without the right to change it; None for other URLs.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    address = sa.make_url(url)
    if address.get_backend_name() != "sqlite":
        return None
    path = Path(address.database or "")
    if not path.is_file():
        raise SourceError(f"There is no SQLite file {path}. Mend the address that url_env names.")
    return sa.create_engine(
        f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true",
        hide_parameters=True,
        connect_args={"timeout": _BUSY_S},
    )


@contextmanager
def told(label: str, *, looking: bool = False) -> Iterator[None]:
    """Raise the product's errors instead of the database's.

    Parameters
    ----------
    looking : bool
        No row is read here, so the database's own words hold no value of one.
    """
    try:
        yield
    except (ConfigError, SourceUnavailableError):
        raise
    except CTError as error:
        # The store's own border has spoken.
        kind = SourceUnavailableError if isinstance(error, TransientError) else SourceError
        raise kind(f"{label} cannot be reached. {error}") from error
    except (exc.DBAPIError, exc.TimeoutError) as error:
        why = _reason(error, looking=looking)
        if _is_away(error):
            raise SourceUnavailableError(
                f"{label} cannot be reached: the database does not answer ({why}). It is tried "
                "again; see whether it runs, and whether the address is right."
            ) from error
        raise SourceError(
            f"{label} cannot be read ({why}). See whether it exists under this name, and whether "
            "the product's user may read it."
        ) from error
    except (exc.SQLAlchemyError, ImportError) as error:
        raise SourceError(
            f"{label} cannot be read ({type(error).__name__}). See the address in the environment "
            "variable that url_env names, and whether its driver is installed."
        ) from error


def _is_away(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    """Tell whether the database did not answer; SQLite calls a missing table operational too."""
    original = getattr(error, "orig", None)
    if isinstance(error, exc.TimeoutError) or error.connection_invalidated:
        return True
    state = getattr(original, "sqlstate", None)
    if state is not None:
        # PostgreSQL: connection, resources, intervention of an operator, system.
        return state[:2] in {"08", "53", "57", "58"}
    if isinstance(original, sqlite3.Error):
        name: str = getattr(original, "sqlite_errorname", None) or ""
        return name.startswith(_AWAY)
    return isinstance(error, exc.OperationalError | exc.InterfaceError)


def _reason(error: exc.DBAPIError | exc.TimeoutError, *, looking: bool) -> str:
    original = getattr(error, "orig", None) or error
    states = ("sqlite_errorname", "sqlstate", "sqlcode")
    state = next(filter(None, (getattr(original, name, None) for name in states)), "")
    kind = f"{type(original).__name__} {state}".rstrip()
    lines = str(original).strip().splitlines()
    return f"{kind}: {lines[0][:200]}" if looking and lines else kind


def _url(variable: str | None) -> str:
    if variable is None:
        return ""
    url = os.environ.get(variable, "")
    if not url:
        raise SourceError(
            f"The environment variable {variable}, which url_env names, is empty. Set it to the "
            "SQLAlchemy URL of the table's database, for this program too."
        )
    return url


def _columns(connection: sa.Connection, text: PageText, label: str) -> list[str]:
    with told(label, looking=True):
        return list(connection.execute(text.look()).keys())


def _named(found: Sequence[str], name: str) -> str | None:
    """Give the database's own name of a column: the same, or the same but for its case."""
    if name in found:
        return name
    alike = [column for column in found if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def _required(found: Sequence[str], name: str, source: SourcePolicy, key: str) -> str:
    column = _named(found, name)
    if column is None:
        raise SourceError(
            f"{source.label} has no column {name}, which source.{key} names. It has: "
            f"{', '.join(found)}."
        )
    return column
