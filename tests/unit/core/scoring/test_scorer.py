"""A scorer answers what a prediction of the same rows as a file would say, bit for bit."""

import json
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from tests.unit.core.scoring.models import Fitted, fitted

from iris_ct.core.errors import DataError, IncompatibleModelError
from iris_ct.core.scoring.inputs import Inputs, Outputs, RowsRefusedError
from iris_ct.core.scoring.scorer import BASE, Scorer
from iris_ct.core.scoring.signature import Signature, signature_of
from iris_ct.core.specification import Task

TASKS: tuple[Task, ...] = ("regression", "binary", "multiclass")
NAMES = ("size", "heavy", "colour", "sent")


@pytest.fixture(scope="module", params=TASKS)
def model(request: pytest.FixtureRequest) -> Fitted:
    return fitted(request.param)


@pytest.fixture(scope="module")
def regression() -> Fitted:
    return fitted()


def check(model: Fitted, outputs: Outputs, places: slice) -> None:
    """Hold answers against the predictions of the same rows as a file."""
    meant = model.by_file[places]
    assert list(outputs.prediction) == meant["prediction"].to_list()
    if model.specification.task == "regression":
        assert outputs.probabilities is None
        return
    assert outputs.probabilities is not None
    assert outputs.classes == model.encoding.classes
    if model.specification.task == "binary":
        positive = meant["probability"].to_numpy()
        assert np.array_equal(outputs.probabilities[:, 1], positive)
        assert np.array_equal(outputs.probabilities[:, 0], 1.0 - positive)
        return
    names = [f"probability_{name}" for name in model.encoding.classes]
    assert np.array_equal(outputs.probabilities, meant[names].to_numpy())


def test_single_rows_are_scored_as_in_a_file(model: Fitted) -> None:
    scorer, rows = model.scorer, model.rows()
    for place in range(50):
        check(model, scorer.score_row(rows[place]), slice(place, place + 1))
        alone = Inputs(rows=[[rows[place][name] for name in NAMES]])
        check(model, scorer.score(alone), slice(place, place + 1))


def test_the_text_of_a_row_gives_the_number_that_the_row_gives(model: Fitted) -> None:
    scorer, rows = model.scorer, model.rows()
    is_number = model.specification.task == "regression"
    for place in range(50):
        found = scorer.number_of(json.dumps(rows[place]))
        assert found == (model.by_file["prediction"][place] if is_number else None)


@pytest.mark.parametrize(
    "text",
    [
        '{"size": 1, "heavy": true, "colour": "red"}',
        '{"size": 1, "heavy": true, "colour": "red", "sent": null, "size": 2}',
        '{"size": 1, "heavy": true, "colour": "red", "size": null}',
        '{"size": 1, "heavy": true, "colour": "red", "sent": null, "other": 1}',
        '{"size": 1, "heavy": true, "colour": "r\\"ed", "sent": null}',
        '{"size": 1, "heavy": true, "colour": {"a": 1}, "sent": null}',
        '{"size": NaN, "heavy": true, "colour": "red", "sent": null}',
        '{"size": 1, "heavy": true, "colour": "\ud800", "sent": null}',
        '{"size": " 1.5 ", "heavy": true, "colour": "red", "sent": null}',
        '[1, true, "red", null]',
        "2024-01-01",
        "[" * 100_000,
        "",
    ],
)
def test_texts_that_are_not_as_usual_are_left_to_the_careful_way(
    regression: Fitted, text: str
) -> None:
    assert regression.scorer.number_of(text) is None


def test_a_row_that_has_a_key_is_no_mere_number() -> None:
    keyed = fitted(key=("size", "sent"))
    assert keyed.scorer.number_of(json.dumps(keyed.rows()[0])) is None


@pytest.mark.parametrize("threads", [1, 2])
def test_many_rows_are_scored_as_in_a_file(model: Fitted, threads: int) -> None:
    scorer, rows = model.scorer, model.rows()
    scorer.threads = threads
    backwards = tuple(reversed(NAMES))
    for inputs in (
        Inputs(rows=[[row[name] for name in NAMES] for row in rows]),
        Inputs(names=backwards, rows=[[row[name] for name in backwards] for row in rows]),
        Inputs(columns={name: [row[name] for row in rows] for name in NAMES}),
        Inputs(columns={name: np.array([row[name] for row in rows]) for name in NAMES}),
    ):
        check(model, scorer.score(inputs), slice(None))


def test_arrays_of_numbers_are_scored_as_rows_of_them() -> None:
    model = fitted(features={"size": "numeric", "heavy": "boolean"})
    scorer = model.scorer
    matrix = model.frame.select("size", "heavy").to_numpy().astype(np.float64)
    matrix[3, 0] = matrix[4, 1] = np.nan
    by_row = [scorer.score_row({"size": a, "heavy": b}).prediction[0] for a, b in matrix.tolist()]
    assert list(scorer.score(Inputs(matrix=matrix)).prediction) == by_row
    named = Inputs(names=("heavy", "size"), matrix=matrix[:, ::-1])
    assert list(scorer.score(named).prediction) == by_row


def test_features_that_are_not_named_are_missing(regression: Fitted) -> None:
    scorer = regression.scorer
    nothing = scorer.score_row(dict.fromkeys(NAMES)).prediction
    assert scorer.score_row({}).prediction == nothing
    assert list(scorer.score(Inputs(columns={"size": [None, None]})).prediction) == [*nothing] * 2
    assert scorer.score_row({"colour": "never seen"}).prediction == nothing


@pytest.mark.parametrize(
    "row",
    [
        {"size": " 1.5 ", "heavy": "Yes", "colour": "red", "sent": "2024-03-01T05:00+0100"},
        {"size": "+1.5", "heavy": 1.0, "colour": "red", "sent": "2024-03-01 04:00"},
    ],
)
def test_odd_spellings_are_scored_as_usual_ones(regression: Fitted, row: dict[str, Any]) -> None:
    usual = {"size": 1.5, "heavy": True, "colour": "red", "sent": "2024-03-01T04:00:00Z"}
    expected = regression.scorer.score_row(usual).prediction
    assert regression.scorer.score_row(row).prediction == expected
    names, cells = tuple(row), [list(row.values())]
    assert regression.scorer.score(Inputs(names=names, rows=cells)).prediction == expected


def test_keys_are_given_back_as_the_store_spells_them() -> None:
    scorer = fitted(key=["depot", "seen"]).scorer
    row = {"size": 1, "depot": 7.0, "seen": "2024-03-01 04:00"}
    assert scorer.score_row(row).keys == ["7|2024-03-01T04:00:00Z"]
    inputs = Inputs(columns={"depot": ["a|b", 1], "seen": ["2024-03-01", "2024-03-02"]})
    assert scorer.score(inputs).keys == [r"a\|b|2024-03-01T00:00:00Z", "1|2024-03-02T00:00:00Z"]
    odd = Inputs(columns={"depot": ["x", 1], "seen": ["2024-03-01T00:00+0000", "2024-03-02"]})
    assert scorer.score(odd).keys == ["x|2024-03-01T00:00:00Z", "1|2024-03-02T00:00:00Z"]
    assert scorer.score_row({"size": 1}).keys is None
    assert scorer.score(Inputs(rows=[[1, 0, "red", None]])).keys is None


@pytest.mark.parametrize("key", [["depot", "seen"], ["sent"], ["depot", "sent"]])
def test_a_row_alone_has_the_answer_and_the_key_that_it_has_among_others(key: list[str]) -> None:
    """One row goes the quick way, two rows go column by column."""
    scorer = fitted(key=key).scorer
    row = {"size": 1, "heavy": 0, "colour": "red", "sent": "2024-03-01"}
    whole = {"depot": 7.0, "seen": "2024-03-01 04:00"}
    for said in (row, {**row, **{name: whole[name] for name in key if name in whole}}):
        names, cells = tuple(said), [*said.values()]
        both = scorer.score(Inputs(names=names, rows=[cells, cells]))
        alone = scorer.score(Inputs(names=names, rows=[cells]))
        assert [*alone.prediction] == [*both.prediction][:1]
        assert alone.keys == (both.keys and both.keys[:1])


def test_a_key_that_is_a_feature_is_given_with_it_and_asks_for_no_other_column() -> None:
    alone = fitted(key=["sent"]).scorer
    assert alone.score(Inputs(rows=[[1, 0, "red", "2024-03-01"]])).keys == ["2024-03-01T00:00:00Z"]
    both = fitted(key=["depot", "sent"]).scorer
    assert both.score(Inputs(rows=[[1, 0, "red", "2024-03-01"]])).keys is None
    with pytest.raises(RowsRefusedError) as refused:
        both.score_row({"depot": None, "sent": "2024-03-01"})
    assert refused.value.refusals == ((1, "depot,sent", "missing_key"),)


def test_refusals_name_rows_columns_and_reasons_and_no_values() -> None:
    scorer = fitted(
        features={"size": {"kind": "numeric", "max": 5}, "colour": "categorical"}
    ).scorer
    with pytest.raises(RowsRefusedError) as refused:
        scorer.score(Inputs(rows=[[1, "red"], ["secret", "red"], [7, None]]))
    assert refused.value.refusals == ((2, "size", "not_a_number"), (3, "size", "above_maximum"))
    assert "2 of 3" in str(refused.value)
    assert "secret" not in str(refused.value)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.refusals) == (str(refused.value), refused.value.refusals)


def test_an_array_cannot_give_times(regression: Fitted) -> None:
    with pytest.raises(RowsRefusedError) as refused:
        regression.scorer.score(Inputs(matrix=np.ones((1, 4))))
    assert refused.value.refusals == ((1, "sent", "not_a_time"),)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (Inputs(), "0 forms"),
        (Inputs(rows=[[1]], columns={}), "2 forms"),
        (Inputs(rows=[[1, 2, 3, 4, 5]]), "Row 1 has 5 cells; expected 4"),
        (Inputs(rows=[[1, 0, "red", None], [1]]), "Row 2 has 1 cells; expected 4"),
        (Inputs(rows=["four"]), "no list of cells"),
        (Inputs(rows=[[1, 0, "red", [1]]]), "sent: expected a text, number"),
        (Inputs(rows=[[1, 0, {}, None], [1, 0, "red", None]]), "colour: expected a text, number"),
        (Inputs(rows=[[1, 0, "\ud800", None]]), "colour: the text is no Unicode"),
        (Inputs(matrix=np.ones((1, 3))), "expected \\(rows, 4\\)"),
        (Inputs(matrix=np.ones(4)), "expected \\(rows, 4\\)"),
        (Inputs(names=("size", "size"), rows=[[1, 2]]), "a feature twice"),
        (Inputs(names=("sise",), rows=[[1]]), "no feature sise"),
        (Inputs(columns={"size": [1], "heavy": []}), "different numbers of cells: 0, 1"),
    ],
)
def test_rows_that_mean_nothing_are_refused_with_the_reason(
    regression: Fitted, inputs: Inputs, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        regression.scorer.score(inputs)


def test_no_rows_have_no_predictions(model: Fitted) -> None:
    for inputs in (Inputs(rows=[]), Inputs(matrix=np.empty((0, 4))), Inputs(columns={"size": []})):
        outputs = model.scorer.score(inputs)
        assert len(outputs.prediction) == 0


def test_contributions_are_lightgbms_own_and_add_up(model: Fitted) -> None:
    rows = [[row[name] for name in NAMES] for row in model.rows()]
    names, shares = model.scorer.contributions(Inputs(rows=rows))
    assert names == (*NAMES, BASE)
    predicted, theirs = model.theirs
    n_outputs = 3 if model.specification.task == "multiclass" else 1
    theirs = theirs.reshape(len(rows), n_outputs, 6)
    # Hour and weekday, the two parts of the feature "sent", count as one.
    together = np.concatenate(
        [theirs[..., :3], theirs[..., 3:5].sum(axis=2, keepdims=True), theirs[..., 5:]], axis=2
    )
    assert np.allclose(shares.reshape(len(rows), n_outputs, 5), together, rtol=0, atol=1e-12)
    raw = shares.sum(axis=-1)
    if model.specification.task == "binary":
        raw = 1 / (1 + np.exp(-raw))
    elif model.specification.task == "multiclass":
        raw = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    assert np.allclose(raw, predicted, rtol=1e-9)


def test_threads_do_not_disturb_each_other(regression: Fitted) -> None:
    scorer, rows = regression.scorer, regression.rows()[:40]
    expected = [scorer.score_row(row).prediction[0] for row in rows]
    wrong: list[int] = []

    def ask(start: int) -> None:
        for turn in range(300):
            place = (start + turn) % len(rows)
            if scorer.score_row(rows[place]).prediction[0] != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(number * 7,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_answer_is_not_overwritten_by_the_next(regression: Fitted) -> None:
    scorer, rows = regression.scorer, regression.rows()
    first = scorer.score_row(rows[0])
    before = first.prediction[0]
    assert scorer.score_row(rows[1]).prediction[0] != before
    assert first.prediction[0] == before


def test_a_signature_survives_json_and_a_foreign_model_is_refused(model: Fitted) -> None:
    signature = signature_of(model.specification, model.encoding, 3)
    assert Signature.from_json(signature.to_json()) == signature
    with pytest.raises(IncompatibleModelError, match="no signature"):
        Signature.from_json("{}")
    other = fitted(features={"size": "numeric"})
    with pytest.raises(IncompatibleModelError, match="columns"):
        Scorer(other.text, signature)
    with pytest.raises(IncompatibleModelError, match="order"):
        signature_of(other.specification, model.encoding, 3)
