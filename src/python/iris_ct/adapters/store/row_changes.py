"""What a chunk of an arrival changes in a model's table of rows.

Rows: of one key the newest stays, or the first where the specification keeps it. A row sent again
without a target keeps the known one if it is still at the same place in time. Labels set the
target of the rows that are there; a row that comes after its label finds it in the label files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.row_keys import shortened
from iris_ct.core.dataset.batch import KEY, POSITION, ROW
from iris_ct.core.specification import Specification
from iris_ct.core.sql_names import OWN_COLUMNS

if TYPE_CHECKING:
    import polars as pl

_B = tables.batch
# Keys of one look-up: what every database takes as a list.
_MOST_KEYS = 500


class RowChanges:
    """Lets the chunks of one arrival into one table; used by one thread."""

    def __init__(
        self,
        database: Database,
        files: FactFiles,
        analyst: Analyst,
        specification: Specification,
        table: sa.Table,
        batch: Any,
    ) -> None:
        self._database = database
        self._files = files
        self._analyst = analyst
        self._early: pl.DataFrame | None = None
        self._specification = specification
        self._table = table
        self._batch = batch
        self._learned = {
            str(column.name): column.key for column in table.c if column.key not in OWN_COLUMNS
        }
        self._target = self._learned[specification.target]

    def prepare(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring a chunk of the arrival's file to the table's columns, named by their keys."""
        import polars as pl

        if self._batch.kind == "labels":
            return self._truths(frame).unique("row_key", keep="last", maintain_order=True)
        columns = {
            "row_key": shortened(frame[KEY]),
            "row_number": frame[ROW],
            "row_position": frame[POSITION],
            "row_time": self._times(frame[POSITION]),
            "batch_id": pl.repeat(self._batch.batch_id, frame.height, eager=True),
        }
        for name, key in self._learned.items():
            given = frame[name] if name in frame.columns else None
            columns[key] = self._read(given, name, frame)
        rows = pl.DataFrame(columns)
        if self._specification.key:
            keeps_first = self._specification.on_duplicate == "keep"
            rows = rows.unique(
                "row_key", keep="first" if keeps_first else "last", maintain_order=True
            )
        return self._with_early_labels(rows)

    def apply(self, connection: sa.Connection, prepared: pl.DataFrame) -> None:
        """Change the table by what `prepare` gave; within the transaction that notes it."""
        if prepared.is_empty():
            return
        table = self._table
        if self._batch.kind == "labels":
            change = sa.update(table).where(table.c.row_key == sa.bindparam("b_key"))
            values = [{"b_key": key, "b_truth": truth} for key, truth in prepared.iter_rows()]
            connection.execute(change.values({self._target: sa.bindparam("b_truth")}), values)
            return
        if self._specification.key:
            prepared = self._replace(connection, prepared)
        if not prepared.is_empty():
            connection.execute(sa.insert(table), prepared.rows(named=True))

    def _replace(self, connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
        """Remove the rows that are replaced; give those to insert."""
        import polars as pl

        known = self._known(connection, rows["row_key"].to_list())
        if known.is_empty():
            return rows
        if self._specification.on_duplicate == "keep":
            return rows.join(known, on="row_key", how="anti", maintain_order="left")
        gone = sa.delete(self._table).where(self._table.c.row_key == sa.bindparam("b_key"))
        connection.execute(gone, [{"b_key": key} for key in known["row_key"]])
        joined = rows.join(known, on="row_key", how="left", maintain_order="left")
        same_place = (
            pl.lit(value=True)
            if self._specification.event_time is None
            else pl.col("row_position") == pl.col("k_position")
        )
        carried = pl.when(same_place).then(pl.col("k_truth"))
        return joined.with_columns(pl.coalesce(self._target, carried).alias(self._target)).select(
            rows.columns
        )

    def _known(self, connection: sa.Connection, keys: list[str]) -> pl.DataFrame:
        """Look up which keys are there, where in time, and with which target."""
        import polars as pl

        table = self._table
        picked = sa.select(table.c.row_key, table.c.row_position, table.c[self._target])
        found: list[tuple[Any, ...]] = []
        for first in range(0, len(keys), _MOST_KEYS):
            part = keys[first : first + _MOST_KEYS]
            found += map(tuple, connection.execute(picked.where(table.c.row_key.in_(part))))
        number = self._specification.task == "regression"
        schema = {
            "row_key": pl.String,
            "k_position": pl.Int64,
            "k_truth": pl.Float64 if number else pl.String,
        }
        return pl.DataFrame(found, schema=schema, orient="row")

    def _with_early_labels(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give rows without a target the one of the newest label file before them."""
        import polars as pl

        if not rows[self._target].has_nulls():
            return rows
        if self._early is None:
            self._early = self._early_labels().rename({self._target: "l_truth"})
        joined = rows.join(self._early, on="row_key", how="left", maintain_order="left")
        truth = pl.coalesce(self._target, "l_truth").alias(self._target)
        return joined.with_columns(truth).drop("l_truth")

    def _early_labels(self) -> pl.DataFrame:
        """Give the newest truth of each key of the arrival that earlier label files have."""
        import polars as pl

        from iris_ct.adapters.store.parquet import read_places

        paths = self._earlier_labels()
        arrival = self._files.absolute(self._batch.path)
        parts = [
            self._truths(read_places(paths[file], places))
            for file, places in self._analyst.shared(paths, arrival)
        ]
        if not parts:
            kind = _polars(self._table.c[self._target].type)
            return pl.DataFrame(schema={"row_key": pl.String, self._target: kind})
        return pl.concat(parts).unique("row_key", keep="last", maintain_order=True)

    def _truths(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give key and target of the rows of a label file that have one."""
        import polars as pl

        name = self._specification.target
        truth = self._read(frame[name] if name in frame.columns else None, name, frame)
        return pl.DataFrame({"row_key": shortened(frame[KEY]), self._target: truth}).drop_nulls()

    def _earlier_labels(self) -> list[Path]:
        """List the label files that arrived before, oldest first."""
        wanted = (
            sa.select(_B.c.path)
            .where(
                _B.c.model == self._batch.model,
                _B.c.kind == "labels",
                _B.c.seq < self._batch.seq,
                _B.c.path != "",
            )
            .order_by(_B.c.seq)
        )
        with self._database.reading() as connection:
            return [self._files.absolute(path) for path in connection.scalars(wanted)]

    def _times(self, positions: pl.Series) -> pl.Series:
        import polars as pl

        if self._specification.event_time is None:
            return pl.repeat(None, len(positions), dtype=pl.Datetime("us"), eager=True)
        return positions.cast(pl.Datetime("us"))

    def _read(self, given: pl.Series | None, name: str, frame: pl.DataFrame) -> pl.Series:
        """Read a column of a file, perhaps of an older specification, as it is declared now."""
        import polars as pl

        from iris_ct.core.dataset.columns import read_booleans, read_categories, read_numbers

        kind = self._table.c[self._learned[name]].type
        if given is None:
            return pl.repeat(None, frame.height, dtype=pl.Null, eager=True).cast(_polars(kind))
        if isinstance(kind, sa.DateTime):
            if given.dtype.is_temporal():
                return given.dt.replace_time_zone(None)
            return pl.repeat(None, frame.height, dtype=pl.Datetime("us"), eager=True)
        if isinstance(kind, sa.Float):
            return read_numbers(given).values
        if isinstance(kind, sa.SmallInteger):
            return read_booleans(given).values.cast(pl.Int64)
        return read_categories(given).values


def _polars(kind: Any) -> Any:
    import polars as pl

    if isinstance(kind, sa.DateTime):
        return pl.Datetime("us")
    if isinstance(kind, sa.Float):
        return pl.Float64
    return pl.Int64 if isinstance(kind, sa.SmallInteger) else pl.String
