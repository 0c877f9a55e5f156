"""Finishes what a crash or an absent server left, and brings the SQL tables up to date."""

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.flow.fold import fold_journal, is_due
from iris_ct.flow.project import bring_up_tables
from iris_ct.messages import NotificationRequested, RegistrationRequested

# Rows of SQL tables at a time: some seconds, so that the other duties come round.
_MOST_ROWS = 100_000


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
        """Ask for pending registrations and unwritten events; log predictions; fill tables."""
        store = self.parts.store
        if store.models.unregistered() or store.models.alias_pending():
            self.send_request_async(self.Registration, RegistrationRequested(""))
        if store.audit.unwritten(limit=1):
            self.send_request_async(self.Notification, NotificationRequested(""))
        if is_due(store, self.parts.clock):
            fold_journal(store, self.parts.clock)
        bring_up_tables(store, most_rows=_MOST_ROWS)
