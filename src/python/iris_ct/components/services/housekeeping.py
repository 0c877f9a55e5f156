"""Finishes what a crash or an absent server left: log lines, registrations, orphaned files."""

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.messages import NotificationRequested, RegistrationRequested


class Housekeeping(PollingBusinessService):
    """Look for unfinished side effects and ask for them again."""

    AlertOnError = settings.alert_on_error(True)

    Registration = target(description="Brings MLflow up to date.")
    Notification = target(description="Writes the lines of the console log.")

    def on_init(self) -> None:
        """Take this service's parts and sweep files that no catalogue row names."""
        self.parts = bootstrap.parts()
        self.parts.store.batches.sweep()

    def on_poll(self) -> None:
        """Ask for pending registrations and unwritten events."""
        store = self.parts.store
        if store.models.unregistered() or store.models.alias_pending():
            self.send_request_async(self.Registration, RegistrationRequested(""))
        if store.audit.unwritten(limit=1):
            self.send_request_async(self.Notification, NotificationRequested(""))
