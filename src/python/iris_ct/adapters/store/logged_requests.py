"""Requests of the prediction log, found by their ids in the files that a journal has gathered.

Callers may name an id that no request had, so the cost must not grow with the log: what
``ct_prediction`` has in rows is looked up there, and of the other files the newest are opened one
by one, then all that are left in one query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.row_keys import shortened
from iris_ct.core.dataset.batch import KEY
from iris_ct.ports.observation import PLACE_IN_REQUEST, PREDICTED_AT, PUID

if TYPE_CHECKING:
    import polars as pl

_F, _P = tables.prediction_file, tables.prediction
# Ids of one look-up: what every database takes as a list.
_MOST_IDS = 500
# Most ids are those of a moment ago. Opening a file takes 2 ms, a session of DuckDB 20.
_NEWEST = 16


class LoggedRequests:
    """Finds requests in the log; owned by `SqlPredictions`."""

    def __init__(self, database: Database, files: FactFiles, analyst: Analyst) -> None:
        self._database = database
        self._files = files
        self._analyst = analyst

    def find(self, model: str, puids: Collection[str], *, shadow: bool) -> pl.DataFrame:
        """Give their predictions, of each id from the newest file that has it.

        See `ports.PredictionLog`.
        """
        import polars as pl

        missing = set(puids)
        files = self._files_of(model, missing, shadow=shadow)
        found = [_no_requests(), *self._rows(files[:_NEWEST], missing)]
        if missing:
            found += self._rows(self._holding(files[_NEWEST:], missing), missing)
        return pl.concat(found)

    def _files_of(self, model: str, puids: set[str], *, shadow: bool) -> list[Any]:
        """List the files that may have one of the ids, newest first."""
        files = self._gathered(model, shadow=shadow)
        in_rows = {file.seq for file in files if _is_in_rows(file)}
        if not in_rows:
            return files
        named = self._named(model, puids)
        # Rows may have been removed since: only what is in rows before and after counts as such.
        in_rows &= {file.seq for file in self._gathered(model, shadow=shadow) if _is_in_rows(file)}
        return [file for file in files if file.seq not in in_rows or file.seq in named]

    def _gathered(self, model: str, *, shadow: bool) -> list[Any]:
        there = (_F.c.model == model, _F.c.path != "", _F.c.shadow == int(shadow))
        wanted = sa.select(
            *(_F.c.seq, _F.c.path, _F.c.version),
            *(_F.c.n_rows, _F.c.n_projected, _F.c.predicted_from),
        ).where(*there, _F.c.predicted_from.is_not(None))
        with self._database.reading() as connection:
            files = connection.execute(wanted).all()
        return sorted(files, key=lambda file: (file.predicted_from, file.seq), reverse=True)

    def _named(self, model: str, puids: Iterable[str]) -> set[int]:
        """Give the numbers of the files that have rows of these ids."""
        import polars as pl

        asked = shortened(pl.Series(list(puids), dtype=pl.String)).to_list()
        # With DISTINCT SQLite would read all rows in the order of files instead of the index on ids.
        wanted = sa.select(_P.c.file_seq).where(_P.c.model == model)
        named: set[int] = set()
        with self._database.reading() as connection:
            for first in range(0, len(asked), _MOST_IDS):
                part = asked[first : first + _MOST_IDS]
                named.update(connection.scalars(wanted.where(_P.c.puid.in_(part))))
        return named

    def _holding(self, files: Sequence[Any], puids: Collection[str]) -> list[Any]:
        paths = [self._path(file) for file in files]
        return [files[place] for place in self._analyst.holding(paths, PUID, puids)]

    def _rows(self, files: Sequence[Any], missing: set[str]) -> Iterator[pl.DataFrame]:
        """Read the rows of missing ids file by file, and take those found out of ``missing``."""
        import polars as pl

        for file in files:
            if not missing:
                return
            asked = pl.LazyFrame({PUID: list(missing)}, schema={PUID: pl.String})
            rows = (
                pl.scan_parquet(self._path(file))
                .join(asked, on=PUID, how="semi", maintain_order="left")
                .select(
                    PUID,
                    PLACE_IN_REQUEST,
                    KEY,
                    pl.col("prediction").cast(pl.String),
                    pl.col("_service").cast(pl.String),
                    version=pl.lit(file.version, pl.Int64),
                    **{PREDICTED_AT: pl.col(PREDICTED_AT)},
                )
                .collect()
            )
            missing.difference_update(rows[PUID])
            yield rows

    def _path(self, file: Any) -> Path:
        return self._files.absolute(file.path)


def _is_in_rows(file: Any) -> bool:
    return bool(file.n_projected == file.n_rows)


def _no_requests() -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        schema={
            PUID: pl.String,
            PLACE_IN_REQUEST: pl.Int64,
            KEY: pl.String,
            "prediction": pl.String,
            "_service": pl.String,
            "version": pl.Int64,
            PREDICTED_AT: pl.Datetime("us", "UTC"),
        }
    )
