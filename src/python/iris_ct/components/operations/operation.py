"""What all operations of the product share: their parts, and how they meet errors."""

from iop import BusinessOperation

from iris_ct import bootstrap


class Operation(BusinessOperation):
    """An operation with the parts of the composition root.

    The capitalised attributes are settings of every IRIS business operation; declared here, they
    get the product's defaults and pass the strict validation of iop. What is away for a moment
    (``StoreUnavailableError`` and the like) is tried again, any other error fails the message at
    once; both raise an alert, and a person can resend the message.
    """

    ReplyCodeActions: str = "E*UnavailableError=RF,E=F"
    RetryInterval: float = 5.0
    FailureTimeout: float = 300.0
    AlertOnError: bool = True

    def on_init(self) -> None:
        """Take this operation's parts from the composition root."""
        self.parts = bootstrap.parts()
