"""Takes the alerts of the production: a message has failed and someone must look."""

from typing import Any

from iop import target

from iris_ct.components import settings
from iris_ct.components.operations.operation import Operation
from iris_ct.flow.notify import record_alert
from iris_ct.messages import NotificationRequested


class AlertOperation(Operation):
    """Make an alert an audit event that an operator must act on.

    The item that holds it must be called ``Ens.Alert``: IRIS sends its alerts to that name, as
    native ``Ens.AlertRequest`` objects. It raises no alert itself.
    """

    AlertOnError = settings.alert_on_error(False)
    QueueWaitAlert = settings.queue_wait_alert(0.0)

    Notification = target(description="Writes the lines of the console log.")

    def on_message(self, request: Any) -> None:
        """Record which item failed in which session; the error's text stays in the event log."""
        record_alert(
            item=str(request.SourceConfigName),
            session=str(request.SessionId),
            raised_at=str(request.AlertTime),
            audit=self.parts.store.audit,
            clock=self.parts.clock,
        )
        self.send_request_async(self.Notification, NotificationRequested(""))
