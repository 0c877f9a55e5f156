"""Serves the REST interface from a thread, for as long as the process keeps its host."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette

from iris_ct.host.errors import HostError

_START_TIMEOUT_S = 30.0
# Requests under way get this long at the end.
_STOP_TIMEOUT_S = 5
_LOOK_S = 0.02


class RestServer:
    """A listening server.

    Parameters
    ----------
    app : Starlette
        What answers.
    host : str
        Address to listen on.
    port : int
        0 takes a free one.

    Raises
    ------
    HostError
        If the address cannot be listened on.
    """

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_STOP_TIMEOUT_S,
            limit_concurrency=64,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="host-rest", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise HostError(f"The REST interface did not start on {self.url}.")
            time.sleep(_LOOK_S)

    @property
    def url(self) -> str:
        """What IOP_URL must be to reach it from this machine."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"

    def close(self) -> None:
        """End what is under way and stop listening."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def check_exposure(host: str, *, password: str) -> None:
    """Refuse to be reached by other machines without a password.

    Raises
    ------
    HostError
        If ``host`` is no address of this machine alone and there is no password.
    """
    if not password and not _is_loopback(host):
        raise HostError(
            f"The REST interface is to listen on {host}, which other machines reach, but has no "
            "password. Set CT_API_PASSWORD_FILE, or listen on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    listening = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        if listening is not None:
            listening.close()
        raise HostError(
            f"The REST interface cannot listen on {host} port {port}: {error}. Choose another "
            "port, or end what listens there."
        ) from error
    return listening
