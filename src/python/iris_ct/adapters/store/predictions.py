"""The prediction log: Parquet files, catalogued in SQL, scored once labels come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.analyst import Analyst, run
from iris_ct.adapters.store.batches import SqlBatches
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.facts import Facts, Wanted
from iris_ct.adapters.store.files import STORE, FactFiles
from iris_ct.adapters.store.logged_requests import LoggedRequests
from iris_ct.adapters.store.row_keys import LONGEST_KEY
from iris_ct.adapters.store.sql_text import sql
from iris_ct.core.dataset.batch import KEY, POSITION
from iris_ct.core.errors import SchemaMismatchError
from iris_ct.core.specification import Specification
from iris_ct.ports import Outcomes
from iris_ct.ports.observation import PREDICTED_AT

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from iris_ct.adapters.store.parquet import ChunkedWriter

_T = tables.prediction_file
# File and place in it share one 64-bit number, so that the smallest is the first.
_PLACE_BITS = 40
_PLACES = 1 << _PLACE_BITS
_FIRST = """
    WITH first AS (
        SELECT p.{key} AS p_key,
            min(CAST(p.file_index AS BIGINT) * {places} + p.file_row_number) AS place
        FROM read_parquet(?, hive_partitioning = false) AS p SEMI JOIN counted ON p.{key} = r_key
        GROUP BY p.{key}
    )
    SELECT r_position, truth, place FROM counted JOIN first ON p_key = r_key
    ORDER BY r_position, r_row
"""
# Beyond every position: the year 294000, and more rows than fit on a disk.
_LAST_POSITION = (1 << 63) - 1


class SqlPredictions:
    """`ports.PredictionLog` on a `Database`, `FactFiles` and DuckDB."""

    def __init__(
        self, database: Database, files: FactFiles, batches: SqlBatches, analyst: Analyst
    ) -> None:
        self._database = database
        self._files = files
        self._batches = batches
        self._analyst = analyst
        self._requests = LoggedRequests(database, files, analyst)

    def record(
        self,
        specification: Specification,
        *,
        request_id: str,
        version: int,
        frame: pl.DataFrame | Iterable[pl.DataFrame],
        at: datetime,
        batch_id: str | None = None,
        shadow: bool = False,
    ) -> None:
        """Keep predictions as one file; a request that is recorded already changes nothing.

        Several frames are written one after the other, so that memory holds a few of them; they
        are one request all the same, recorded whole or not at all. Frames of many requests have
        the columns that `ports.PredictionLog` names.

        Raises
        ------
        SchemaMismatchError
            If ``_key``, ``_position`` or ``prediction`` is missing, or the frames differ in their
            columns.
        """
        import polars as pl

        model = specification.name
        if self._is_recorded(model, request_id):
            return
        frames = [frame] if isinstance(frame, pl.DataFrame) else frame
        facts = _Facts()
        written = self._write(model, request_id, facts.gathered(frames))
        if written is None:
            return
        final, digest, n_rows = written
        with self._database.writing(model) as connection:
            self._database.when_done(rolled_back=lambda: self._files.remove([final]))
            if self._is_recorded(model, request_id):
                self._files.remove([final])
                return
            newest = connection.scalar(sa.select(sa.func.max(_T.c.seq)).where(_T.c.model == model))
            connection.execute(
                sa.insert(_T).values(
                    model=model,
                    request_id=request_id,
                    seq=(newest or 0) + 1,
                    version=version,
                    batch_id=batch_id,
                    n_rows=n_rows,
                    path=self._files.relative(final),
                    file_digest=digest,
                    predicted_at=at,
                    shadow=int(shadow),
                    **facts.columns(),
                )
            )

    def outcomes(
        self,
        specification: Specification,
        *,
        as_of_seq: int,
        from_position: int | None = None,
        to_position: int | None = None,
        version: int | None = None,
        batch_id: str | None = None,
        shadow: bool = False,
    ) -> Outcomes:
        """Join logged predictions of arrived rows with their newest known truth.

        The first prediction of a row counts, whichever version made it; ``version`` then picks
        among those. ``batch_id`` looks only at predictions logged for that batch. Positions are
        those of the rows that count now, corrections included. So that the cost does not grow
        with the history, files are left out that cannot matter: of batches that do not reach
        into the window of positions, without keys, and with none of the window's keys between
        their first and last one.
        """
        arrivals = self._batches.arrivals(specification.name)
        with self._analyst.session() as session:
            facts = Facts(
                session,
                self._files,
                specification,
                [batch for batch in arrivals if batch.seq <= as_of_seq],
                low=from_position,
                high=_LAST_POSITION if to_position is None else to_position,
            )
            wanted = facts.batch_ids if batch_id is None else {batch_id}
            logged = [
                file
                for file in self._logged(specification.name, shadow=shadow)
                if file.batch_id in wanted or (file.batch_id is None and batch_id is None)
            ]
            if not logged:
                return _nothing(specification)
            rows = facts.query([Wanted(KEY, "key", "r_key")])
            run(session, sql("CREATE TEMP TABLE counted AS {rows}", rows=rows))
            [(low, high)] = run(session, sql("SELECT min(r_key), max(r_key) FROM counted"))
            logged = [file for file in logged if _may_hold(file, low, high)]
            if not logged:
                return _nothing(specification)
            paths = [str(self._files.absolute(file.path)) for file in logged]
            first = sql(_FIRST, paths, key=KEY, places=_PLACES)
            found = session.execute(first.text, list(first.values)).fetchnumpy()
        n_found = len(found["place"])
        if n_found == 0:
            return _nothing(specification)
        at = np.asarray(found["place"], dtype=np.int64)
        versions = np.array([file.version for file in logged], dtype=np.int64)[at >> _PLACE_BITS]
        picked = np.ones(n_found, dtype=bool) if version is None else versions == version
        if not picked.any():
            return _nothing(specification)
        truth = np.asarray(found["truth"])
        return Outcomes(
            position=np.asarray(found["r_position"], dtype=np.int64)[picked],
            truth=truth[picked],
            predictions=_gather(specification, paths, at[picked]),
            version=versions[picked],
        )

    def find(self, model: str, puids: Collection[str], *, shadow: bool = False) -> pl.DataFrame:
        """Give the predictions of requests that a journal has gathered, or a shadow's."""
        return self._requests.find(model, puids, shadow=shadow)

    def gathered(self) -> list[str]:
        """Name the models of which `find` may find something."""
        wanted = sa.select(_T.c.model).where(_T.c.predicted_from.is_not(None)).distinct()
        with self._database.reading() as connection:
            return sorted(connection.scalars(wanted))

    def counts(self, model: str) -> dict[int, int]:
        """Count logged predictions by version, purged ones included, shadows not."""
        wanted = (
            sa.select(_T.c.version, sa.func.sum(_T.c.n_rows))
            .where(_T.c.model == model, _T.c.shadow == 0)
            .group_by(_T.c.version)
            .order_by(_T.c.version)
        )
        with self._database.reading() as connection:
            return {version: int(n_rows) for version, n_rows in connection.execute(wanted)}

    def _is_recorded(self, model: str, request_id: str) -> bool:
        wanted = sa.select(_T.c.seq).where(_T.c.model == model, _T.c.request_id == request_id)
        with self._database.reading() as connection:
            return connection.scalar(wanted) is not None

    def _logged(self, model: str, *, shadow: bool) -> Sequence[Any]:
        """List the files that are there, in the order of their first predictions."""
        there = (_T.c.model == model, _T.c.path != "", _T.c.shadow == int(shadow))
        wanted = sa.select(_T).where(*there).order_by(_T.c.seq)
        with self._database.reading() as connection:
            files = connection.execute(wanted).all()
        return sorted(files, key=lambda file: file.predicted_from or file.predicted_at)

    def _write(
        self, model: str, request_id: str, frames: Iterable[pl.DataFrame]
    ) -> tuple[Path, str, int] | None:
        """Write the file; give it, its digest and its rows. None if there are no rows."""
        final = self._files.new(STORE, model, "predictions", stem=request_id, suffix=".parquet")
        writer = None
        try:
            for frame in frames:
                table = _table(request_id, frame)
                if table.num_rows and writer is None:
                    writer = _writer(final, table.schema)
                if table.num_rows and writer is not None:
                    writer.write(table)
            if writer is None:
                return None
            writer.close()
        except BaseException:
            if writer is not None:
                writer.abandon()
            raise
        self._files.publish(final)
        return final, writer.digest, writer.n_rows


class _Facts:
    """What the catalogue says about the frames of one file."""

    def __init__(self) -> None:
        self._n_keyed = 0
        self._keys: list[str] = []
        self._times: list[datetime] = []

    def gathered(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Hand frames on, and look at each."""
        import polars as pl

        for frame in frames:
            if KEY in frame.columns:
                keys = frame[KEY].cast(pl.String)
                self._n_keyed += keys.len() - keys.null_count()
                self._keys += [str(key) for key in (keys.min(), keys.max()) if key is not None]
            if PREDICTED_AT in frame.columns and frame.height:
                self._times.append(frame[PREDICTED_AT].min())  # type: ignore[arg-type] # of times
            yield frame

    def columns(self) -> dict[str, Any]:
        """Give the values of the catalogue's columns."""
        ends = [min(self._keys), max(self._keys)] if self._keys else [None, None]
        fit = all(end is None or (len(end) <= LONGEST_KEY and "\0" not in end) for end in ends)
        return {
            "n_keyed": self._n_keyed,
            "first_key": ends[0] if fit else None,
            "last_key": ends[1] if fit else None,
            "predicted_from": min(self._times, default=None),
        }


def _may_hold(file: Any, low: str | None, high: str | None) -> bool:
    """Tell whether a file may hold one of the keys ``low..high``, by what the catalogue says."""
    if low is None or high is None or file.n_keyed == 0:
        return False
    if file.first_key is None or file.last_key is None:
        return True
    return bool(file.first_key <= high and low <= file.last_key)


def _table(request_id: str, frame: pl.DataFrame) -> pa.Table:
    import polars as pl

    missing = [name for name in (KEY, POSITION, "prediction") if name not in frame.columns]
    if missing:
        raise SchemaMismatchError(
            f"The predictions of request {request_id} lack {', '.join(missing)}."
        )
    typed = frame.with_columns(pl.col(KEY).cast(pl.String), pl.col(POSITION).cast(pl.Int64))
    return typed.to_arrow(compat_level=pl.CompatLevel.oldest())


def _writer(final: Path, schema: pa.Schema) -> ChunkedWriter:
    import pyarrow as pa

    from iris_ct.adapters.store.parquet import ChunkedWriter

    is_text = pa.types.is_large_string(schema.field("prediction").type)
    return ChunkedWriter(final, schema, dictionary=["prediction"] if is_text else [])


def _nothing(specification: Specification) -> Outcomes:
    import polars as pl

    number = specification.task == "regression"
    schema = {
        KEY: pl.String,
        POSITION: pl.Int64,
        "prediction": pl.Float64 if number else pl.String,
    }
    return Outcomes(
        position=np.empty(0, dtype=np.int64),
        truth=np.empty(0, dtype=np.float64 if number else object),
        predictions=pl.DataFrame(schema=schema),
        version=np.empty(0, dtype=np.int64),
    )


def _gather(specification: Specification, paths: Sequence[str], at: Any) -> pl.DataFrame:
    """Read the rows at these places, file by file, and bring them back into their order."""
    import polars as pl

    from iris_ct.adapters.store.parquet import read_places

    kind = pl.Float64 if specification.task == "regression" else pl.String
    file_of, place = at >> _PLACE_BITS, at & (_PLACES - 1)
    frames, order = [], []
    for number in np.unique(file_of):
        mine = np.flatnonzero(file_of == number)
        mine = mine[np.argsort(place[mine])]
        frame = read_places(Path(paths[number]), place[mine])
        frames.append(frame.with_columns(pl.col("prediction").cast(kind, strict=False)))
        order.append(mine)
    together = pl.concat(frames, how="diagonal")
    ordered: pl.DataFrame = together[np.argsort(np.concatenate(order), kind="stable")]
    return ordered
