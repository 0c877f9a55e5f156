"""One training cycle: snapshot, train, judge, refit, conclude, register; routing only."""

from typing import Literal

from iop import BusinessProcess, target

from iris_ct.components import settings
from iris_ct.messages import (
    ChallengerJudged,
    ConclusionRequested,
    CycleEnded,
    CycleRequested,
    DriftCheckRequested,
    EvaluationRequested,
    ModelTrained,
    NotificationRequested,
    RegistrationRequested,
    RetrainingDecided,
    RetrainingRequested,
    SnapshotCut,
    SnapshotRequested,
    TrainingRequested,
)


class TrainingCycle(BusinessProcess):
    """Lead a cycle from its snapshot to its end, then ask whether another is due."""

    # Cycles of other models may be in front.
    QueueWaitAlert = settings.queue_wait_alert(12 * 3600.0)

    Training = target(description="Cuts the snapshot and fits.")
    Evaluation = target(description="Puts champion and challenger on the same holdout.")
    Promotion = target(description="Changes who serves, and closes cycles.")
    Registration = target(description="Brings MLflow up to date.")
    Drift = target(description="Compares rows with the reference window.")
    Trigger = target(description="Decides whether to retrain.")
    Notification = target(description="Writes the lines of the console log.")

    def on_cycle_requested(self, request: CycleRequested) -> CycleEnded:
        """Run the cycle, and those that the triggers which joined it make due."""
        ended = self._run(request.model, request.cycle_id)
        while ended.newer_arrivals:
            decided = self._follow_up(ended)
            if decided.outcome != "retrain":
                break
            ended = self._run(request.model, decided.cycle_id)
        return ended

    def _run(self, model: str, cycle_id: str) -> CycleEnded:
        cut: SnapshotCut = self.send_request_sync(
            self.Training, SnapshotRequested(model, cycle_id)
        )
        failure = self._train(model, cycle_id, "challenger") if cut.sufficient else ""
        if not failure:
            judged: ChallengerJudged = self.send_request_sync(
                self.Evaluation, EvaluationRequested(model, cycle_id)
            )
            if judged.refit:
                failure = self._train(model, cycle_id, "refit")
        ended: CycleEnded = self.send_request_sync(
            self.Promotion, ConclusionRequested(model, cycle_id, failure)
        )
        registration, note = RegistrationRequested(model), NotificationRequested(model)
        self.send_request_async(self.Registration, registration, response_required=False)
        self.send_request_async(self.Notification, note, response_required=False)
        return ended

    def _train(self, model: str, cycle_id: str, phase: Literal["challenger", "refit"]) -> str:
        """Fit; give why there is no model, or nothing."""
        trained: ModelTrained = self.send_request_sync(
            self.Training, TrainingRequested(model, cycle_id, phase)
        )
        return "" if trained.outcome == "trained" else trained.text

    def _follow_up(self, ended: CycleEnded) -> RetrainingDecided:
        """Ask again for what arrived while the cycle ran."""
        subject = f"follow_up:{ended.cycle_id}"
        self.send_request_sync(self.Drift, DriftCheckRequested(ended.model, subject))
        wish = RetrainingRequested(ended.model, subject, "follow_up", "policy")
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, wish)
        return decided
