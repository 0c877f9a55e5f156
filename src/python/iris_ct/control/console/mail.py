"""Reads the embedded host's messages: who sent what to whom, and what waits. Sends nothing."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from iris_ct.bootstrap import Parts
from iris_ct.procedures.door import Answer

if TYPE_CHECKING:
    from iris_ct.host import HostClient


class Mail:
    """`procedures.Messages` of a home; used by several threads, opened when first asked."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._lock = threading.Lock()
        self._opened: HostClient | None = None

    @property
    def is_here(self) -> bool:
        """False where an IRIS instance keeps the messages.

        With the catalogue in an IRIS elsewhere, messages are here only if an embedded host has run
        on this home.
        """
        if not self._settings.store_url.startswith("iris"):
            return True
        return not self._settings.on_iris and (self._settings.root / "store" / "ct.db").exists()

    @property
    def runs(self) -> bool:
        """Whether somebody runs the production now."""
        return self._client().holder() is not None

    def trace(self, session_id: int) -> list[Answer]:
        """List the session's messages."""
        return [asdict(row) for row in self._client().trace(session_id)]

    def sessions(self, newest: int) -> list[Answer]:
        """List the newest sessions, newest first."""
        return [asdict(row) for row in self._client().sessions(newest)]

    def events(self, newest: int, *, after_id: int = 0) -> list[Answer]:
        """List the newest entries of the host's event log, oldest of them first."""
        return [asdict(row) for row in self._client().events(newest, after_id=after_id)]

    def pending(self) -> int:
        """Count the messages under way."""
        return self._client().pending()

    def queues(self) -> dict[str, int]:
        """Count the messages that wait, by item; items without any are left out."""
        return self._client().queues()

    def _client(self) -> HostClient:
        from iris_ct.host import HostClient

        with self._lock:
            if self._opened is None:
                self._settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
                self._opened = HostClient(self._settings.messages_url, self._settings.lock_path)
            return self._opened
