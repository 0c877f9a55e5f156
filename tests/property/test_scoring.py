"""What holds for every row: the quick way and the careful way agree, in numbers and refusals."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iris_ct.core.dataset.parting import REASONS
from iris_ct.core.dataset.validation import InputValidator
from iris_ct.core.errors import DataError
from iris_ct.core.scoring.cells import UnsureError
from iris_ct.core.scoring.checked import CheckedReader
from iris_ct.core.scoring.inputs import RowsRefusedError
from iris_ct.core.scoring.reader import BatchReader, KeyReader, RowReader
from iris_ct.core.scoring.signature import signature_of
from iris_ct.core.scoring.text import TextReader
from iris_ct.core.specification import Specification, parse_specification
from iris_ct.core.training.encoding import EncodedFeature, FeatureEncoding
from iris_ct.flow.row_text import read_object

PARTS = ["year", "quarter", "month", "week", "day", "weekday", "yearday", "hour", "minute"]


def said(**more: Any) -> Specification:
    return parse_specification(
        {
            "name": "m",
            "task": "regression",
            "target": "y",
            "key": ["id", "t"],
            "time_zone": "Europe/Vienna",
            "features": {
                "n": "numeric",
                "l": {"kind": "numeric", "min": -1, "max": 2**53, "nullable": False},
                "b": "boolean",
                "c": "categorical",
                "a": {"kind": "categorical", "allowed": ["1", "true", "x"], "nullable": False},
                "t": {"kind": "datetime", "parts": PARTS},
            },
            **more,
        },
        source="a test",
    )


def learned(specification: Specification) -> FeatureEncoding:
    categories = {
        "c": ("-1", "1", "1.5", "1e+16", "9007199254740993", "false", "nein", "true", "ä"),
        "a": ("1", "x"),
    }
    return FeatureEncoding(
        tuple(
            EncodedFeature(f.name, f.kind, categories.get(f.name, ()), f.parts)
            for f in specification.features
        ),
        specification.time_zone,
    )


VIENNA, UTC_MODEL = said(), said(time_zone="UTC")

numbers = st.one_of(
    st.integers(-9, 9),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53, 2**53 + 1, 2**53 + 2, 2**63, 2**64 + 1, 10**17, 10**309, -(10**309)]),
    st.floats(),
    st.floats(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 1e16, 1e22, 5e-324, 0.1, 1e308]),
)
ODD_TEXTS = (
    *("", "NA", "nan", "null", "None", "NaN", " ", "1", "1.0", "-1.000", "-0", "-0.0", "+1"),
    *("007", " 2 ", "1_000", "1e3", "1E+3", ".5", "5.", "1,5", "inf", "-inf", "Infinity"),
    *("\uff11", "1\n", "0x1", "1e9999", "1.50", "true", "True", "TRUE", "yes", "No", "f"),
    *("x", "X", "\u00e4", "nein", "\ud800", "1.0\n", "x\0", "0" * 400 + "1", "9" * 400, "1e+16"),
)
spelled = st.one_of(
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(repr),
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=5),
)
ODD_TIMES = (
    *("2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27T02:30:00Z", "2024-03-31T02:30+01:00"),
    *("2024-02-30", "2024-1-1", "20240101", "0024-01-01", "2024-01-01T00:00:00.1234567Z"),
    *("2024-01-01T00:00:00.", "2024-01-01 0:00", "2024-01-01T00:00:00.000Z", "1.7.2011"),
    *("1970-01-01", "2037-06-01 12:00", "1893-04-01 00:03", "2024-01-01T00:00:00+24:00"),
    *(" 2024-01-01", "2024-01-01 ", "2024-01-01T00:00:00.120Z", "NA", "1325376000"),
)
moments = st.datetimes(datetime(1960, 1, 1), datetime(2050, 1, 1))  # noqa: DTZ001  # local times
times = st.one_of(
    st.builds(
        lambda at, between, clock, ending: f"{at:%Y-%m-%d}{between}{at.strftime(clock)}{ending}",
        moments,
        st.sampled_from(" T"),
        st.sampled_from(["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S.5", "%H:%M:60", "24:00"]),
        st.sampled_from(["", "Z", "+01:00", "-03:30", "+14:00", "+0100", "+01", " Z", "z"]),
    ),
    moments.map(lambda at: f"{at:%Y-%m-%d}"),
    st.sampled_from(ODD_TIMES),
)
cells = st.one_of(st.none(), st.booleans(), numbers, spelled, times)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "n": cells,
        "l": st.one_of(st.integers(0, 5), st.floats(0, 5), cells),
        "b": st.one_of(st.booleans(), st.sampled_from(["yes", "0"]), cells),
        "c": cells,
        "a": st.one_of(st.just("x"), st.just(1), cells),
        "t": st.one_of(times, cells),
        "id": st.one_of(st.integers(0, 5), st.sampled_from(["a|b", "a\\", "1.0"]), cells),
    },
)


def by_file(
    specification: Specification, row: Mapping[str, Any]
) -> tuple[list[float], str | None] | set[str]:
    """Read a row as files are read: as text, validated and encoded; or give the reasons."""
    keyed = "id" in row
    model = specification if keyed else specification.model_copy(update={"key": ()})
    wanted = dict.fromkeys((*model.key, *model.feature_names))
    try:
        texts = [pl.Series(name, [text(row.get(name))], dtype=pl.String) for name in wanted]
    except UnicodeEncodeError:
        return {"no text"}
    # A bool is one of the file's own type, except where such a type would refuse the whole file.
    frame = pl.DataFrame(
        [
            pl.Series(t.name, [row[t.name]])
            if isinstance(row.get(t.name), bool) and t.name != "t"
            else t
            for t in texts
        ]
    )
    parted = InputValidator(model).validate(frame, first_place=1)
    if parted.good.is_empty():
        return set(parted.bad[REASONS][0].to_list())
    key = parted.good["_key"][0] if keyed else None
    return learned(specification).encode(parted.good)[0].tolist(), key


def text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return str(cell).lower() if isinstance(cell, bool) else repr(cell)


def quickly(
    specification: Specification, row: Mapping[str, Any]
) -> tuple[list[float], str | None] | None:
    """Read a row the quick way; None if that is not sure."""
    signature = signature_of(specification, learned(specification), 1)
    keys, found = KeyReader(signature), [0.0] * len(signature.matrix_columns)

    def fill(*numbers: float) -> None:
        found[:] = np.array(numbers, dtype=np.float64).tolist()

    try:
        key = keys.read([row.get(n) for n in keys.columns]) if keys.is_given(row) else None
        RowReader(signature).read_named(row, fill)
    except UnsureError:
        return None
    return found, key


def same(one: list[float], other: list[float]) -> bool:
    return np.array_equal(one, other, equal_nan=True)


SPECIFICATIONS = [VIENNA, UTC_MODEL]
GOOD = {"n": 1.5, "l": 1, "b": True, "c": "true", "a": "x", "t": "2024-05-01 12:00", "id": 7}
many = settings(max_examples=200)
some = settings(many, max_examples=60)


def check_row(specification: Specification, row: dict[str, Any]) -> None:
    found = quickly(specification, row)
    meant = by_file(specification, row)
    if found is not None:
        assert isinstance(meant, tuple), meant
        assert same(found[0], meant[0])
        assert found[1] == meant[1]


@many
@given(st.sampled_from(SPECIFICATIONS), st.sampled_from(sorted(GOOD)), cells)
@example(VIENNA, "n", 2**53 + 1)
@example(VIENNA, "l", 2**53 + 1)
@example(VIENNA, "c", 9007199254740993)
@example(VIENNA, "c", 1e16)
@example(VIENNA, "t", True)
@example(VIENNA, "t", "2024-03-31 02:30")
@example(VIENNA, "t", "2024-10-27 02:30")
def test_a_cell_read_quickly_means_what_it_means_in_a_file(
    specification: Specification, column: str, cell: Any
) -> None:
    check_row(specification, {**GOOD, column: cell})


@some
@given(st.sampled_from(SPECIFICATIONS), plausible)
def test_a_row_read_quickly_means_what_it_means_in_a_file(
    specification: Specification, row: dict[str, Any]
) -> None:
    check_row(specification, row)


@some
@given(st.sampled_from(SPECIFICATIONS), st.sampled_from(sorted(GOOD)), cells)
def test_the_careful_way_reads_and_refuses_as_files_do(
    specification: Specification, column: str, cell: Any
) -> None:
    row = {**GOOD, column: cell}
    meant = by_file(specification, row)
    reader = CheckedReader(signature_of(specification, learned(specification), 1))
    columns = {name: [said] for name, said in row.items()}
    if isinstance(meant, tuple):
        matrix, keys = reader.read(columns, 1, keyed=True)
        assert same(matrix[0].tolist(), meant[0])
        assert keys == [meant[1]]
        return
    with pytest.raises(DataError) as refused:
        reader.read(columns, 1, keyed=True)
    if meant != {"no text"}:
        assert isinstance(refused.value, RowsRefusedError)
        assert {f"{code}:{name}" for _, name, code in refused.value.refusals} == meant
        assert {place for place, _, _ in refused.value.refusals} == {1}


columns_of_cells = st.integers(1, 4).flatmap(
    lambda n_rows: st.tuples(
        st.sampled_from(sorted(GOOD)), st.lists(cells, min_size=n_rows, max_size=n_rows)
    )
)


@some
@given(st.sampled_from(SPECIFICATIONS), columns_of_cells)
def test_many_rows_mean_what_each_of_them_means(
    specification: Specification, given_cells: tuple[str, list[Any]]
) -> None:
    column, column_cells = given_cells
    rows = [{**GOOD, column: cell} for cell in column_cells]
    signature = signature_of(specification, learned(specification), 1)
    columns = {name: [row[name] for row in rows] for name in GOOD}
    try:
        matrix = BatchReader(signature).read_columns(
            [columns[n] for n in signature.names], len(rows)
        )
        keyed = KeyReader(signature)
        keys = [keyed.read([row[name] for name in keyed.columns]) for row in rows]
    except UnsureError:
        return
    for row, numbers, key in zip(rows, matrix, keys, strict=True):
        meant = by_file(specification, row)
        assert isinstance(meant, tuple), meant
        assert same(numbers.tolist(), meant[0])
        assert key == meant[1]


@some
@given(st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=1, max_size=3))
def test_rows_of_numbers_mean_what_each_of_them_means(rows: list[list[Any]]) -> None:
    plain = said(key=(), features={"n": "numeric", "l": {"kind": "numeric", "max": 2**53}})
    reader = BatchReader(signature_of(plain, learned(plain), 1))
    try:
        matrix = reader.read_rows(rows)
    except UnsureError:
        return
    for row, found in zip(rows, matrix, strict=True):
        meant = by_file(plain, dict(zip("nl", row, strict=True)))
        assert isinstance(meant, tuple), meant
        assert same(found.tolist(), meant[0])


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("n", cell) for cell in (1, 1.5, -2, True, None, "1.5", "-3e-2", "NA", 2**60)],
        *[("b", cell) for cell in (True, False, None, "yes", "No", 0, 1.0, "TRUE", "")],
        *[("c", cell) for cell in ("true", "new", "", None, 1, 1.0, 1.5, True, "\u00e4", "7.0")],
        *[("a", cell) for cell in ("x", 1, "1.0", True)],
        *[("t", "2024-01-01" + clock) for clock in ("", " 12:00", "T12:00:00", "T12:00:00.123Z")],
        *[("t", cell) for cell in ("2024-01-01T00:00:00+01:00", "2024-03-31 02:30")],
    ],
)
def test_usual_cells_need_no_careful_look(column: str, cell: Any) -> None:
    assert quickly(VIENNA, {**GOOD, column: cell}) is not None


told = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


FEATURES = ("f0", "a", "b c", "\u00e4")


@many
@given(
    st.permutations(FEATURES),
    st.lists(st.sampled_from(FEATURES), max_size=1),
    st.integers(0, 4),
    st.lists(told, min_size=5, max_size=5),
)
def test_a_text_read_at_once_holds_what_its_object_holds(
    order: list[str], again: list[str], n_left_out: int, cells: list[Any]
) -> None:
    """What names a feature twice, or not at all, is never read so."""
    named = [*order[n_left_out:], *again]
    pairs = [f"{json.dumps(n)}: {json.dumps(c)}" for n, c in zip(named, cells, strict=False)]
    text = "{" + ", ".join(pairs) + "}"
    try:
        found = TextReader(FEATURES).read(text)
    except UnsureError:
        return
    assert sorted(named) == sorted(FEATURES)
    assert [*map(repr, found)] == [repr(read_object(text)[name]) for name in FEATURES]


@pytest.mark.parametrize(
    "row", [(1, 2.5, None, True), (1, "x", None, "yes"), (2**70, -0.0, 0, "")]
)
def test_usual_texts_are_read_at_once(row: tuple[Any, ...]) -> None:
    assert TextReader(FEATURES).read(json.dumps(dict(zip(FEATURES, row, strict=True)))) == row


def test_names_that_the_codec_cannot_look_up_are_left_to_others() -> None:
    for name in ('a"b', "a\\b", "a\nb"):
        with pytest.raises(UnsureError):
            TextReader([name]).read(json.dumps({name: 1}))
