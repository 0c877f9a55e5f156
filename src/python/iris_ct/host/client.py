"""Another process that talks to a running (or absent) host, through the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from iris_ct.host.database import Database
from iris_ct.host.entry import encode, input_to, reply_of
from iris_ct.host.errors import RequestTimeoutError, TargetUnknownError
from iris_ct.host.host import bells_beside
from iris_ct.host.journal import Journal
from iris_ct.host.lock import HolderInfo, read_advisory_holder, read_holder, read_keepers
from iris_ct.host.mailbox import Mailbox
from iris_ct.host.node import HOST_ADDRESS, bell_path, reply_or_raise
from iris_ct.host.records import EventRow, Message, SessionRow, TraceRow
from iris_ct.host.schema import prepare_store, read_kinds
from iris_ct.host.signals import ring

# A client has no pipe of its own; it looks into the store, ever less often.
_FIRST_LOOK_S, _LAST_LOOK_S = 0.02, 0.25


class HostClient:
    """Sends messages to the host of a store and reads what the store knows.

    Parameters
    ----------
    store_url : str
        The host's store. Its tables are made if no host ever ran there.
    lock_path : Path
        The host's lock file.

    Notes
    -----
    Works without a host too: what is sent waits for the next one. Close it, or use it in a
    ``with`` statement.
    """

    def __init__(self, store_url: str, lock_path: Path) -> None:
        self._lock_path = Path(lock_path)
        self._database = Database(store_url)
        prepare_store(self._database)
        self._mailbox = Mailbox(self._database)
        self._journal = Journal(self._database)

    def close(self) -> None:
        """Close the connections to the store."""
        self._database.close()

    def __enter__(self) -> HostClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # -- the host ----------------------------------------------------------------------------------

    def holder(self) -> HolderInfo | None:
        """Tell who runs the host now, by the lock; None when nobody does."""
        info = read_holder(self._lock_path)
        if info is None and self._database.dialect == "postgresql":
            return read_advisory_holder(self._database)
        return info

    def keepers(self) -> list[HolderInfo]:
        """List the processes of `keeping`, whether their host runs or was stopped."""
        return read_keepers(self._lock_path)

    # -- messages ----------------------------------------------------------------------------------

    def send(self, item: str, message: Any) -> int:
        """Give a message to a business service, durably; returns the session id.

        Raises
        ------
        TargetUnknownError
            If the production that ran last on this store has no such service.
        """
        kinds = read_kinds(self._database)
        if kinds and kinds.get(item) != "service":
            services = sorted(name for name, kind in kinds.items() if kind == "service")
            raise TargetUnknownError(
                f"{item!r} is no business service of the production on this store. Expected one "
                f"of: {', '.join(services)}."
            )
        message_id = self._mailbox.put(input_to(item, encode(message), f"client {os.getpid()}"))
        self._ring(item)
        return message_id

    def call(self, item: str, message: Any, timeout_s: float = -1) -> Any:
        """Give a message to a business service and wait for its reply.

        Raises
        ------
        RequestFailedError
            If the service ended with an error.
        RequestTimeoutError
            If the reply did not come within ``timeout_s`` seconds (negative: for ever).
        """
        return self.reply(self.send(item, message), timeout_s)

    def reply(self, message_id: int, timeout_s: float = -1) -> Any:
        """Wait for the reply to a message that was sent before; raises as `call` does."""
        if not _poll(lambda: self._mailbox.get(message_id).answered, timeout_s):
            raise RequestTimeoutError(
                f"No reply to message {message_id} within {timeout_s:g} s. "
                + ("The host is busy." if self.holder() else "No host runs on this store.")
            )
        return reply_of(reply_or_raise(self._mailbox.get(message_id)))

    def wait_session(self, session_id: int, timeout_s: float) -> bool:
        """Wait until no message of a session is queued, running or waited for."""
        return _poll(lambda: self._journal.active_in_session(session_id) == 0, timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no message at all is queued, running or waited for."""
        return _poll(lambda: self._journal.pending() == 0, timeout_s)

    def message(self, message_id: int) -> Message:
        """Return one message."""
        return self._mailbox.get(message_id)

    def suspend(self, message_id: int) -> None:
        """Take a queued message out of its queue."""
        self._mailbox.suspend(message_id)

    def resume(self, message_id: int) -> None:
        """Put a suspended message back."""
        self._ring(self._mailbox.resume(message_id))

    def resend(self, message_id: int) -> int:
        """Send a copy of a message as a new session; returns its id."""
        new_id, target = self._mailbox.resend(message_id)
        self._ring(target)
        return new_id

    # -- what the store knows ----------------------------------------------------------------------

    def trace(self, session_id: int) -> list[TraceRow]:
        """Return all messages of a session, in order."""
        return self._journal.trace(session_id)

    def sessions(self, limit: int = 20) -> list[SessionRow]:
        """Return the newest sessions, newest first."""
        return self._journal.sessions(limit)

    def messages(self, status: str, limit: int = 100) -> list[TraceRow]:
        """Return the newest messages in a state, for example ``suspended`` or ``error``."""
        return self._journal.messages(status, limit)

    def queues(self) -> dict[str, int]:
        """Return how many messages wait for each item; items without any are left out."""
        return self._journal.queues()

    def pending(self) -> int:
        """Count the messages that are not at their end."""
        return self._journal.pending()

    def events(
        self,
        limit: int = 100,
        *,
        session_id: int | None = None,
        item: str | None = None,
        after_id: int = 0,
        severities: Iterable[int] = (),
    ) -> list[EventRow]:
        """Return the newest entries of the event log that fit, oldest first."""
        return self._journal.events(
            limit, session_id=session_id, item=item, after_id=after_id, severities=severities
        )

    def purge(self, before: datetime) -> int:
        """Forget ended sessions and log entries older than an instant; counts messages."""
        return self._journal.purge(before)

    def _ring(self, item: str) -> None:
        ring(bell_path(bells_beside(self._lock_path), HOST_ADDRESS), item)


def _poll(reached: Callable[[], bool], timeout_s: float) -> bool:
    deadline = None if timeout_s < 0 else time.monotonic() + timeout_s
    pause_s = _FIRST_LOOK_S
    while not reached():
        left_s = pause_s if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause_s, left_s))
        pause_s = min(1.5 * pause_s, _LAST_LOOK_S)
    return True
