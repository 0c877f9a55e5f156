"""Writes audit events to the console log."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.notify import write_events
from iris_ct.messages import NotificationRequested, Notified


class NotificationOperation(Operation):
    """Write what no line carries yet; one at a time, so that each event has one line."""

    def notify(self, request: NotificationRequested) -> Notified:
        """Reply with how many lines were written."""
        return Notified(write_events(audit=self.parts.store.audit, console=self.parts.console))
