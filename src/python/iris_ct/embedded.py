"""The production on this machine: the embedded host, its door, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from iris_ct.bootstrap import Parts
from iris_ct.core.errors import StoreError
from iris_ct.host import (
    DefaultSetting,
    Host,
    HostClient,
    HostKeeper,
    HostLockedError,
    RequestFailedError,
    RequestTimeoutError,
    UploadCheck,
    Uploads,
    load_production,
    read_defaults,
    wakes_of,
)

PRODUCTION = "iris_ct.production:production"
DOOR = "Requests"

# Seconds between two wake-ups of the items without a job of their own; a task does it on IRIS.
WAKES = {"Schedule": 20.0}

_HOW_TO_ALLOW = "Set CT_API_MIGRATE=1 and CT_API_PASSWORD_FILE, and start it again."

# Seconds between two looks whether somebody still runs the production.
_LOOK_S = 2.0


class HostDoor:
    """`procedures.Door` through the message store of the host, whoever runs it.

    Parameters
    ----------
    client : HostClient
    host : OwnHost or None
        Starts a host for the time of a command when nobody runs one, also when the one that ran
        ends meanwhile; None: what is sent waits for the next host.
    """

    def __init__(self, client: HostClient, host: OwnHost | None = None) -> None:
        self._client = client
        self._host = host

    forgets = True
    any_thread = True

    @property
    def is_temporary(self) -> bool:
        """True if the production runs for the time of this command only."""
        return self._host is not None and self._host.is_running

    def ensure(self) -> None:
        """See to it that somebody runs the production."""
        if self._host is not None and self._client.holder() is None:
            self._host.start()

    def call(self, message: Any) -> tuple[Any, int]:
        """Hand a message to the item Requests; give its reply and the session."""
        session = self._client.send(DOOR, message)
        while True:
            try:
                return self._client.reply(session, _LOOK_S), session
            except RequestTimeoutError:
                self.ensure()
            except RequestFailedError as error:
                raise StoreError(f"The production refused the request: {error.reason}") from error

    def wait(self, session_id: int) -> bool:
        """Wait until nothing of the session is under way."""
        while not self._client.wait_session(session_id, _LOOK_S):
            self.ensure()
        return True

    def trace(self, session_id: int) -> list[dict[str, Any]]:
        """List the session's messages."""
        return [asdict(row) for row in self._client.trace(session_id)]

    def sessions(self, newest: int) -> list[dict[str, Any]]:
        """List the newest sessions, newest first."""
        return [asdict(row) for row in self._client.sessions(newest)]

    def events(self, newest: int, *, after_id: int = 0) -> list[dict[str, Any]]:
        """List the newest entries of the host's event log, oldest of them first."""
        return [asdict(row) for row in self._client.events(newest, after_id=after_id)]

    def pending(self) -> int:
        """Count the messages under way."""
        return self._client.pending()

    def forget(self, before: datetime) -> int:
        """Forget the messages of sessions that ended before; give how many."""
        return self._client.purge(before)

    def suspend(self, message_id: int) -> None:
        """Take a queued message out of its queue."""
        self._client.suspend(message_id)

    def resend(self, message_id: int) -> int:
        """Send a copy of a message as a new session; give that."""
        return self._client.resend(message_id)


class OwnHost:
    """A host of this process that is started when it turns out to be needed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._keeper: HostKeeper | None = None

    @property
    def is_running(self) -> bool:
        """True between `start` and `stop`."""
        return self._keeper is not None

    def start(self) -> None:
        """Run the production, unless somebody else has just begun to."""
        if self._keeper is not None:
            return
        keeper = make_keeper(self._parts)
        with suppress(HostLockedError):
            keeper.start()
            self._keeper = keeper

    def stop(self) -> None:
        """Stop it, if it was started."""
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None


def make_keeper(parts: Parts) -> HostKeeper:
    """Make what keeps the host of a home: its own production, or the one uploaded last."""
    return HostKeeper(lambda reference: make_host(parts, reference), _uploads(parts))


def make_host(parts: Parts, reference: str | None = None) -> Host:
    """Make the host of a home; it is not started yet.

    Parameters
    ----------
    parts : Parts
        The home.
    reference : str, optional
        ``module:attribute`` of another production than the product's own.
    """
    settings = parts.settings
    settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
    wakes = WAKES if reference is None else wakes_of(load_production(reference), WAKES)
    return Host(
        reference or PRODUCTION,
        store_url=settings.messages_url,
        lock_path=settings.lock_path,
        replay=settings.replay,
        processes=settings.processes,
        synchronous=settings.synchronous,
        wakes=wakes,
        defaults=_defaults(parts),
    )


def _uploads(parts: Parts) -> Uploads | None:
    """Give where uploaded productions are, if their code may run here."""
    if not parts.settings.api_migrate:
        return None
    folder = parts.settings.production_dir
    folder.mkdir(parents=True, exist_ok=True)
    return Uploads(folder, UploadCheck(WAKES, _defaults(parts)))


def _defaults(parts: Parts) -> tuple[DefaultSetting, ...]:
    path = parts.settings.default_settings_path
    return read_defaults(path) if path else ()


@contextmanager
def served(parts: Parts, keeper: HostKeeper) -> Iterator[str | None]:
    """Serve iop's REST interface for the time of the block, if the settings give it a port.

    Yields
    ------
    str or None
        What IOP_URL must be.

    Raises
    ------
    HostError
        If it would be open to others without a password, or the port is taken.
    """
    settings = parts.settings
    if settings.api_port is None:
        yield None
        return
    from iris_ct.host.rest import make_app
    from iris_ct.host.rest_server import RestServer, check_exposure

    check_exposure(settings.api_host, password=settings.api_password)
    with host_client(parts) as client:
        app = make_app(keeper, client, password=settings.api_password, how_to_allow=_HOW_TO_ALLOW)
        server = RestServer(app, host=settings.api_host, port=settings.api_port)
        try:
            yield server.url
        finally:
            server.close()


@contextmanager
def host_client(parts: Parts) -> Iterator[HostClient]:
    """Open the host's message store, whether a host runs or not."""
    settings = parts.settings
    settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
    with HostClient(settings.messages_url, settings.lock_path) as client:
        yield client


@contextmanager
def open_door(parts: Parts) -> Iterator[HostDoor]:
    """Reach the running host, or run one for the time of the block."""
    with host_client(parts) as client:
        own = OwnHost(parts)
        door = HostDoor(client, own)
        try:
            door.ensure()
            yield door
        finally:
            own.stop()


@contextmanager
def look_door(parts: Parts) -> Iterator[HostDoor]:
    """Read the message store; what is sent waits for a host, and none is started."""
    with host_client(parts) as client:
        yield HostDoor(client)
