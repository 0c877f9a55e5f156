"""uvicorn as the gateway runs it."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from iris_ct.core.errors import ConfigError
from iris_ct.serving.connections import Connection, close_late
from iris_ct.serving.options import GatewayOptions

# Seconds that an idle connection stays open, longer than those of usual proxies and pools.
_KEEP_ALIVE_S = 75


class GatewayServer(Server):
    """A server whose signals and late connections are the gateway's."""

    def __init__(self, config: Config, read_timeout_s: float, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._read_timeout_s, self._ready = read_timeout_s, ready

    async def startup(self, sockets: Any = None) -> None:
        """Begin to take requests, and say so."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the gateway's loop."""
        yield

    def close_late(self, now: float) -> None:
        """Close the connections whose request takes too long to arrive."""
        close_late(self.server_state.connections, now, self._read_timeout_s)


def make_server(
    app: Callable[..., Any], options: GatewayOptions, ready: Callable[[], None]
) -> GatewayServer:
    """Make the server.

    Raises
    ------
    ConfigError
        If the certificate or its key cannot be used.
    """
    # What clients send wrong is answered, not logged; what goes wrong here is.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(options.drain_s)),
        limit_concurrency=options.max_connections,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"TLS cannot begin with {options.tls_cert} and {options.tls_key}: {error}. Expected a "
            "PEM certificate and its key without a password."
        ) from error
    return GatewayServer(config, options.read_timeout_s, ready)
