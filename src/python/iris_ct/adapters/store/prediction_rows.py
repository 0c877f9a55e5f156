"""Logged predictions as rows of ``ct_prediction``, file by file, a chunk to a transaction.

The catalogue says how many predictions of a file are rows already, and that number changes in the
transaction that adds them: whoever comes next, after a crash too, goes on from there. The view
shows a file once all of it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.budget import Budget, chunk_rows
from iris_ct.adapters.store.bulk import insert_columns
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.row_keys import shortened
from iris_ct.core.dataset.batch import KEY, POSITION
from iris_ct.core.errors import StoreError
from iris_ct.ports.observation import PLACE_IN_REQUEST, PREDICTED_AT, PUID

if TYPE_CHECKING:
    import polars as pl

_F, _P = tables.prediction_file, tables.prediction
# Files that an error names: enough to find them, few enough for a log line.
_SHOWN = 3


class PredictionRows:
    """Keeps ``ct_prediction`` in step with the prediction files."""

    def __init__(self, database: Database, files: FactFiles) -> None:
        self._database = database
        self._files = files

    def states(self) -> tuple[set[str], set[str]]:
        """Name the models that lack rows of some file, and those that have rows of any."""
        lacking = sa.select(_F.c.model).where(_is_lacking()).distinct()
        having = sa.select(_F.c.model).where(_F.c.n_projected > 0).distinct()
        with self._database.reading() as connection:
            return set(connection.scalars(lacking)), set(connection.scalars(having))

    def bring_up(self, model: str, budget: Budget) -> None:
        """Add the rows of all files that lack some, newest first: they are asked for next.

        Raises
        ------
        StoreError
            At the end, if a file could not be added; no other one waits for it.
        """
        failed: list[tuple[str, StoreError]] = []
        for seq in self._files_of(model, _is_lacking()):
            if budget.is_spent:
                break
            try:
                self._add(model, seq, budget)
            except StoreError as error:
                failed.append((self._path(model, seq), error))
        if failed:
            paths = ", ".join(path for path, _ in failed[:_SHOWN])
            more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
            first = failed[0][1]
            raise StoreError(
                f"Predictions of '{model}' are no rows of ct_prediction yet, those of {paths}"
                f"{more}; all others are. The first file: {first}"
            ) from first

    def remove(self, model: str, budget: Budget) -> None:
        """Remove all rows, file by file."""
        for seq in self._files_of(model, _F.c.n_projected > 0):
            if budget.is_spent:
                return
            with self._database.writing(model) as connection:
                budget.spend(remove_file(connection, model, seq))

    def _files_of(self, model: str, condition: sa.ColumnElement[bool]) -> list[int]:
        wanted = (
            sa.select(_F.c.seq).where(_F.c.model == model, condition).order_by(_F.c.seq.desc())
        )
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def _path(self, model: str, seq: int) -> str:
        with self._database.reading() as connection:
            return _state(connection, model, seq)[0]

    def _add(self, model: str, seq: int, budget: Budget) -> None:
        from iris_ct.adapters.store.parquet import read_chunks

        with self._database.reading() as connection:
            path, there = _state(connection, model, seq)
        if not path:
            return
        place = 0
        size = chunk_rows(is_iris=self._database.is_iris)
        for frame in read_chunks(self._files.absolute(path), chunk_rows=size):
            first, place = place, place + frame.height
            if place <= there:
                continue
            if budget.is_spent:
                return
            fresh = frame[max(0, there - first) :]
            columns = _columns(fresh, first=place - fresh.height)
            with self._database.writing(model) as connection:
                if _state(connection, model, seq) != (path, there):
                    # Somebody else went on with it, or purged it.
                    return
                insert_columns(connection, _P, {"model": model, "file_seq": seq}, columns)
                connection.execute(_noted(model, seq, place))
            there = place
            budget.spend(fresh.height)


def remove_file(connection: sa.Connection, model: str, seq: int) -> int:
    """Remove the rows of one file and note it; give their number."""
    _, there = _state(connection, model, seq)
    if there:
        connection.execute(sa.delete(_P).where(_P.c.model == model, _P.c.file_seq == seq))
        connection.execute(_noted(model, seq, 0))
    return there


def _is_lacking() -> sa.ColumnElement[bool]:
    """Say which files lack rows; what nobody was answered is not shown."""
    return sa.and_(_F.c.n_projected < _F.c.n_rows, _F.c.path != "", _F.c.shadow == 0)


def _state(connection: sa.Connection, model: str, seq: int) -> tuple[str, int]:
    """Give where a file is (empty: purged) and how many of its predictions are rows."""
    wanted = sa.select(_F.c.path, _F.c.n_projected).where(_F.c.model == model, _F.c.seq == seq)
    path, there = connection.execute(wanted).one()
    return path, there


def _noted(model: str, seq: int, n_projected: int) -> sa.Update:
    return (
        sa.update(_F).where(_F.c.model == model, _F.c.seq == seq).values(n_projected=n_projected)
    )


def _columns(frame: pl.DataFrame, *, first: int) -> dict[str, list[Any]]:
    """Give predictions as columns of the table, counted on from ``first``.

    Text always, a number for regression, the predicted class' probability where there is one.
    """
    import polars as pl

    said = frame.schema["prediction"]
    number = pl.col("prediction").cast(pl.Float64).fill_nan(None) if said.is_numeric() else None
    text = pl.col("prediction") if number is None else number
    shown = frame.select(
        place=pl.int_range(first, first + pl.len()),
        row_key=pl.lit(shortened(frame[KEY])),
        row_position=pl.col(POSITION),
        prediction=text.cast(pl.String),
        prediction_number=pl.lit(None, pl.Float64) if number is None else number,
        prediction_probability=_probability(frame.columns),
        **_request(frame),
    )
    return shown.to_dict(as_series=False)


def _request(frame: pl.DataFrame) -> dict[str, pl.Expr]:
    """Say of which request a row is, where one file holds many."""
    import polars as pl

    if PUID not in frame.columns:
        return {}
    return {
        "puid": pl.lit(shortened(frame[PUID])),
        "request_place": pl.col(PLACE_IN_REQUEST),
        "predicted_at": pl.col(PREDICTED_AT),
    }


def _probability(columns: list[str]) -> pl.Expr:
    """Give the probability of the class that was predicted: the largest one."""
    import polars as pl

    from iris_ct.core.evaluation.losses import CLASS_PREFIX

    if "probability" in columns:
        positive = pl.col("probability")
        return pl.max_horizontal(positive, 1.0 - positive)
    classes = [name for name in columns if name.startswith(CLASS_PREFIX)]
    return pl.max_horizontal(classes) if classes else pl.lit(None, pl.Float64)
