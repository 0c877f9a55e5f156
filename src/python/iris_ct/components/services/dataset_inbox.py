"""Picks up complete files from the inbox folders."""

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.messages import FileArrived


class DatasetInbox(PollingBusinessService):
    """Claim each complete file of ``inbox/<model>/`` and send it on its way."""

    Intake = target()

    def on_init(self) -> None:
        """Take this service's parts from the composition root."""
        self.parts = bootstrap.parts()

    def on_poll(self) -> None:
        """Claim what is complete, in the order of the files' names."""
        for arrival in self.parts.inbox.claim_ready(settle_s=self.parts.settings.settle_s):
            message = FileArrived(arrival.model, arrival.path, arrival.source, kind=arrival.kind)
            self.send_request_async(self.Intake, message)
