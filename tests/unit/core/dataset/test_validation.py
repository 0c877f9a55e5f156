"""Validation parts rows: typed ones to store, bad ones with all their reasons."""

from datetime import UTC, datetime

import polars as pl
import pytest
from tests.unit.core.dataset.specifications import specification

from iris_ct.core.dataset.validation import (
    PLACE,
    RAGGED,
    REASONS,
    InputValidator,
    LabelValidator,
    RowValidator,
    ValidatedChunk,
    stored_rows,
)
from iris_ct.core.errors import SchemaMismatchError


def reasons(chunk: ValidatedChunk) -> dict[int, list[str]]:
    return dict(zip(chunk.bad[PLACE].to_list(), chunk.bad[REASONS].to_list(), strict=True))


def test_good_rows_are_typed_as_stored() -> None:
    spec = specification(
        key="id",
        event_time="at",
        group="ward",
        features={
            "n": "numeric",
            "c": "categorical",
            "b": "boolean",
            "d": {"kind": "datetime", "parts": ["hour"]},
        },
    )
    frame = pl.DataFrame(
        {
            "extra": ["x"],
            "y": ["2.5"],
            "d": ["2024-01-01T01:00"],
            "b": ["yes"],
            "c": ["red"],
            "n": ["1"],
            "ward": ["3.0"],
            "at": ["2024-01-01"],
            "id": ["7"],
        }
    )
    chunk = RowValidator(spec).validate(frame, first_place=5)
    assert chunk.bad.is_empty()
    rows = stored_rows(chunk.good, spec, batch_id="m-1", first_row=40)
    assert dict(rows.schema) == {
        "_row": pl.Int64(),
        "_position": pl.Int64(),
        "_key": pl.String(),
        "ward": pl.String(),
        "n": pl.Float64(),
        "c": pl.String(),
        "b": pl.Boolean(),
        "d": pl.Datetime("us", "UTC"),
        "y": pl.Float64(),
    }
    assert rows.row(0) == (
        40,
        1_704_067_200_000_000,
        "7",
        "3",
        1.0,
        "red",
        True,
        datetime(2024, 1, 1, 1, tzinfo=UTC),
        2.5,
    )


def test_all_reasons_of_a_row_are_collected() -> None:
    spec = specification(
        key="id",
        event_time="at",
        group="ward",
        features={
            "n": {"kind": "numeric", "min": 0, "max": 10, "nullable": False},
            "c": {"kind": "categorical", "allowed": ["a", "b"]},
            "b": "boolean",
        },
    )
    frame = pl.DataFrame(
        {
            "id": ["1", "", "3", "4", "5"],
            "at": ["2024-01-01", "x", "", "2024-01-01", "2024-01-01"],
            "ward": ["w", "", "w", "w", "w"],
            "n": ["0", "-1", "11", "", "inf"],
            "c": ["a", "c", "", "b", "b"],
            "b": ["t", "2", "", "f", "f"],
            "y": ["", "x", "1", "inf", "3"],
        }
    )
    validator = RowValidator(spec)
    chunk = validator.validate(frame, first_place=11)
    assert chunk.good[PLACE].to_list() == [11]
    found = {place: sorted(codes) for place, codes in reasons(chunk).items()}
    assert found == {
        12: [
            "bad_target:y",
            "below_minimum:n",
            "missing_group:ward",
            "missing_key:id",
            "not_a_time:at",
            "not_allowed:c",
            "not_boolean:b",
        ],
        13: ["above_maximum:n", "missing_time:at"],
        14: ["bad_target:y", "missing_value:n"],
        15: ["not_finite:n"],
    }
    report = validator.report()
    assert (report.n_rows, report.n_bad, report.n_labelled) == (5, 4, 0)
    assert report.reasons["bad_target:y"] == 2
    assert report.verdict == "quarantined"


def test_bounds_include_their_ends() -> None:
    spec = specification(features={"n": {"kind": "numeric", "min": 0, "max": 10}})
    frame = pl.DataFrame({"n": ["0", "10", "-0.001", "10.001"], "y": ["1"] * 4})
    assert list(reasons(RowValidator(spec).validate(frame, first_place=1))) == [3, 4]


def test_a_row_without_target_is_kept_and_one_with_an_unreadable_target_is_bad() -> None:
    frame = pl.DataFrame({"n": ["1"] * 4, "y": ["1", "", "NA", "many"]})
    validator = RowValidator(specification())
    chunk = validator.validate(frame, first_place=1)
    assert chunk.good["y"].to_list() == [1.0, None, None]
    assert reasons(chunk) == {4: ["bad_target:y"]}
    assert validator.report().n_labelled == 1


def test_a_file_without_the_target_column_waits_for_labels() -> None:
    validator = RowValidator(specification())
    chunk = validator.validate(pl.DataFrame({"n": ["1", "2"]}), first_place=1)
    assert chunk.good["y"].to_list() == [None, None]
    assert chunk.good["y"].dtype == pl.Float64
    assert [issue.code for issue in validator.report().issues] == ["target_absent"]


def test_an_unknown_category_is_no_error() -> None:
    spec = specification(features={"c": "categorical"}, task="multiclass")
    frame = pl.DataFrame({"c": ["never seen"], "y": ["new class"]})
    chunk = RowValidator(spec).validate(frame, first_place=1)
    assert chunk.good["y"].to_list() == ["new class"]


def test_bad_rows_keep_what_the_file_said() -> None:
    frame = pl.DataFrame({"n": ["007", "x"], "y": [" 1", "1.50"], "note": ["é", "kept"]})
    chunk = RowValidator(specification()).validate(frame, first_place=1)
    assert chunk.bad.drop(PLACE, REASONS).rows() == [("x", "1.50", "kept")]
    assert set(chunk.bad.drop(PLACE, REASONS).dtypes) == {pl.String}


def test_bad_rows_of_a_typed_file_become_text() -> None:
    spec = specification(features={"n": {"kind": "numeric", "max": 1}})
    frame = pl.DataFrame(
        {"n": [2.5], "y": [1], "at": [datetime.fromisoformat("2024-01-01")], "l": [[1, 2]]}
    )
    chunk = RowValidator(spec).validate(frame, first_place=1)
    assert chunk.bad.columns == [PLACE, REASONS, "n", "y", "at"]
    assert chunk.bad.row(0)[2:4] == ("2.5", "1")


def test_good_and_bad_have_the_same_columns_in_every_chunk() -> None:
    """A Parquet writer takes its columns from the first chunk."""
    validator = RowValidator(specification())
    clean = validator.validate(pl.DataFrame({"n": ["1"], "y": ["1"]}), first_place=1)
    dirty = validator.validate(pl.DataFrame({"n": ["x"], "y": ["1"]}), first_place=2)
    assert clean.good.schema == dirty.good.schema
    assert clean.bad.schema == dirty.bad.schema


def test_ragged_rows_have_that_one_reason() -> None:
    frame = pl.DataFrame(
        {"n": ["1", "x", None], "y": ["1", "2,3", None], RAGGED: [None, 3, 1]},
        schema_overrides={RAGGED: pl.Int64},
    )
    chunk = RowValidator(specification()).validate(frame, first_place=1)
    assert reasons(chunk) == {2: ["ragged_row"], 3: ["ragged_row"]}
    assert RAGGED not in chunk.bad.columns


def test_a_ragged_row_stays_bad_when_it_comes_back_from_quarantine() -> None:
    """What stood in the line was in the wrong columns, and still is."""
    frame = pl.DataFrame(
        {
            PLACE: [4, 9],
            REASONS: [["ragged_row"], ["above_maximum:n"]],
            "n": ["1", "2"],
            "y": ["1", "1"],
        }
    )
    chunk = RowValidator(specification()).validate(frame, first_place=1)
    assert reasons(chunk) == {1: ["ragged_row"]}


def test_a_batch_is_held_whole_with_the_reasons_of_its_bad_rows() -> None:
    validator = RowValidator(specification())
    table = {"n": ["1", "x", "3"], "y": ["1", "1", "z"], RAGGED: [None, None, 3]}
    frame = pl.DataFrame(table, schema_overrides={RAGGED: pl.Int64})
    dirty = validator.hold(frame, first_place=1)
    assert dirty.columns == [PLACE, REASONS, "n", "y"]
    assert dirty[REASONS].to_list() == [[], ["not_a_number:n"], ["ragged_row"]]
    clean = validator.hold(pl.DataFrame({"n": ["1"], "y": ["1"]}), first_place=4)
    assert clean.schema == dirty.schema
    assert clean.rows() == [(4, [], "1", "1")]
    report = validator.report()
    assert (report.n_rows, report.n_bad) == (4, 2)


def test_missing_columns_are_named_with_what_the_file_has_instead() -> None:
    spec = specification(features={"income": "numeric", "tenure_months": "numeric"})
    schema = pl.Schema({"Income": pl.String, "y": pl.String})
    with pytest.raises(SchemaMismatchError) as caught:
        RowValidator(spec).check_columns(schema, source="loans.csv")
    assert str(caught.value) == (
        'loans.csv lacks 2 of 2 columns of model "m": income, tenure_months. '
        "The file has Income for income.\n"
        "Expected the columns of models/m.toml. Fix the export, or declare the columns it has in "
        "models/m.toml."
    )


@pytest.mark.parametrize(
    ("column", "dtype"),
    [("n", pl.List(pl.Int64)), ("n", pl.Datetime()), ("at", pl.Int64()), ("c", pl.Binary())],
)
def test_types_that_cannot_be_read_are_refused_at_once(column: str, dtype: pl.DataType) -> None:
    spec = specification(event_time="at", features={"n": "numeric", "c": "categorical"})
    schema = {"n": pl.Float64(), "c": pl.String(), "at": pl.String(), "y": pl.Float64()}
    with pytest.raises(SchemaMismatchError, match=rf"cannot be read as declared: {column} \("):
        RowValidator(spec).check_columns(pl.Schema(schema | {column: dtype}), source="x.parquet")


def test_extra_columns_and_empty_features_are_told_and_are_no_error() -> None:
    spec = specification(features={"n": "numeric", "m": "numeric"})
    validator = RowValidator(spec)
    frame = pl.DataFrame({"n": ["1"], "m": [""], "y": ["1"], "other": ["x"], "_place": ["4"]})
    validator.validate(frame, first_place=1)
    report = validator.report()
    assert [(i.code, i.column, i.severity) for i in report.issues] == [
        ("empty_column", "m", "warning"),
        ("extra_column", "other", "info"),
    ]
    assert report.verdict == "accepted"


def test_reject_refuses_the_second_row_of_a_key_across_chunks() -> None:
    spec = specification(key="id", on_duplicate="reject")
    validator = RowValidator(spec)
    first = validator.validate(
        pl.DataFrame({"id": ["a", "b", "a"], "n": ["1"] * 3, "y": ["1"] * 3}), first_place=1
    )
    second = validator.validate(
        pl.DataFrame({"id": ["c", "b", None], "n": ["1"] * 3, "y": ["1"] * 3}), first_place=4
    )
    assert reasons(first) == {3: ["duplicate_key_in_batch:id"]}
    assert reasons(second) == {5: ["duplicate_key_in_batch:id"], 6: ["missing_key:id"]}


def test_reject_asks_for_known_keys() -> None:
    spec = specification(key="id", on_duplicate="reject")
    validator = RowValidator(spec, known_keys=lambda keys: keys == "b")
    frame = pl.DataFrame({"id": ["a", "b"], "n": ["1"] * 2, "y": ["1"] * 2})
    assert reasons(validator.validate(frame, first_place=1)) == {2: ["known_key:id"]}


@pytest.mark.parametrize("rule", ["replace", "keep"])
def test_other_rules_let_repeated_keys_pass(rule: str) -> None:
    spec = specification(key="id", on_duplicate=rule)
    frame = pl.DataFrame({"id": ["a", "a"], "n": ["1"] * 2, "y": ["1"] * 2})
    assert RowValidator(spec).validate(frame, first_place=1).bad.is_empty()


@pytest.mark.parametrize(
    ("n_bad", "verdict"), [(0, "accepted"), (2, "accepted"), (3, "quarantined")]
)
def test_too_many_bad_rows_quarantine_the_batch(n_bad: int, verdict: str) -> None:
    spec = specification(data={"max_bad_share": 0.2})
    values = ["x"] * n_bad + ["1"] * (10 - n_bad)
    validator = RowValidator(spec)
    validator.validate(pl.DataFrame({"n": values, "y": ["1"] * 10}), first_place=1)
    report = validator.report()
    assert report.bad_share == n_bad / 10
    assert report.verdict == verdict


def test_a_batch_without_a_good_row_is_quarantined_whatever_the_share() -> None:
    validator = RowValidator(specification(data={"max_bad_share": 1.0}))
    validator.validate(pl.DataFrame({"n": ["x"], "y": ["1"]}), first_place=1)
    assert validator.report().verdict == "quarantined"


def test_a_report_names_the_first_rows_and_never_a_value() -> None:
    validator = RowValidator(specification())
    for first in (1, 5):
        frame = pl.DataFrame({"n": ["secret"] * 4, "y": ["1"] * 4})
        validator.validate(frame, first_place=first)
    report = validator.report()
    assert report.content()["issues"][0] == {
        "code": "not_a_number",
        "column": "n",
        "severity": "error",
        "n_rows": 8,
        "first_rows": [1, 2, 3, 4, 5],
        "meaning": "no number",
    }
    assert "not_a_number in column 'n', 8 rows (row 1, 2, 3, 4, 5, ...)" in report.text()
    assert "secret" not in report.text() + str(report.content())


def test_a_file_of_no_rows_is_accepted_as_empty() -> None:
    validator = RowValidator(specification())
    validator.check_columns(pl.Schema({"n": pl.String, "y": pl.String}), source="x.csv")
    report = validator.report()
    assert (report.n_rows, report.bad_share, report.verdict) == (0, 0.0, "accepted")


def test_labels_need_key_and_target() -> None:
    spec = specification(key=["id", "part"])
    frame = pl.DataFrame(
        {"id": ["1", "2", "", "4"], "part": ["a"] * 4, "y": ["1.5", "", "1", "x"]}
    )
    chunk = LabelValidator(spec).validate(frame, first_place=1)
    assert chunk.good.rows() == [(1, "1|a", 1.5)]
    assert reasons(chunk) == {
        2: ["missing_target:y"],
        3: ["missing_key:id,part"],
        4: ["bad_target:y"],
    }


def test_labels_of_a_model_without_key_name_the_rows_by_their_place() -> None:
    frame = pl.DataFrame({"_key": ["m-000001:3", None], "y": ["1", "2"]})
    chunk = LabelValidator(specification()).validate(frame, first_place=1)
    assert chunk.good.rows() == [(1, "m-000001:3", 1.0)]
    assert reasons(chunk) == {2: ["missing_key:_key"]}
    assert "_key" in chunk.bad.columns


def test_labels_without_a_target_column_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="lacks 1 of 2 columns"):
        LabelValidator(specification(key="id")).check_columns(
            pl.Schema({"id": pl.String}), source="labels.csv"
        )


def test_inputs_need_neither_target_nor_time_nor_group() -> None:
    spec = specification(key="id", event_time="at", group="ward")
    frame = pl.DataFrame({"id": ["1", "2"], "n": ["1", "x"]})
    chunk = InputValidator(spec).validate(frame, first_place=1)
    assert chunk.good.rows() == [(1, "1", 1.0)]
    assert reasons(chunk) == {2: ["not_a_number:n"]}


def test_inputs_need_the_time_if_it_is_a_feature() -> None:
    spec = specification(event_time="at", features={"at": {"kind": "datetime", "parts": ["hour"]}})
    with pytest.raises(SchemaMismatchError, match=": at"):
        InputValidator(spec).check_columns(pl.Schema({"n": pl.String}), source="x.csv")
    chunk = InputValidator(spec).validate(pl.DataFrame({"at": ["2024-01-01"]}), first_place=1)
    assert chunk.good["at"].dtype == pl.Datetime("us", "UTC")


def test_event_time_may_be_a_feature_as_well() -> None:
    spec = specification(event_time="at", features={"at": {"kind": "datetime", "parts": ["hour"]}})
    frame = pl.DataFrame({"at": ["2024-01-01", "soon"], "y": ["1", "1"]})
    chunk = RowValidator(spec).validate(frame, first_place=1)
    assert chunk.good.columns == [PLACE, "_position", "at", "y"]
    assert reasons(chunk) == {2: ["not_a_time:at"]}


def test_an_event_time_too_far_ahead_of_the_clock_is_bad() -> None:
    spec = specification(event_time="at", data={"max_ahead": "2h"})
    frame = pl.DataFrame(
        {
            "at": ["2024-01-01T14:00", "2024-01-01T14:01", "2204-01-01"],
            "n": ["1"] * 3,
            "y": ["1"] * 3,
        }
    )
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    chunk = RowValidator(spec, now=noon).validate(frame, first_place=1)
    assert reasons(chunk) == {2: ["time_in_future:at"], 3: ["time_in_future:at"]}
    assert RowValidator(spec).validate(frame, first_place=1).bad.is_empty()


def test_a_day_ahead_is_allowed_unless_the_model_says_otherwise() -> None:
    spec = specification(event_time="at")
    frame = pl.DataFrame({"at": ["2024-01-02", "2024-01-03"], "n": ["1"] * 2, "y": ["1"] * 2})
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert list(reasons(RowValidator(spec, now=noon).validate(frame, first_place=1))) == [2]


def test_a_third_class_is_bad_once_two_are_known() -> None:
    spec = specification(task="binary", key="id")
    frame = pl.DataFrame({"id": ["a", "b", "c"], "n": ["1"] * 3, "y": ["yes", "Yess", None]})
    classes = ("no", "yes")
    rows = RowValidator(spec, classes=classes).validate(frame, first_place=1)
    assert reasons(rows) == {2: ["bad_target:y"]}
    labels = LabelValidator(spec, classes=classes).validate(frame, first_place=1)
    assert reasons(labels) == {2: ["bad_target:y"], 3: ["missing_target:y"]}


def test_group_and_key_may_be_features_as_well() -> None:
    spec = specification(key="n", group="n")
    chunk = RowValidator(spec).validate(pl.DataFrame({"n": ["7.0"], "y": ["1"]}), first_place=1)
    assert chunk.good.rows() == [(1, "7", 7.0, 1.0)]


def test_arrival_order_is_the_position_without_an_event_time() -> None:
    spec = specification()
    chunk = RowValidator(spec).validate(
        pl.DataFrame({"n": ["1", "x", "3"], "y": ["1"] * 3}), first_place=1
    )
    rows = stored_rows(chunk.good, spec, batch_id="m-000002", first_row=10)
    assert rows.select("_row", "_position", "_key").rows() == [
        (10, 10, "m-000002:1"),
        (11, 11, "m-000002:3"),
    ]


def test_a_text_with_nul_is_bad_wherever_it_stands() -> None:
    """PostgreSQL takes it in no text, so such a row could never be shown as one of SQL."""
    spec = specification(
        key=["id", "part"],
        group="ward",
        task="binary",
        features={"c": "categorical", "b": "boolean"},
    )
    good = {"id": "7", "part": "a", "ward": "w", "c": "red", "b": "yes", "y": "no"}
    wrong = [{**good, name: "a\0"} for name in good]
    chunk = RowValidator(spec).validate(pl.DataFrame([good, *wrong]), first_place=1)
    assert chunk.good[PLACE].to_list() == [1]
    assert reasons(chunk) == {
        place: [f"nul_character:{name}"]
        for place, name in enumerate(["id,part", "id,part", "ward", "c", "b", "y"], start=2)
    }


def test_a_label_or_input_with_nul_is_bad() -> None:
    spec = specification(key="id", task="binary", features={"c": "categorical"})
    labels = LabelValidator(spec).validate(
        pl.DataFrame({"id": ["1", "2\0", "3"], "y": ["a", "b", "b\0"]}), first_place=1
    )
    assert reasons(labels) == {2: ["nul_character:id"], 3: ["nul_character:y"]}
    inputs = InputValidator(spec).validate(
        pl.DataFrame({"id": ["1\0", None, "3"], "c": ["a", "b", "\0"]}), first_place=1
    )
    assert reasons(inputs) == {
        1: ["nul_character:id"],
        2: ["missing_key:id"],
        3: ["nul_character:c"],
    }
