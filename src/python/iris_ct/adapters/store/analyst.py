"""DuckDB over the store's Parquet files: bounded memory, spilling under the home, no row kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.sql_text import Sql, sql
from iris_ct.core.dataset.batch import KEY
from iris_ct.core.errors import IntegrityError, StoreError, StoreUnavailableError

if TYPE_CHECKING:
    import duckdb
    import polars as pl


class Analyst:
    """Opens DuckDB sessions; owned by one `SqlStore`, used by any number of threads.

    Parameters
    ----------
    memory_limit : str
        What one session may hold in memory before it spills to disk, for example ``"1GB"``.
    threads : int
        Threads of one session.
    """

    def __init__(self, files: FactFiles, *, memory_limit: str, threads: int) -> None:
        self._files = files
        self._memory_limit = memory_limit
        self._threads = threads

    @contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a session of its own, so that its memory is given back at the end.

        Raises
        ------
        IntegrityError
            If a stored file cannot be read.
        StoreUnavailableError
            If the disk is full or refuses.
        """
        # DuckDB loads in a fifth of a second, which commands that only look need not wait for.
        import duckdb

        with self._files.scratch() as scratch, _translated(duckdb):
            connection = duckdb.connect(
                config={
                    "memory_limit": self._memory_limit,
                    "threads": self._threads,
                    "temp_directory": str(scratch),
                    "preserve_insertion_order": True,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                }
            )
            try:
                run(connection, Sql("SET TimeZone = 'UTC'"))
                run(connection, Sql("SET enable_progress_bar = false"))
                yield connection
            finally:
                connection.close()

    def known(self, paths: Sequence[Path], keys: pl.Series) -> pl.Series:
        """Tell for each key whether one of the files has it; reads their keys only."""
        import polars as pl

        asked = keys.cast(pl.String)
        if not paths or keys.is_empty():
            return pl.Series(keys.name, [False] * len(keys), dtype=pl.Boolean)
        with self.session() as session:
            session.register("asked", pl.DataFrame({KEY: asked.unique()}).to_arrow())
            found = run(
                session,
                sql(
                    "SELECT DISTINCT stored.{key} "
                    "FROM read_parquet(?, hive_partitioning = false) AS stored "
                    "SEMI JOIN asked ON stored.{key} = asked.{key}",
                    [str(path) for path in paths],
                    key=KEY,
                ),
            )
        return asked.is_in([key for (key,) in found]).fill_null(value=False)

    def holding(self, paths: Sequence[Path], column: str, values: Iterable[str]) -> list[int]:
        """Find the files that have one of the values in a text column: one query for all files.

        Returns
        -------
        list of int
            Their places in ``paths``, ascending.
        """
        import polars as pl

        if not paths:
            return []
        with self.session() as session:
            asked = pl.DataFrame({column: list(values)}, schema={column: pl.String})
            session.register("asked", asked.to_arrow())
            found = run(
                session,
                sql(
                    "SELECT DISTINCT CAST(stored.file_index AS BIGINT) "
                    "FROM read_parquet(?, hive_partitioning = false) AS stored "
                    "SEMI JOIN asked ON stored.{column} = asked.{column} ORDER BY 1",
                    [str(path) for path in paths],
                    column=column,
                ),
            )
        return [place for (place,) in found]

    def shared(self, paths: Sequence[Path], arrival: Path) -> list[tuple[int, Any]]:
        """Find the rows of the files whose keys an arrival has: one query, however many files.

        Returns
        -------
        list of (int, ndarray)
            Place of the file in ``paths``, ascending, and the places of its rows, ascending int64;
            only of files that have any.
        """
        import numpy as np

        if not paths:
            return []
        with self.session() as session:
            found = run(
                session,
                sql(
                    "SELECT CAST(file_index AS BIGINT), file_row_number "
                    "FROM read_parquet(?, hive_partitioning = false, file_row_number = true) "
                    "AS label SEMI JOIN "
                    "(SELECT {key} FROM read_parquet(?, hive_partitioning = false)) AS arrival "
                    "ON label.{key} = arrival.{key} ORDER BY 1, 2",
                    [str(path) for path in paths],
                    str(arrival),
                    key=KEY,
                ),
            )
        return [
            (file, np.array([place for _, place in rows], dtype=np.int64))
            for file, rows in groupby(found, key=itemgetter(0))
        ]


def run(session: duckdb.DuckDBPyConnection, statement: Sql) -> list[tuple[Any, ...]]:
    """Run a statement to its end, as the session's next one needs, and give its few rows."""
    rows: list[tuple[Any, ...]] = session.execute(
        statement.text, list(statement.values)
    ).fetchall()
    return rows


@contextmanager
def _translated(duckdb: Any) -> Iterator[None]:
    """Raise the product's errors; DuckDB's own texts may quote values, so they are left out."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            "Joining the stored rows needs more memory or temporary disk space than allowed. "
            "Raise the store's memory limit or free space under the home."
        ) from error
    except duckdb.IOException as error:
        raise StoreUnavailableError(
            "The disk refused to read or to spill stored rows. See whether it is full, mounted "
            "and readable, then repeat the step."
        ) from error
    except duckdb.InvalidInputException as error:
        raise IntegrityError(
            "A stored Parquet file is damaged or was replaced. Restore the store's files from a "
            "backup."
        ) from error
    except duckdb.Error as error:
        raise StoreError(
            f"Reading the stored rows failed ({type(error).__name__}); this is a defect of the "
            "product, please report it."
        ) from error
