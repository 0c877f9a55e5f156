"""Which stored rows count, and what their truth is, as of an arrival.

One row per key survives: the newest, or the oldest where the specification keeps the first. Its
truth is the newest non-null one among its own target and the label files: age is the arrival's
number, and within a file the last row is the newest. Where the order of arrival is the time, a row
happened when its key first arrived: a correction does not make it new. Customers' column names
never reach SQL: columns are addressed by their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_ct.adapters.store.analyst import run
from iris_ct.adapters.store.columns import target_kind
from iris_ct.adapters.store.files import FactFiles
from iris_ct.core.dataset.batch import KEY, POSITION, ROW, Batch
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import duckdb

# Place in a file and number of the arrival share one 64-bit number: 2^40 rows, 2^23 arrivals.
_PLACES = 1 << 40
# Alias of a row's own target, or of a label's.
_OWN = "own"


@dataclass(frozen=True)
class Wanted:
    """A column to read: the name it has in the files, its kind, the alias it gets."""

    name: str
    kind: str
    alias: str


@dataclass(frozen=True)
class _Scan:
    """A query over files of one or several schemas, with its parameters."""

    sql: str
    parameters: tuple[Any, ...]


_ORDINAL_AND_KEY = (
    Wanted(ROW, "int", "r_row"),
    Wanted(POSITION, "int", "r_position"),
    Wanted(KEY, "key", "r_key"),
)


class Facts:
    """Rows of one model as of an arrival, within ``low <= position <= high``.

    Parameters
    ----------
    arrivals : sequence of Batch
        All arrivals to look at, in their order; purged ones are skipped.
    low, high : int or None, int
        Event positions; None is no lower bound.
    """

    def __init__(
        self,
        session: duckdb.DuckDBPyConnection,
        files: FactFiles,
        specification: Specification,
        arrivals: Sequence[Batch],
        *,
        low: int | None,
        high: int,
    ) -> None:
        self._session = session
        self._files = files
        self._specification = specification
        self._low, self._high = low, high
        present = [batch for batch in arrivals if batch.path]
        self._rows = [batch for batch in present if batch.kind == "rows"]
        self._labels = [batch for batch in present if batch.kind == "labels"]
        self._stays = self._stay_in_place()
        self._inside = [batch for batch in self._rows if self._overlaps(batch)]
        self._truth = Wanted(specification.target, target_kind(specification), _OWN)
        self._has_superseded = self._find_superseded()
        self._has_late = self._find_late()

    @property
    def batch_ids(self) -> set[str]:
        """Batches that reach into the window."""
        return {batch.batch_id for batch in self._inside}

    def query(self, columns: Sequence[Wanted]) -> _Scan:
        """Give the query of the rows that count: the columns, then ``truth``."""
        scan = self._scan(
            self._inside,
            [
                Wanted(ROW, "int", "r_row"),
                Wanted(POSITION, "int", "r_position"),
                *columns,
                self._truth,
            ],
        )
        position = "r_position"
        joins = []
        if self._has_superseded and self._stays:
            joins.append("LEFT JOIN moved ON moved.m_row = r.r_row")
            position = "coalesce(moved.m_position, r_position)"
        where = [f"{position} <= ?"]
        bounds: list[int] = [self._high]
        known = "own"
        if self._low is not None:
            where.append(f"{position} >= ?")
            bounds.append(self._low)
        if self._has_superseded:
            joins.append("ANTI JOIN superseded ON superseded.s_row = r.r_row")
        if self._has_late:
            joins.append("LEFT JOIN late ON late.l_row = r.r_row")
            known = "coalesce(late.truth, own)"
        where.append(f"{known} IS NOT NULL")
        place = f"{position} AS r_position"
        picked = ", ".join(["r_row", place, *(column.alias for column in columns)])
        return _Scan(
            f"SELECT {picked}, {known} AS truth FROM ({scan.sql}) AS r {' '.join(joins)} "  # noqa: S608  # aliases and places only
            f"WHERE {' AND '.join(where)}",
            (*scan.parameters, *bounds),
        )

    def _overlaps(self, batch: Batch) -> bool:
        if batch.first_position is None or batch.last_position is None:
            return False
        above = self._low is None or batch.last_position >= self._low
        # A correction may come after the window and still belong into it.
        return above and (self._stays or batch.first_position <= self._high)

    def _stay_in_place(self) -> bool:
        """Tell whether a correction keeps the position at which its key first arrived."""
        specification = self._specification
        arrival_is_time = bool(specification.key) and specification.event_time is None
        return arrival_is_time and specification.on_duplicate != "keep"

    def _find_superseded(self) -> bool:
        """Note the ordinals of rows that a row of the same key replaces; tell if there are any.

        Only newer arrivals can replace rows, only older ones can be kept before them.
        """
        if not self._specification.key or not self._inside:
            return False
        keeps_first = self._specification.on_duplicate == "keep"
        first, last = self._inside[0].seq, self._inside[-1].seq
        rivals = [
            batch
            for batch in self._rows
            if (batch.seq <= last if keeps_first else batch.seq >= first)
        ]
        scan = self._scan(rivals, _ORDINAL_AND_KEY)
        survivor = "min" if keeps_first else "max"
        run(
            self._session,
            "CREATE TEMP TABLE repeated AS "  # noqa: S608  # no value in the text
            f"SELECT r_key, {survivor}(r_row) AS survivor, min(r_position) AS first_position "
            f"FROM ({scan.sql}) GROUP BY r_key HAVING count(*) > 1",
            scan.parameters,
        )
        if not self._stays and not self._n_rows("repeated"):
            return False
        run(
            self._session,
            "CREATE TEMP TABLE superseded AS SELECT r_row AS s_row "  # noqa: S608  # no value in the text
            f"FROM ({scan.sql}) AS r JOIN repeated USING (r_key) WHERE r_row <> survivor",
            scan.parameters,
        )
        if self._stays:
            run(
                self._session,
                "CREATE TEMP TABLE moved AS "
                "SELECT survivor AS m_row, first_position AS m_position FROM repeated",
            )
            self._leave_out_known(scan, [batch for batch in self._rows if batch.seq < first])
        return bool(self._n_rows("superseded"))

    def _leave_out_known(self, scan: _Scan, earlier: Sequence[Batch]) -> None:
        """Leave out the rows whose key arrived before the window: they only correct it."""
        if not earlier:
            return
        before = self._scan(earlier, _ORDINAL_AND_KEY)
        run(
            self._session,
            "INSERT INTO superseded SELECT r_row FROM "  # noqa: S608  # no value in the text
            f"({scan.sql}) AS r SEMI JOIN (SELECT r_key FROM ({before.sql})) USING (r_key)",
            (*scan.parameters, *before.parameters),
        )

    def _find_late(self) -> bool:
        """Note, by ordinal, the truths from label files that are newer than the row's own."""
        if not self._labels or not self._inside:
            return False
        rows = self._scan(
            self._inside, [Wanted(ROW, "int", "r_row"), Wanted(KEY, "key", "r_key"), self._truth]
        )
        labels = self._scan(
            self._labels, [Wanted(ROW, "int", "place"), Wanted(KEY, "key", "r_key"), self._truth]
        )
        # Few rows among many labels: do not group the labels of all the others.
        few = 4 * _total(self._inside) < _total(self._labels)
        mine = f"SEMI JOIN (SELECT r_key FROM ({rows.sql})) USING (r_key)" if few else ""  # noqa: S608  # aliases and places only
        run(
            self._session,
            "CREATE TEMP TABLE label AS SELECT r_key, max(seq) AS label_seq, "  # noqa: S608  # no value in the text
            f"arg_max(own, seq * {_PLACES} + place) AS truth "
            f"FROM ({labels.sql}) {mine} WHERE own IS NOT NULL GROUP BY r_key",
            (*labels.parameters, *(rows.parameters if few else ())),
        )
        run(
            self._session,
            "CREATE TEMP TABLE late AS SELECT r_row AS l_row, truth "  # noqa: S608  # no value in the text
            f"FROM ({rows.sql}) AS r JOIN label USING (r_key) "
            "WHERE own IS NULL OR label_seq > seq",
            rows.parameters,
        )
        return bool(self._n_rows("late"))

    def _n_rows(self, table: str) -> int:
        [(n_rows,)] = run(self._session, f"SELECT count(*) FROM {table}")  # noqa: S608  # a name from this module
        return int(n_rows)

    def _scan(self, batches: Sequence[Batch], columns: Sequence[Wanted]) -> _Scan:
        """Read columns of files, whose schemas may differ between specifications, and ``seq``."""
        groups: dict[str, list[Batch]] = {}
        for batch in batches:
            groups.setdefault(batch.spec_digest, []).append(batch)
        if not groups:
            nothing = ", ".join(f"NULL AS {column.alias}" for column in columns)
            return _Scan(f"SELECT {nothing}, 0 AS seq WHERE false", ())
        queries, parameters = [], []
        for group in groups.values():
            paths = [self._files.absolute(batch.path) for batch in group]
            stored = _stored_types(paths[0])
            names = list(stored)
            places = ", ".join(f"c{i}" for i in range(len(names)))
            picked = ", ".join(
                f"{_read(column, stored, names)} AS {column.alias}" for column in columns
            )
            queries.append(
                f"SELECT {picked}, (?::BIGINT[])[CAST(file_index AS BIGINT) + 1] AS seq "  # noqa: S608  # aliases and places only
                f"FROM read_parquet(?, hive_partitioning = false) AS t({places})"
            )
            parameters += [[batch.seq for batch in group], [str(path) for path in paths]]
        return _Scan(" UNION ALL ".join(queries), tuple(parameters))


def _total(batches: Sequence[Batch]) -> int:
    return sum(batch.n_rows for batch in batches)


def _stored_types(path: Path) -> dict[str, str]:
    """Read a file's column names and types from its footer."""
    from iris_ct.adapters.store.parquet import opened

    with opened(path) as file:
        return {field.name: _family(str(field.type)) for field in file.schema_arrow}


def _family(arrow_type: str) -> str:
    if arrow_type.startswith("timestamp"):
        return "datetime"
    return {"double": "numeric", "string": "text", "bool": "boolean", "int64": "int"}[arrow_type]


def _read(wanted: Wanted, stored: dict[str, str], names: Sequence[str]) -> str:
    """Say in SQL how a column is read: as it is, cast where that is exact, else null."""
    sql_type = _SQL_TYPES[wanted.kind]
    if wanted.name not in stored:
        return f"CAST(NULL AS {sql_type})"
    column = f"c{names.index(wanted.name)}"
    exact = _CASTS.get((stored[wanted.name], wanted.kind), "CAST(NULL AS {type})")
    read = exact.format(c=column, type=sql_type)
    if wanted.alias == _OWN and wanted.kind == "numeric":
        # What is no number is no truth.
        return f"CASE WHEN NOT isnan({read}) THEN {read} END"
    return read


_SQL_TYPES = {
    "int": "BIGINT",
    "key": "VARCHAR",
    "numeric": "DOUBLE",
    "categorical": "VARCHAR",
    "boolean": "BOOLEAN",
    "datetime": "TIMESTAMPTZ",
}
# From what the file holds to what the specification says now. A whole number becomes the text
# that a file with that category would have held: 1, not 1.0.
_CASTS = {
    ("int", "int"): "{c}",
    ("text", "key"): "{c}",
    ("text", "categorical"): "{c}",
    ("numeric", "numeric"): "{c}",
    ("boolean", "boolean"): "{c}",
    ("datetime", "datetime"): "{c}",
    ("boolean", "numeric"): "CAST({c} AS DOUBLE)",
    ("boolean", "categorical"): "CAST({c} AS VARCHAR)",
    ("text", "numeric"): "TRY_CAST({c} AS DOUBLE)",
    ("text", "boolean"): "CASE lower({c}) WHEN 'true' THEN true WHEN 'false' THEN false END",
    ("numeric", "boolean"): "CASE {c} WHEN 0 THEN false WHEN 1 THEN true END",
    ("numeric", "categorical"): (
        "CASE WHEN {c} = trunc({c}) AND abs({c}) < 9007199254740992 "
        "THEN CAST(CAST({c} AS BIGINT) AS VARCHAR) ELSE CAST({c} AS VARCHAR) END"
    ),
}
