"""Raises alerts for queues that grow too long: IRIS' ``QueueCountAlert`` and ``QueueWaitAlert``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from iris_ct.host.node import Node
from iris_ct.host.plan import ItemSpec
from iris_ct.host.runtime import LOG_ALERT

_logger = logging.getLogger(__name__)

# Shorter than any waiting time that is worth an alert.
_INTERVAL_S = 5.0
# An alert is raised again only after the queue was this much shorter meanwhile.
_REARM_SHARE = 0.8


class QueueWatch:
    """A thread that measures the queues of all items which want to be told.

    Parameters
    ----------
    node : Node
        The host's own process.
    interval_s : float
        Seconds between two looks.
    """

    def __init__(self, node: Node, interval_s: float = _INTERVAL_S) -> None:
        self._node = node
        self._interval_s = interval_s
        self._raised: set[tuple[str, str]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host-queues", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            try:
                self._look()
            except SQLAlchemyError:
                _logger.exception("The queues cannot be measured; trying again.")

    def _look(self) -> None:
        waiting = self._node.journal.waiting()
        now = datetime.now(UTC)
        for spec in self._node.plan.items.values():
            n_waiting, since = waiting.get(spec.name, (0, None))
            waited_s = (
                0.0 if since is None else (now - datetime.fromisoformat(since)).total_seconds()
            )
            for name, value, limit, words in _limits(spec, n_waiting, waited_s):
                if value >= limit and (spec.name, name) not in self._raised:
                    self._raised.add((spec.name, name))
                    self._tell(spec, f"{name}: {words}")
                elif value < _REARM_SHARE * limit:
                    self._raised.discard((spec.name, name))

    def _tell(self, spec: ItemSpec, content: str) -> None:
        self._node.warn(content, item_name=spec.name, severity=LOG_ALERT)
        self._node.alert(content, item_name=spec.name, message=None)


def _limits(
    spec: ItemSpec, n_waiting: int, waited_s: float
) -> Iterator[tuple[str, float, float, str]]:
    if spec.queue_count_alert:
        limit = spec.queue_count_alert
        yield "QueueCountAlert", n_waiting, limit, f"{n_waiting} messages wait, limit {limit}"
    if spec.queue_wait_alert_s:
        words = f"a message has waited {waited_s:.0f} s, limit {spec.queue_wait_alert_s:g} s"
        yield "QueueWaitAlert", waited_s, spec.queue_wait_alert_s, words
