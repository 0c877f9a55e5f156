"""Wakes up often and asks for the retrainings whose cron time has come."""

from contextlib import ExitStack

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.flow.schedule import due_retrainings
from iris_ct.messages import CycleRequested, RetrainingDecided, RetrainingRequested


class Schedule(PollingBusinessService):
    """Evaluate every model's cron expression on the wall clock."""

    AlertOnError = settings.alert_on_error(True)

    Trigger = target(description="Decides whether to retrain.")
    Cycle = target(description="Leads a training cycle.")

    def on_init(self) -> None:
        """Take this service's parts from the composition root."""
        self.parts = bootstrap.parts()

    def on_poll(self) -> None:
        """Ask once for each cron time that has passed since the newest one answered."""
        due = due_retrainings(
            files=self.parts.files, store=self.parts.store, clock=self.parts.clock
        )
        # A stack asks for every model, also after one that fails, and then lets the failure go on.
        with ExitStack() as asking:
            for model, tick in reversed(due):
                asking.callback(self._ask, model, tick)

    def _ask(self, model: str, tick: str) -> None:
        request = RetrainingRequested(model, f"schedule:{tick}", "schedule", "schedule")
        decided: RetrainingDecided = self.send_request_sync(self.Trigger, request)
        if decided.outcome == "retrain":
            self.send_request_async(self.Cycle, CycleRequested(model, decided.cycle_id))
