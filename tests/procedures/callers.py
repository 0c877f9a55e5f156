"""Another production that calls the item Calls, as a BPL process or a routing rule does."""

from __future__ import annotations

from typing import Any

from iop import BusinessOperation, BusinessService, Production, target

from iris_ct.components.operations.calls import CallsOperation
from iris_ct.components.operations.notification import NotificationOperation
from iris_ct.components.operations.trigger import TriggerOperation
from iris_ct.messages import CycleEnded, CycleRequested


class Caller(BusinessService):
    """Sends on what it gets, and gives the reply back."""

    Calls = target()

    def on_message(self, request: Any = None) -> Any:
        return self.send_request_sync(self.Calls, request)


class BegunCycle(BusinessOperation):
    """Stands where the cycle does: says that it was asked for."""

    def begin(self, request: CycleRequested) -> CycleEnded:
        return CycleEnded(request.model, request.cycle_id, "cancelled", 0, False)


production = Production("Other.Production")
caller = production.service("Caller", Caller, pool_size=0)
calls = production.operation("Calls", CallsOperation)
trigger = production.operation("Trigger", TriggerOperation)
cycle = production.operation("Cycle", BegunCycle)
notification = production.operation("Notification", NotificationOperation)
production.connect(caller.Calls, calls)
production.connect(calls.Trigger, trigger)
production.connect(calls.Cycle, cycle)
production.connect(calls.Notification, notification)
