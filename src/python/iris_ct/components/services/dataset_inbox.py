"""Picks up complete files from the inbox folders."""

from iop import Category, PollingBusinessService, setting, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.messages import FileArrived


class DatasetInbox(PollingBusinessService):
    """Claim each complete file of ``inbox/<model>/`` and send it on its way."""

    SettleTime = setting(
        data_type=float,
        category=Category.BASIC,
        description="Seconds without a change after which a file counts as complete; empty: "
        "CT_SETTLE_S.",
    )
    AlertOnError = settings.alert_on_error(True)

    Intake = target(description="Leads a file from its arrival to the decision.")

    def on_init(self) -> None:
        """Take this service's parts from the composition root."""
        self.parts = bootstrap.parts()

    def on_poll(self) -> None:
        """Claim and send what is complete, in the order of the files' names.

        What cannot be claimed raises after all others were sent, so that it is logged and alerts.
        """
        said = self.SettleTime
        settle_s = self.parts.settings.settle_s if said is None else float(said)
        for arrival in self.parts.inbox.claim_ready(settle_s=settle_s):
            message = FileArrived(arrival.model, arrival.path, arrival.source, kind=arrival.kind)
            self.send_request_async(self.Intake, message)
