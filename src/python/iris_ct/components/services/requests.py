"""The door for people and programs: what a procedure asks enters the production here."""

from iop import BusinessService, Message, target

from iris_ct.messages import (
    AppointmentRequested,
    ChampionAppointed,
    CycleRequested,
    FileArrived,
    NotificationRequested,
    RegistrationRequested,
    RetrainingDecided,
    RetrainingRequested,
    RollbackRequested,
)


class Requests(BusinessService):
    """Route a request to the item that fulfils it, and reply with its answer."""

    Intake = target(description="Leads a file from its arrival to the decision.")
    Trigger = target(description="Decides whether to retrain.")
    Cycle = target(description="Leads a training cycle.")
    Promotion = target(description="Changes who serves, and closes cycles.")
    Registration = target(description="Brings MLflow up to date.")
    Notification = target(description="Writes the lines of the console log.")

    def on_message(self, request: Message | None = None) -> Message | None:
        """Send files on their way; decide retrainings and who serves at once."""
        if isinstance(request, FileArrived):
            self.send_request_async(self.Intake, request)
            return None
        if isinstance(request, RetrainingRequested):
            return self._retrain(request)
        if isinstance(request, RollbackRequested | AppointmentRequested):
            return self._appoint(request)
        raise TypeError(f"No item takes a {type(request).__name__}.")

    def _appoint(self, request: RollbackRequested | AppointmentRequested) -> ChampionAppointed:
        appointed: ChampionAppointed = self.send_request_sync(self.Promotion, request)
        self.send_request_async(self.Registration, RegistrationRequested(request.model))
        self.send_request_async(self.Notification, NotificationRequested(request.model))
        return appointed

    def _retrain(self, request: RetrainingRequested) -> RetrainingDecided:
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, request)
        if decided.outcome == "retrain":
            message = CycleRequested(decided.model, decided.cycle_id)
            self.send_request_async(self.Cycle, message)
        return decided
