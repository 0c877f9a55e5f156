"""The door for people and programs: what a procedure asks enters the production here."""

from iop import BusinessService, Message, target

from iris_ct.messages import (
    CycleRequested,
    FileArrived,
    RetrainingDecided,
    RetrainingRequested,
    RollbackRequested,
)


class Requests(BusinessService):
    """Route a request to the item that fulfils it, and reply with its answer."""

    Intake = target()
    Trigger = target()
    Cycle = target()
    Promotion = target()

    def on_message(self, request: Message | None = None) -> Message | None:
        """Send files on their way; decide retrainings and rollbacks at once."""
        if isinstance(request, FileArrived):
            self.send_request_async(self.Intake, request)
            return None
        if isinstance(request, RetrainingRequested):
            return self._retrain(request)
        if isinstance(request, RollbackRequested):
            reply: Message = self.send_request_sync(self.Promotion, request)
            return reply
        raise TypeError(f"No item takes a {type(request).__name__}.")

    def _retrain(self, request: RetrainingRequested) -> RetrainingDecided:
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, request)
        if decided.outcome == "retrain":
            message = CycleRequested(decided.model, decided.cycle_id)
            self.send_request_async(self.Cycle, message)
        return decided
