"""Predicts arrived rows with the champion, before anything trains on them."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.observe import observe_batch
from iris_ct.messages import BatchObserved, ObservationRequested


class ObservationOperation(Operation):
    """Log the champion's predictions of a batch."""

    def observe(self, request: ObservationRequested) -> BatchObserved:
        """Reply with how many rows which version predicted."""
        observed = observe_batch(
            request.batch_id,
            store=self.parts.store,
            champions=self.parts.champions,
            clock=self.parts.clock,
        )
        return BatchObserved(
            request.model, request.batch_id, observed.version, observed.n_predicted
        )
