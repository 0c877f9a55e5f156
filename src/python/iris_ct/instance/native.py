"""``CT.Msg.*``, the messages of BPL, DTL and rules, to and from the product's own."""

from __future__ import annotations

from typing import Any

from iris_ct.core.errors import DataError
from iris_ct.messages import (
    InvocationAnswered,
    InvocationRequested,
    PredictionMade,
    PredictionRequested,
    RetrainingDecided,
    RetrainingRequested,
)

PREDICT_REQUEST = "CT.Msg.PredictRequest"
PREDICT_RESPONSE = "CT.Msg.PredictResponse"
RETRAIN_REQUEST = "CT.Msg.RetrainRequest"
RETRAIN_RESPONSE = "CT.Msg.RetrainResponse"
INVOKE_REQUEST = "CT.Msg.InvokeRequest"
INVOKE_RESPONSE = "CT.Msg.InvokeResponse"

# MAXLEN of the longest properties: IRIS does not store a longer text, and the message would fail.
_LONGEST = 32_000


def prediction_requested(native: Any) -> PredictionRequested:
    """Read a ``CT.Msg.PredictRequest``."""
    return PredictionRequested(_text(native.Model), _text(native.KeyOrJson))


def retraining_requested(native: Any, *, request_id: str, actor: str) -> RetrainingRequested:
    """Read a ``CT.Msg.RetrainRequest``."""
    return RetrainingRequested(
        _text(native.Model),
        request_id,
        "manual",
        actor,
        accept_reused=str(native.AcceptReused) in {"1", "True"},
        note=_text(native.Reason),
    )


def predict_response(made: PredictionMade, iris: Any) -> Any:
    """Make a ``CT.Msg.PredictResponse``."""
    native = iris.cls(PREDICT_RESPONSE)._New()
    native.Model = made.model
    native.Prediction = made.prediction
    native.ModelVersion = made.version
    native.Detail = made.detail
    return native


def retrain_response(decided: RetrainingDecided, iris: Any) -> Any:
    """Make a ``CT.Msg.RetrainResponse``."""
    native = iris.cls(RETRAIN_RESPONSE)._New()
    native.Model = decided.model
    native.Outcome = decided.outcome
    native.Reason = decided.reason
    native.CycleId = decided.cycle_id
    native.DecisionId = decided.decision_id
    return native


def invocation_requested(native: Any) -> InvocationRequested:
    """Read a ``CT.Msg.InvokeRequest``."""
    return InvocationRequested(
        _text(native.Content), _text(native.Model), _text(native.FeatureNames)
    )


def invoke_response(answered: InvocationAnswered, iris: Any) -> Any:
    """Make a ``CT.Msg.InvokeResponse``; `DataError` if the answer is longer than it can hold."""
    longest = max(len(answered.content), len(answered.message))
    if longest > _LONGEST:
        raise DataError(
            f"The answer has {longest} characters, a {INVOKE_RESPONSE} holds {_LONGEST}. Send "
            "fewer rows at once, or an iris_ct.messages.InvocationRequested."
        )
    native = iris.cls(INVOKE_RESPONSE)._New()
    native.Model = answered.model
    native.ModelVersion = answered.version
    native.OutputFormat = answered.output_format
    native.Content = answered.content
    native.ColumnNames = answered.names
    native.Detail = answered.message
    return native


def _text(said: Any) -> str:
    return "" if said is None else str(said)
