"""The item Calls: messages of other productions are predictions and retrainings like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.running import MODEL
from tests.instance.fake_iris import FakeIris

from iris_ct import procedures
from iris_ct.bootstrap import Parts, build
from iris_ct.components.operations.calls import CallsOperation
from iris_ct.config import load_settings
from iris_ct.host import Host, HostClient, RequestFailedError
from iris_ct.instance import native
from iris_ct.messages import (
    PredictionMade,
    PredictionRequested,
    RetrainingDecided,
    RetrainingRequested,
)

ROW = json.dumps({"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False})
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Other:
    """Another production on a copy of the home."""

    parts: Parts
    client: HostClient

    def ask(self, message: Any) -> Any:
        return self.client.call("Caller", message, PATIENCE_S)


@pytest.fixture
def other(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Other]:
    monkeypatch.setenv("CT_HOME", str(copied))
    parts = build(load_settings())
    place = {
        "store_url": f"sqlite:///{copied / 'other.db'}",
        "lock_path": copied / "other.lock",
    }
    with (
        Host("tests.procedures.callers:production", **place),  # type: ignore[arg-type]
        HostClient(**place) as client,  # type: ignore[arg-type]
    ):
        yield Other(parts, client)
    parts.store.close()


def test_another_production_gets_the_prediction_that_a_person_gets(other: Other) -> None:
    made = other.ask(PredictionRequested(MODEL, ROW, "order-7"))
    assert isinstance(made, PredictionMade)
    said = procedures.predict_row(other.parts, MODEL, ROW)
    assert json.loads(made.detail) == {**said, "request_id": "row:order-7"}
    assert (float(made.prediction), made.version) == (said["prediction"], 2)


def test_what_cannot_be_predicted_is_told_to_who_asked_and_alerts_nobody(other: Other) -> None:
    with pytest.raises(RequestFailedError, match="has no feature hours"):
        other.ask(PredictionRequested(MODEL, '{"hours": 5}'))
    alerts = [event for event in other.client.events(100) if event.severity == 6]
    assert alerts == []


def test_another_production_asks_for_a_retraining_and_says_why(other: Other) -> None:
    wish = RetrainingRequested(MODEL, "call:1", "manual", "production", note="new tariff")
    decided = other.ask(wish)
    assert isinstance(decided, RetrainingDecided)
    assert decided.outcome == "retrain"
    record = procedures.explain(other.parts, decided.decision_id)["record"]
    assert record["inputs"]["note"] == "new tariff"
    assert other.client.wait_idle(PATIENCE_S)
    [session] = {row.session_id for row in other.client.sessions(10)}
    targets = [row.target for row in other.client.trace(session)]
    assert {"Trigger", "Cycle", "Notification"} <= set(targets)


def test_native_messages_are_read_and_answered_by_their_classes() -> None:
    asked = SimpleNamespace(Model=MODEL, KeyOrJson=ROW)
    assert native.prediction_requested(asked) == PredictionRequested(MODEL, ROW)
    wish = SimpleNamespace(Model=MODEL, AcceptReused=1, Reason="new tariff")
    assert native.retraining_requested(wish, request_id="call:1", actor="a") == (
        RetrainingRequested(MODEL, "call:1", "manual", "a", accept_reused=True, note="new tariff")
    )
    plain = SimpleNamespace(Model=MODEL, AcceptReused=0, Reason="")
    assert not native.retraining_requested(plain, request_id="x", actor="a").accept_reused
    iris = FakeIris()
    made = native.predict_response(PredictionMade(MODEL, "12.5", 2, "{}"), iris)
    assert made.class_name == "CT.Msg.PredictResponse"
    assert made.properties == {
        "Model": MODEL,
        "Prediction": "12.5",
        "ModelVersion": 2,
        "Detail": "{}",
    }
    decided = RetrainingDecided(MODEL, "skip", "too few rows", "", "retrain-1")
    told = native.retrain_response(decided, iris)
    assert told.class_name == "CT.Msg.RetrainResponse"
    assert told.properties == {
        "Model": MODEL,
        "Outcome": "skip",
        "Reason": "too few rows",
        "CycleId": "",
        "DecisionId": "retrain-1",
    }


def test_iop_leads_each_class_to_its_handler() -> None:
    from iop.messages.dispatch import create_dispatch

    component = CallsOperation.__new__(CallsOperation)
    create_dispatch(component)
    assert dict(component.DISPATCH) == {
        "CT.Msg.PredictRequest": "predict_native",
        "CT.Msg.RetrainRequest": "retrain_native",
        "iris_ct.messages.PredictionRequested": "predict",
        "iris_ct.messages.RetrainingRequested": "retrain",
    }
