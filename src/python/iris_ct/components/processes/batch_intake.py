"""The way of a file: store, observe, detect, decide; routing only."""

from iop import BusinessProcess, target

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

    Ingestion = target()
    Observation = target()
    Drift = target()
    Trigger = target()
    Cycle = target()
    Notification = target()

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
