"""The one place where what foreign code raises becomes a value: components, and their modules."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Foreign:
    """Runs the code of a component in a ``with`` block, and keeps what it raises.

    A component may raise anything, and must not end the slot that runs it; ``sys.exit`` included.
    `HandlerInterrupted`, Ctrl-C and the like are the host's own and pass through.

    Attributes
    ----------
    error : Exception or SystemExit or None
        What ended the block; None while nothing did.

    Examples
    --------
    >>> with Foreign() as call:
    ...     1 / 0
    >>> call.error
    ZeroDivisionError('division by zero')
    """

    def __init__(self) -> None:
        self.error: Exception | SystemExit | None = None

    def __enter__(self) -> Self:
        """Give itself, to be asked for the error afterwards."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> bool:
        """Keep the error of the component; let what is the host's go on."""
        if isinstance(error, Exception | SystemExit):
            self.error = error
            return True
        return False
