"""Which stored rows count, and what their truth is, as of an arrival.

One row per key survives: the newest, or the oldest where the specification keeps the first. Its
truth is the newest non-null one among its own target, the label files, and the targets of the rows
at the same position that it replaces: age is the arrival's number, and within a file the last row
is the newest. Where the order of arrival is the time, a row
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
from iris_ct.adapters.store.sql_text import Sql, joined, sql
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

    def query(self, columns: Sequence[Wanted]) -> Sql:
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
        position, known = Sql("r_position"), Sql("own")
        joins = []
        if self._has_superseded and self._stays:
            joins.append(Sql("LEFT JOIN moved ON moved.m_row = r.r_row"))
            position = Sql("coalesce(moved.m_position, r_position)")
        where = [sql("{position} <= ?", self._high, position=position)]
        if self._low is not None:
            where.append(sql("{position} >= ?", self._low, position=position))
        if self._has_superseded:
            joins.append(Sql("ANTI JOIN superseded ON superseded.s_row = r.r_row"))
        if self._has_late:
            joins.append(Sql("LEFT JOIN late ON late.l_row = r.r_row"))
            known = Sql("coalesce(late.truth, own)")
        where.append(sql("{known} IS NOT NULL", known=known))
        place = sql("{position} AS r_position", position=position)
        return sql(
            "SELECT {picked}, {known} AS truth FROM ({scan}) AS r {joins} WHERE {where}",
            picked=joined(", ", ["r_row", place, *(column.alias for column in columns)]),
            known=known,
            scan=scan,
            joins=joined(" ", joins),
            where=joined(" AND ", where),
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
        self._run(
            "CREATE TEMP TABLE repeated AS "
            "SELECT r_key, {survivor}(r_row) AS survivor, min(r_position) AS first_position "
            "FROM ({scan}) GROUP BY r_key HAVING count(*) > 1",
            survivor="min" if keeps_first else "max",
            scan=scan,
        )
        if not self._stays and not self._n_rows("repeated"):
            return False
        self._run(
            "CREATE TEMP TABLE superseded AS SELECT r_row AS s_row "
            "FROM ({scan}) AS r JOIN repeated USING (r_key) WHERE r_row <> survivor",
            scan=scan,
        )
        if self._stays:
            self._run(
                "CREATE TEMP TABLE moved AS "
                "SELECT survivor AS m_row, first_position AS m_position FROM repeated",
            )
            self._leave_out_known(scan, [batch for batch in self._rows if batch.seq < first])
        return bool(self._n_rows("superseded"))

    def _leave_out_known(self, scan: Sql, earlier: Sequence[Batch]) -> None:
        """Leave out the rows whose key arrived before the window: they only correct it."""
        if not earlier:
            return
        before = self._scan(earlier, _ORDINAL_AND_KEY)
        self._run(
            "INSERT INTO superseded SELECT r_row FROM "
            "({scan}) AS r SEMI JOIN (SELECT r_key FROM ({before})) USING (r_key)",
            scan=scan,
            before=before,
        )

    def _find_late(self) -> bool:
        """Note, by ordinal, the truths from label files that are newer than the row's own."""
        replaced = self._replaced()
        if not self._inside or not (self._labels or replaced):
            return False
        rows = self._scan(self._inside, [*_ORDINAL_AND_KEY, self._truth])
        scan = self._scan(
            self._labels, [Wanted(ROW, "int", "place"), Wanted(KEY, "key", "r_key"), self._truth]
        )
        labels = sql(
            "SELECT place, CAST(NULL AS BIGINT) AS spot, r_key, own, seq FROM ({s})", s=scan
        )
        if replaced is not None:
            labels = sql("{labels} UNION ALL {replaced}", labels=labels, replaced=replaced)
        # Few rows among many labels: do not group the labels of all the others.
        few = 4 * _total(self._inside) < _total(self._labels)
        mine = sql("SEMI JOIN (SELECT r_key FROM ({rows})) USING (r_key)", rows=rows)
        self._run(
            "CREATE TEMP TABLE label AS SELECT r_key, spot, max(seq) AS label_seq, "
            "max(seq * {places} + place) AS age, arg_max(own, seq * {places} + place) AS truth "
            "FROM ({labels}) {mine} WHERE own IS NOT NULL GROUP BY r_key, spot",
            places=_PLACES,
            labels=labels,
            mine=mine if few else Sql(""),
        )
        self._run(
            "CREATE TEMP TABLE late AS SELECT r_row AS l_row, arg_max(truth, age) AS truth "
            "FROM ({rows}) AS r JOIN label USING (r_key) "
            "WHERE (own IS NULL OR label_seq > seq) AND (spot IS NULL OR spot = r_position) "
            "GROUP BY r_row",
            rows=rows,
        )
        return bool(self._n_rows("late"))

    def _replaced(self) -> Sql | None:
        """Give the targets of replaced rows as labels: a row sent again without one keeps it.

        At the same position only, so that a row's truth is the same in every window.
        """
        if not self._has_superseded or self._specification.on_duplicate == "keep":
            return None
        return sql(
            "SELECT r_row AS place, {spot} AS spot, r_key, own, seq FROM ({scan}) AS old "
            "SEMI JOIN superseded ON superseded.s_row = old.r_row",
            spot=Sql("CAST(NULL AS BIGINT)" if self._stays else "r_position"),
            scan=self._scan(self._inside, [*_ORDINAL_AND_KEY, self._truth]),
        )

    def _n_rows(self, table: str) -> int:
        [(n_rows,)] = self._run("SELECT count(*) FROM {table}", table=table)
        return int(n_rows)

    def _run(self, template: str, **pieces: Sql | str | int) -> list[tuple[Any, ...]]:
        return run(self._session, sql(template, **pieces))

    def _scan(self, batches: Sequence[Batch], columns: Sequence[Wanted]) -> Sql:
        """Read columns of files, whose schemas may differ between specifications, and ``seq``."""
        groups: dict[str, list[Batch]] = {}
        for batch in batches:
            groups.setdefault(batch.spec_digest, []).append(batch)
        if not groups:
            nothing = [sql("NULL AS {alias}", alias=column.alias) for column in columns]
            return sql("SELECT {nothing}, 0 AS seq WHERE false", nothing=joined(", ", nothing))
        queries = []
        for group in groups.values():
            paths = [self._files.absolute(batch.path) for batch in group]
            stored = _stored_types(paths[0])
            names = list(stored)
            picked = [
                sql("{read} AS {alias}", read=_read(column, stored, names), alias=column.alias)
                for column in columns
            ]
            queries.append(
                sql(
                    "SELECT {picked}, (?::BIGINT[])[CAST(file_index AS BIGINT) + 1] AS seq "
                    "FROM read_parquet(?, hive_partitioning = false) AS t({places})",
                    [batch.seq for batch in group],
                    [str(path) for path in paths],
                    picked=joined(", ", picked),
                    places=joined(", ", (f"c{i}" for i in range(len(names)))),
                )
            )
        return joined(" UNION ALL ", queries)


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


def _read(wanted: Wanted, stored: dict[str, str], names: Sequence[str]) -> Sql:
    """Say in SQL how a column is read: as it is, cast where that is exact, else null."""
    sql_type = _SQL_TYPES[wanted.kind]
    if wanted.name not in stored:
        return sql(_NO_VALUE, type=sql_type)
    exact = _CASTS.get((stored[wanted.name], wanted.kind), _NO_VALUE)
    read = sql(exact, c=f"c{names.index(wanted.name)}", type=sql_type)
    if wanted.alias == _OWN and wanted.kind == "numeric":
        # What is no number is no truth.
        return sql("CASE WHEN NOT isnan({read}) THEN {read} END", read=read)
    return read


_NO_VALUE = "CAST(NULL AS {type})"
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
