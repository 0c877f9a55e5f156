"""Cuts the snapshot and fits models in a process of their own."""

from iris_ct.components import settings
from iris_ct.components.operations.operation import Operation
from iris_ct.core.errors import TrainingCancelledError, TrainingFailedError
from iris_ct.flow.snapshot import cut_snapshot
from iris_ct.flow.train import train
from iris_ct.messages import ModelTrained, SnapshotCut, SnapshotRequested, TrainingRequested


class TrainingOperation(Operation):
    """Do the heavy work of a cycle, one job at a time."""

    # Another model's training may be in front.
    QueueWaitAlert = settings.queue_wait_alert(6 * 3600.0)

    def cut(self, request: SnapshotRequested) -> SnapshotCut:
        """Reply whether the cut rows are enough to judge a challenger."""
        split = cut_snapshot(
            request.cycle_id,
            store=self.parts.store,
            jobs=self.parts.jobs,
            clock=self.parts.clock,
        )
        sufficient = split is not None and split.n_holdout > 0
        return SnapshotCut(request.model, request.cycle_id, sufficient)

    def fit(self, request: TrainingRequested) -> ModelTrained:
        """Reply with how the fit ended; a failed fit is news, not an error of this item."""
        outcome, text = "trained", ""
        try:
            train(
                request.cycle_id,
                request.phase,
                store=self.parts.store,
                jobs=self.parts.jobs,
                trainer=self.parts.trainer,
                clock=self.parts.clock,
                on_progress=lambda step, share: self.trace(f"{step} {share:.0%}"),
            )
        except TrainingCancelledError:
            outcome, text = "cancelled", "cancelled"
        except TrainingFailedError as error:
            outcome, text = "failed", str(error)
        return ModelTrained(request.model, request.cycle_id, request.phase, outcome, text)
