"""Takes what BPL, DTL, routing rules and other productions ask: predict a row, retrain."""

import json
import secrets
from typing import Any

from iop import handler, target

from iris_ct.components import settings
from iris_ct.components.operations.operation import Operation
from iris_ct.flow.predict_row import predict_row
from iris_ct.instance import native
from iris_ct.instance.process import this_process
from iris_ct.messages import (
    CycleRequested,
    NotificationRequested,
    PredictionMade,
    PredictionRequested,
    RetrainingDecided,
    RetrainingRequested,
)

# Who asked, where a native message does not say it.
_CALLER = "production"


class CallsOperation(Operation):
    """Predict and retrain for whoever sends a message, of Python or of ``CT.Msg``.

    No alert by default: who asks for what is not there is told so, and no operator need look.
    """

    AlertOnError = settings.alert_on_error(False)

    Trigger = target(description="Decides whether to retrain.")
    Cycle = target(description="Leads a training cycle.")
    Notification = target(description="Writes the lines of the console log.")

    def predict(self, request: PredictionRequested) -> PredictionMade:
        """Reply with the champion's prediction; it is logged as every prediction."""
        answer = predict_row(
            self.parts.champions.require(request.model),
            request.row,
            request_id=request.request_id,
            store=self.parts.store,
            clock=self.parts.clock,
        )
        return PredictionMade(
            request.model,
            str(answer["prediction"]),
            answer["model_version"],
            json.dumps(answer, ensure_ascii=False, allow_nan=False),
        )

    def retrain(self, request: RetrainingRequested) -> RetrainingDecided:
        """Reply with the decision; a cycle that it opens goes on by itself."""
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, request)
        if decided.outcome == "retrain":
            self.send_request_async(self.Cycle, CycleRequested(decided.model, decided.cycle_id))
        self.send_request_async(self.Notification, NotificationRequested(request.model))
        return decided

    @handler(native.PREDICT_REQUEST)
    def predict_native(self, request: Any) -> Any:
        """Reply to a ``CT.Msg.PredictRequest``."""
        made = self.predict(native.prediction_requested(request))
        return native.predict_response(made, this_process())

    @handler(native.RETRAIN_REQUEST)
    def retrain_native(self, request: Any) -> Any:
        """Reply to a ``CT.Msg.RetrainRequest``."""
        wish = native.retraining_requested(
            request, request_id=f"call:{secrets.token_hex(8)}", actor=_CALLER
        )
        return native.retrain_response(self.retrain(wish), this_process())
