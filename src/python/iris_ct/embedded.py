"""The production on this machine: the embedded host, its door, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from iris_ct.bootstrap import Parts
from iris_ct.core.errors import StoreError
from iris_ct.host import Host, HostClient, RequestFailedError

PRODUCTION = "iris_ct.production:production"
DOOR = "Requests"


class HostDoor:
    """`procedures.Door` through the message store of the host, whoever runs it."""

    def __init__(self, client: HostClient) -> None:
        self._client = client

    def call(self, message: Any) -> tuple[Any, int]:
        """Hand a message to the item Requests; give its reply and the session."""
        session = self._client.send(DOOR, message)
        try:
            return self._client.reply(session), session
        except RequestFailedError as error:
            raise StoreError(f"The production refused the request: {error}") from error

    def wait(self, session_id: int) -> bool:
        """Wait until nothing of the session is under way."""
        return self._client.wait_session(session_id, -1)

    def trace(self, session_id: int) -> list[dict[str, Any]]:
        """List the session's messages."""
        return [asdict(row) for row in self._client.trace(session_id)]

    def pending(self) -> int:
        """Count the messages under way."""
        return self._client.pending()


def make_host(parts: Parts) -> Host:
    """Make the host of a home; it is not started yet."""
    settings = parts.settings
    settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
    return Host(
        PRODUCTION,
        store_url=settings.database_url,
        lock_path=settings.lock_path,
        replay=settings.replay,
        processes=settings.processes,
        synchronous=settings.synchronous,
    )


@contextmanager
def host_client(parts: Parts) -> Iterator[HostClient]:
    """Open the host's message store, whether a host runs or not."""
    settings = parts.settings
    settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
    with HostClient(settings.database_url, settings.lock_path) as client:
        yield client


@contextmanager
def open_door(parts: Parts) -> Iterator[HostDoor]:
    """Reach the running host, or run one for the time of the block."""
    with host_client(parts) as client:
        if client.holder() is not None:
            yield HostDoor(client)
            return
        with make_host(parts):
            yield HostDoor(client)
