"""What all operations of the product share: their parts, and how they meet errors."""

from iop import BusinessOperation

from iris_ct import bootstrap
from iris_ct.components import settings

# Seconds; longer than the retries of the message in front may take.
_LONG_WAIT_S = 900.0


class Operation(BusinessOperation):
    """An operation with the parts of the composition root.

    The capitalised attributes are settings of every IRIS business operation; declared here, they
    get the product's defaults and pass the strict validation of iop. What is away for a moment
    (``StoreUnavailableError`` and the like) is tried again, any other error fails the message at
    once; both raise an alert, and a person can resend the message.
    """

    ReplyCodeActions = settings.reply_code_actions("E*UnavailableError=RF,E=F")
    RetryInterval = settings.retry_interval(5.0)
    FailureTimeout = settings.failure_timeout(300.0)
    AlertOnError = settings.alert_on_error(True)
    QueueWaitAlert = settings.queue_wait_alert(_LONG_WAIT_S)

    def on_init(self) -> None:
        """Take this operation's parts from the composition root."""
        self.parts = bootstrap.parts()
