"""Every error the host raises, in one tree with one root.

The tree::

    HostError
      PlanError               the production cannot run here: all reasons at once, before anything starts
      HostLockedError         another host runs this store: says who, where and since when
      StoreError              the address or the version of the store is not one the host can use
      UploadError             an uploaded production is refused: all findings, nothing has changed
      UnsupportedError        IRIS offers it, this host does not; named so that nothing is mocked
      ComponentStartError     on_init of an item failed at start
      TargetUnknownError      a message was addressed to an item that cannot take it
      MessageStateError       suspend, resume or resend of a message in the wrong state
      RequestFailedError      the target answered with an error
      RequestTimeoutError     no answer within the time given (also a TimeoutError)
      ReplayMismatchError     a repeated handler sent something else than it did the first time
      HostStoppedError        the host is not running, or stopped while the caller waited
"""

from __future__ import annotations


class HostError(Exception):
    """Root of all errors of the embedded host."""


class PlanError(HostError):
    """The production cannot run on this host; the text lists every reason."""


class HostLockedError(HostError):
    """Another host holds the store; the text says who, where and since when."""


class StoreError(HostError):
    """The store's address or version cannot be used."""


class UploadError(HostError):
    """An uploaded production is refused; the text lists every reason."""


class UnsupportedError(HostError):
    """A part of IRIS which this host does not offer was asked for."""


class ComponentStartError(HostError):
    """The ``on_init`` of one or more items failed at start."""


class TargetUnknownError(HostError):
    """A message was addressed to an item that does not exist or takes no messages."""


class MessageStateError(HostError):
    """A message is not in the state which the wish needs."""


class RequestFailedError(HostError):
    """The target of a request ended with an error.

    Parameters
    ----------
    text : str
        Which message, to whom, and why.
    failure : str
        The error that began it, ``Class: text``, wherever in the production it was raised; an
        item that fails because a request of its own failed passes this on unchanged.
    """

    def __init__(self, text: str, failure: str = "") -> None:
        super().__init__(text)
        self.failure = failure

    def __reduce__(self) -> tuple[type[RequestFailedError], tuple[str, str]]:
        """Keep the failure on the way between processes."""
        return type(self), (str(self), self.failure)

    @property
    def reason(self) -> str:
        """The text of the error that began it, without its class; its class if it says nothing."""
        kind, _, text = self.failure.partition(": ")
        return text.strip() or kind.rstrip(": ") or str(self)


class RequestTimeoutError(HostError, TimeoutError):
    """No reply arrived within the time given."""


class ReplayMismatchError(HostError):
    """A handler that was run again did not repeat the sends of its first run."""


class HostStoppedError(HostError):
    """The host does not run, or stopped while the caller waited."""


class HandlerInterrupted(BaseException):
    """Unwinds a component's handler when the host stops.

    Not an ``Exception``, so that a component's ``except Exception`` cannot take a stopping host
    for a failed request. The message goes back to its queue and is finished after the next start.
    """
