"""What holds for every table: nothing is lost, chunks do not matter, CSV and Parquet agree."""

import csv
import gzip
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iris_ct.adapters.sources.files import RowSource, open_rows
from iris_ct.core.dataset.validation import PLACE, RAGGED, REASONS, RowValidator
from iris_ct.core.specification import parse_specification

SPECIFICATION = parse_specification(
    {
        "name": "m",
        "task": "regression",
        "target": "y",
        "key": "id",
        "event_time": "at",
        "time_zone": "Europe/Vienna",
        "features": {
            "n": {"kind": "numeric", "min": 0, "nullable": False},
            "c": {"kind": "categorical", "allowed": ["a", "b", "1"]},
            "b": "boolean",
        },
    },
    source="models/m.toml",
)
COLUMNS = ("id", "at", "n", "c", "b", "y")

cells = st.one_of(
    st.sampled_from(
        [
            "",
            "NA",
            "0",
            "1",
            "1.0",
            "-1",
            "inf",
            "nan",
            "a",
            "b",
            "yes",
            " 2 ",
            "True",
            "2024-01-01",
            "2024-03-31 02:30",
            "2024-01-01T00:00:00.5Z",
            "2024-13-01",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=6),
    st.floats(width=32).map(str),
    st.integers(-9, 9).map(str),
)
rows = st.lists(st.tuples(*[cells] * len(COLUMNS)), min_size=1, max_size=30)
quick = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def texts(table: list[tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame(table, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


@quick
@given(rows)
def test_every_row_is_either_good_or_bad_with_a_reason(table: list[tuple[str, ...]]) -> None:
    validator = RowValidator(SPECIFICATION)
    chunk = validator.validate(texts(table), first_place=1)
    places = chunk.good[PLACE].to_list() + chunk.bad[PLACE].to_list()
    assert sorted(places) == list(range(1, len(table) + 1))
    assert all(reasons for reasons in chunk.bad[REASONS].to_list())
    assert chunk.bad.select(COLUMNS).rows() == [table[p - 1] for p in chunk.bad[PLACE].to_list()]
    report = validator.report()
    assert report.n_bad == chunk.bad.height
    assert sum(report.reasons.values()) == chunk.bad[REASONS].list.len().sum()


@quick
@given(rows, st.integers(1, 7))
def test_chunks_do_not_matter(table: list[tuple[str, ...]], size: int) -> None:
    """Formats are guessed chunk by chunk, so this is where a guess would show."""
    whole, pieces = RowValidator(SPECIFICATION), RowValidator(SPECIFICATION)
    frame = texts(table)
    at_once = whole.validate(frame, first_place=1)
    parts = [
        pieces.validate(frame.slice(start, size), first_place=start + 1)
        for start in range(0, frame.height, size)
    ]
    assert pl.concat([part.good for part in parts]).equals(at_once.good)
    assert pl.concat([part.bad for part in parts]).equals(at_once.bad)
    assert pieces.report().reasons == whole.report().reasons


typed_rows = st.lists(
    st.tuples(
        st.integers(-(2**40), 2**40),
        st.datetimes(
            min_value=datetime.fromisoformat("1971-01-01"),
            max_value=datetime.fromisoformat("2100-01-01"),
        ),
        st.one_of(st.none(), st.floats(0, 1e9)),
        st.one_of(st.none(), st.sampled_from([1.0, 2.5])),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.floats(-1e9, 1e9)),
    ),
    min_size=1,
    max_size=20,
)


@quick
@given(typed_rows)
def test_a_csv_and_a_parquet_export_of_one_table_are_the_same_rows(
    tmp_path: Path, table: list[tuple[Any, ...]]
) -> None:
    frame = pl.DataFrame(
        table,
        schema={
            "id": pl.Int64,
            "at": pl.Datetime("us"),
            "n": pl.Float64,
            "c": pl.Float64,
            "b": pl.Boolean,
            "y": pl.Float64,
        },
        orient="row",
    )
    frame.write_csv(tmp_path / "rows.csv")
    frame.write_parquet(tmp_path / "rows.parquet")
    good, bad = [], []
    for name in ("rows.csv", "rows.parquet"):
        with open_rows(tmp_path / name) as source:
            chunk = RowValidator(SPECIFICATION).validate(next(iter(source)), first_place=1)
        good.append(chunk.good)
        bad.append(chunk.bad.select(PLACE, REASONS))
    assert good[0].equals(good[1])
    assert bad[0].equals(bad[1])


@quick
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=5),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 5),
    st.booleans(),
)
@example([["", "", ""]], "\t", "\n", 1, False)
def test_what_the_standard_library_writes_is_read_back(
    tmp_path: Path,
    table: list[list[str]],
    delimiter: str,
    line_end: str,
    chunk_rows: int,
    packed: bool,
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["one", "two", "three"])
    writer.writerows(table)
    content = buffer.getvalue().encode()
    path = tmp_path / "rows"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    assert _read(open_rows(path, chunk_rows=chunk_rows)) == table


def _read(source: RowSource) -> list[list[str]]:
    found = []
    for chunk in source:
        assert RAGGED not in chunk.columns
        found += [[value or "" for value in row] for row in chunk.rows()]
    return found
