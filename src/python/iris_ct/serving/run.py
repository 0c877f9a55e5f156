"""``ct serve``: starts the gateway, its workers and the control process, and ends them in order.

Workers are started from the last route file before anything else is loaded, so that the first
answer does not wait for what it does not need.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
import uvloop

from iris_ct.core.errors import ConfigError
from iris_ct.serving.backends import make_backend
from iris_ct.serving.control import ControlLine
from iris_ct.serving.gateway import Access, Gateway
from iris_ct.serving.metrics import BOUNDS_S, Metrics
from iris_ct.serving.options import GatewayOptions
from iris_ct.serving.pages import StandardPages
from iris_ct.serving.routes import RouteTable, read_routes
from iris_ct.serving.switch import Switch

# Seconds between two looks for calls that are late.
_TICK_S = 0.05
# Seconds between statistics, and looks at logs and at connections.
_LOOK_S = 1.0

_log = logging.getLogger(__name__)


def serve(
    options: GatewayOptions,
    *,
    ready: Callable[[str], None],
    has_control: bool = True,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Parameters
    ----------
    options
        As `options.read_options` gives them.
    ready
        Is told the address once requests are taken.
    has_control
        Whether the control process is started; without it the routes stay as the file says.

    Raises
    ------
    ConfigError
        If it may not listen where it is told to, or something else does.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    access = open_access(options)
    if access is None and not is_loopback(options.host):
        raise ConfigError(
            f"CT_SERVE_HOST = {options.host}: who may ask is not configured, so only this machine "
            "may, at 127.0.0.1. Configure access (docs/serving.md, Access), or listen there."
        )
    with _listening(options) as listener:
        uvloop.run(_serve(options, listener, access, ready, has_control=has_control))


def open_access(options: GatewayOptions) -> Access | None:
    """Give what decides who may ask; None if it is not configured."""
    return None


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine only.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "box")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def _listening(options: GatewayOptions) -> Iterator[socket.socket]:
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, options.port))
        except OSError as error:
            raise ConfigError(
                f"{host}:{options.port} cannot be listened on: {error.strerror}. Set another port "
                "by CT_SERVE_PORT or --port; 0 takes a free one."
            ) from error
        yield listener


def address_of(options: GatewayOptions, listener: socket.socket) -> str:
    """Give the address under which it serves."""
    host, port = listener.getsockname()[:2]
    scheme = "http" if options.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


async def _serve(
    options: GatewayOptions,
    listener: socket.socket,
    access: Access | None,
    ready: Callable[[str], None],
    *,
    has_control: bool,
) -> None:
    loop = asyncio.get_running_loop()
    address = address_of(options, listener)
    metrics = Metrics()

    async def apply(routes: RouteTable) -> dict[str, str]:
        return await switch.apply(routes)

    line = ControlLine(options, _control_command(options, address) if has_control else None, apply)
    gateway = Gateway(
        options,
        metrics=metrics,
        control=line,
        pages=StandardPages(),
        access=access,
        clock=loop.time,
    )
    switch = Switch(
        gateway, options, lambda *branch: make_backend(options, branch[0], branch[1], branch[2])
    )
    await switch.apply(_last_routes(options), wait=False)
    # The workers are on their way: let the loop start them, then load what they do not need.
    await asyncio.sleep(0)
    line.start()
    from iris_ct.serving.server import make_server

    server = make_server(gateway, options, lambda: ready(address))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    looking = [
        loop.create_task(_tick(switch)),
        loop.create_task(_look(switch, line, server.close_late)),
    ]
    try:
        await server.serve(sockets=[listener])
    finally:
        await asyncio.gather(switch.end(), line.end())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


def _last_routes(options: GatewayOptions) -> RouteTable:
    path = options.serving_dir / "routes.json"
    try:
        return read_routes(path)
    except ConfigError as error:
        # The control process writes a new one.
        _log.warning("%s Nothing is served until the control process says what.", error)
        return RouteTable()


def _control_command(options: GatewayOptions, address: str) -> Callable[[int], Sequence[str]]:
    return lambda fd: [
        *(sys.executable, "-P", "-m", "iris_ct.control.main"),
        *("--fd", str(fd), "--home", str(options.home), "--address", address),
    ]


async def _tick(switch: Switch) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_TICK_S)
        switch.tick(loop.time())


async def _look(switch: Switch, line: ControlLine, close_late: Callable[[float], None]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_LOOK_S)
        switch.look()
        line.look()
        close_late(loop.time())
        stats = {"bounds_s": BOUNDS_S, "branches": switch.stats()}
        line.tell(msgspec.json.encode(stats))
