from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.core.wire import exchanges

from iris_ct.core.wire import seldon_feedback
from iris_ct.core.wire.refusal import WireError, error_body
from iris_ct.core.wire.seldon_payload import SeldonAsked


def decoded(message: Any) -> seldon_feedback.Feedback:
    return seldon_feedback.decode(json.dumps(message).encode())


def truth_of(rows: Any, names: list[str] | None = None) -> SeldonAsked:
    truth = decoded({"truth": {"data": {"names": names, "ndarray": rows}}}).truth
    assert truth is not None
    return truth


def test_feedback_is_about_the_answer_that_it_holds() -> None:
    """The message of Seldon's page on the internal API, with the names of both sides added."""
    feedback = decoded(
        {
            "request": {
                "meta": {"puid": "asked"},
                "data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [0, 1]}},
            },
            "response": {
                "meta": {"puid": "answered", "routing": {"bikes": 1.0}},
                "data": {"names": ["a", "b"], "tensor": {"shape": [1, 1], "values": [0.9]}},
            },
            "reward": 1.0,
        }
    )
    assert (feedback.puid, feedback.routing) == ("answered", {"bikes": 1})
    assert (feedback.reward, feedback.truth) == (1.0, None)
    assert feedback.request is not None
    assert exchanges.cells_of(feedback.request.inputs)["cells"] == [[0, 1]]


def test_feedback_without_an_answer_is_about_the_request() -> None:
    assert decoded({"request": {"meta": {"puid": "asked"}}, "reward": 0}).puid == "asked"


def test_truth_is_the_one_column_or_the_one_with_the_target_s_name() -> None:
    assert seldon_feedback.truth_values(truth_of([[7], [None]]), "count") == [7, None]
    named = truth_of([["x", 7]], ["a", "count"])
    assert seldon_feedback.truth_values(named, "count") == [7]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([[1, 2]], "The truth has 2 values a row, expected 1, or one under the target's name."),
        ([[1], ["many"]], "The truth of row 2 is not a number."),
        ([[1], [None]], "The truth of row 2 is not a number."),
    ],
)
def test_truth_that_cannot_be_told_is_refused(rows: Any, text: str) -> None:
    with pytest.raises(WireError) as refused:
        seldon_feedback.truth_values(truth_of(rows), "count", are_numbers=True)
    assert (refused.value.status, refused.value.text) == (400, text)


def test_feedback_without_reward_and_truth_is_refused() -> None:
    with pytest.raises(WireError, match="neither reward nor truth"):
        decoded({"request": {"data": {"ndarray": [[1]]}}})


def test_refusal_has_the_shape_of_its_protocol() -> None:
    assert json.loads(error_body("seldon", 504, "Late.")) == {
        "status": {"code": 504, "info": "Late.", "reason": "TIMEOUT", "status": "FAILURE"}
    }
    assert json.loads(error_body("open_inference", 404, "None.")) == {"error": "None."}
    assert json.loads(error_body("mlflow", 404, "None.")) == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "None.",
    }
