"""Notices messages that were stored by clients which cannot ring: those on other machines."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from iris_ct.host.node import HOST_ADDRESS, Node

_logger = logging.getLogger(__name__)

# One question of microseconds each; a client's message waits half of this on average.
_INTERVAL_S = 0.25


class Watch:
    """A thread that looks for new messages in a store that other machines write to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        newest = 0
        while not self._end.wait(_INTERVAL_S):
            try:
                found = self._node.journal.newest_message_id()
            except SQLAlchemyError:
                _logger.exception("The message store cannot be read; trying again.")
                continue
            if found != newest:
                newest = found
                for name in self._node.journal.queues():
                    self._node.ring_item(name)
                self._node.ring_address(HOST_ADDRESS)

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()
