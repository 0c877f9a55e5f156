"""The message classes have the properties that iris_ct.instance.native reads and sets."""

from __future__ import annotations

from typing import Any

import pytest
from tests.objectscript.syntax import read_classes

from iris_ct.instance import native
from iris_ct.messages import PredictionMade, RetrainingDecided

CLASSES = {each.name: each for each in read_classes()}


class NativeMessage:
    """An object of a class as the class file defines it: other properties are refused."""

    def __init__(self, class_name: str, **values: object) -> None:
        properties = CLASSES[class_name].of_kind("property")
        object.__setattr__(self, "_values", dict.fromkeys(properties, ""))
        for name, value in values.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(name)
        return self._values[name]

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._values:
            raise AttributeError(name)
        self._values[name] = value


class Maker:
    """What ``iris.cls(name)`` gives for a message class."""

    def __init__(self, class_name: str) -> None:
        self._class_name = class_name

    def _New(self) -> NativeMessage:
        return NativeMessage(self._class_name)


class Iris:
    """A module ``iris`` with classes."""

    cls = Maker


def test_a_request_to_predict_is_read() -> None:
    asked = NativeMessage(native.PREDICT_REQUEST, Model="bikes", KeyOrJson='{"hr": 8}')
    read = native.prediction_requested(asked)
    assert (read.model, read.row) == ("bikes", '{"hr": 8}')


@pytest.mark.parametrize(("said", "meant"), [(1, True), ("1", True), ("", False), (0, False)])
def test_a_request_to_retrain_is_read(said: object, meant: bool) -> None:
    asked = NativeMessage(
        native.RETRAIN_REQUEST, Model="bikes", AcceptReused=said, Reason="new stations"
    )
    read = native.retraining_requested(asked, request_id="r1", actor="maria")
    assert (read.model, read.request_id, read.actor) == ("bikes", "r1", "maria")
    assert read.accept_reused is meant
    assert read.note == "new stations"


def test_a_prediction_is_told() -> None:
    made = PredictionMade("bikes", "17.5", 3, '{"prediction": 17.5}')
    told = native.predict_response(made, Iris)
    assert told._values == {
        "Model": "bikes",
        "Prediction": "17.5",
        "ModelVersion": 3,
        "Detail": '{"prediction": 17.5}',
    }


def test_a_decision_about_a_retraining_is_told() -> None:
    decided = RetrainingDecided("bikes", "join", "a cycle is open", "bikes-c2", "d7")
    told = native.retrain_response(decided, Iris)
    assert told._values == {
        "Model": "bikes",
        "Outcome": "join",
        "Reason": "a cycle is open",
        "CycleId": "bikes-c2",
        "DecisionId": "d7",
    }


def test_every_message_class_is_used() -> None:
    named = {
        value for name, value in vars(native).items() if name.endswith(("REQUEST", "RESPONSE"))
    }
    assert named == {name for name in CLASSES if name.startswith("CT.Msg.")}
