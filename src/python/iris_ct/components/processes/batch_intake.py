"""The way of a file: store, observe, detect, decide; routing only."""

from iop import BusinessProcess, target

from iris_ct.components import settings
from iris_ct.messages import (
    CycleRequested,
    DriftCheckRequested,
    FileArrived,
    FileStored,
    NotificationRequested,
    ObservationRequested,
    RetrainingDecided,
    RetrainingRequested,
    StoringRequested,
)


class BatchIntake(BusinessProcess):
    """Lead one file from its arrival to the decision whether to retrain."""

    # Files wait for one another: a thousand at once is a delivery, an hour is a standstill.
    QueueCountAlert = settings.queue_count_alert(1000)
    QueueWaitAlert = settings.queue_wait_alert(3600.0)

    Ingestion = target(description="Checks and stores the rows of a file.")
    Observation = target(description="Predicts arrived rows with the champion.")
    Drift = target(description="Compares rows with the reference window.")
    Trigger = target(description="Decides whether to retrain.")
    Cycle = target(description="Leads a training cycle.")
    Notification = target(description="Writes the lines of the console log.")

    def on_file_arrived(self, request: FileArrived) -> FileStored:
        """Store the rows; if any were stored, observe, detect and decide."""
        wish = StoringRequested(
            request.model,
            request.path,
            request.source,
            request.kind,
            request.released_batch,
            request.actor,
        )
        stored: FileStored = self.send_request_sync(self.Ingestion, wish)
        if stored.outcome == "stored":
            self._follow(stored)
        note = NotificationRequested(request.model)
        self.send_request_async(self.Notification, note, response_required=False)
        return stored

    def _follow(self, stored: FileStored) -> None:
        model, batch = stored.model, stored.batch_id
        self.send_request_sync(self.Observation, ObservationRequested(model, batch))
        self.send_request_sync(self.Drift, DriftCheckRequested(model, batch))
        wish = RetrainingRequested(model, f"batch:{batch}", "batch", "policy", batch_id=batch)
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, wish)
        if decided.outcome == "retrain":
            message = CycleRequested(model, decided.cycle_id)
            self.send_request_async(self.Cycle, message, response_required=False)
