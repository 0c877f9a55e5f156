"""Decides whether to retrain, and opens or joins the model's cycle."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.decide import Wish, decide_retraining
from iris_ct.flow.specify import current_specification
from iris_ct.messages import RetrainingDecided, RetrainingRequested


class TriggerOperation(Operation):
    """Rule on one wish for a retraining."""

    def decide(self, request: RetrainingRequested) -> RetrainingDecided:
        """Reply with the recorded decision."""
        store, clock = self.parts.store, self.parts.clock
        specification = current_specification(
            request.model, files=self.parts.files, store=store, clock=clock, actor=request.actor
        )
        wish = Wish(
            request.request_id,
            request.wish,
            request.actor,
            request.batch_id,
            request.accept_reused,
            request.note,
        )
        decided = decide_retraining(wish, specification=specification, store=store, clock=clock)
        return RetrainingDecided(
            request.model,
            decided.outcome,
            decided.reason,
            decided.cycle_id,
            decided.decision_id,
        )
