"""``ct serve``: starts the gateway, its workers and the control process, and ends them in order.

Workers are started from the last route file before anything else is loaded, so that the first
answer does not wait for what it does not need.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
import uvloop

from iris_ct.adapters.gateway_lock import only_gateway
from iris_ct.core.errors import ConfigError
from iris_ct.serving.access import Access, AccessOptions, check_exposure
from iris_ct.serving.backends import make_backend
from iris_ct.serving.control import ControlLine
from iris_ct.serving.gateway import Gateway
from iris_ct.serving.metrics import BOUNDS_S, Metrics
from iris_ct.serving.options import GatewayOptions, read_options
from iris_ct.serving.pages import StandardPages
from iris_ct.serving.routes import RouteTable, read_routes
from iris_ct.serving.switch import Switch

CONTROL = (sys.executable, "-P", "-m", "iris_ct.control.main")
# Exit code when a setting must be mended first.
MISUSED = 2
# Seconds between two looks for calls that are late.
_TICK_S = 0.05
# Seconds between statistics, and looks at logs and at connections.
_LOOK_S = 1.0
# Open files beside those of connections: of workers, logs and what they start.
_MORE_FILES = 1024

_log = logging.getLogger(__name__)


def serve(
    options: GatewayOptions,
    *,
    ready: Callable[[str], None],
    control: Sequence[str] = CONTROL,
    lifeline: int | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Parameters
    ----------
    options
        As `options.read_options` gives them.
    ready
        Is told the address once requests are taken.
    control
        Command of the control process; without one the routes stay as the file says.
    lifeline
        File that ends with the process that this one is to end with.

    Raises
    ------
    ConfigError
        If it may not listen where it is told to, or something else does, or if a gateway with
        a control process serves this home already.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    access = Access(read_options(AccessOptions, {"home": options.home}))
    warning = check_exposure(options.host, access, has_tls=options.tls_cert is not None)
    if warning is not None:
        _log.warning("%s", warning)
    _allow_files(options.max_connections + _MORE_FILES)
    alone = only_gateway(options.home) if control else contextlib.nullcontext()
    with alone, _listening(options) as listener:
        uvloop.run(_serve(options, listener, access, ready, control=control, lifeline=lifeline))


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files as far as that is allowed.

    Many systems begin with 1,024: so many idle connections would keep a worker that ended from
    being started again.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
    """Give the address under which it serves, as somebody on this machine can ask it."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    scheme = "http" if options.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


async def _serve(
    options: GatewayOptions,
    listener: socket.socket,
    access: Access,
    ready: Callable[[str], None],
    *,
    control: Sequence[str],
    lifeline: int | None,
) -> None:
    loop = asyncio.get_running_loop()
    address = address_of(options, listener)
    metrics = Metrics()

    async def apply(routes: RouteTable) -> dict[str, str]:
        return await switch.apply(routes)

    rest = ("--home", str(options.home), "--address", address)
    line = ControlLine(
        options, (lambda fd: (*control, "--fd", str(fd), *rest)) if control else None, apply
    )
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
    access.start()
    from iris_ct.serving.server import make_server

    server = make_server(gateway, options, lambda: ready(address))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    if lifeline is not None:
        loop.add_reader(lifeline, server.handle_exit, signal.SIGTERM, None)
    looking = [
        loop.create_task(_tick(switch)),
        loop.create_task(_look(switch, line, server.close_late)),
    ]
    for task in looking:
        # Without them nothing times out, so a gateway that lost one must not go on.
        task.add_done_callback(lambda _: server.handle_exit(signal.SIGTERM, None))
    try:
        await server.serve(sockets=[listener])
        await _raise_if_one_failed(looking)
    finally:
        await asyncio.gather(switch.end(), line.end(), access.close())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


def main(arguments: Sequence[str]) -> int:
    """Serve beside the process that started this one, and end with it."""
    parser = argparse.ArgumentParser(prog="iris_ct.serving.run")
    parser.add_argument("--port", type=int)
    parser.add_argument("--lifeline", type=int, required=True)
    asked = parser.parse_args(arguments)
    try:
        serve(
            read_options(GatewayOptions, {"port": asked.port}),
            ready=lambda address: _say(f"Serving on {address}"),
            lifeline=asked.lifeline,
        )
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _last_routes(options: GatewayOptions) -> RouteTable:
    path = options.serving_dir / "routes.json"
    try:
        return read_routes(path)
    except ConfigError as error:
        # The control process writes a new one.
        _log.warning("%s Nothing is served until the control process says what.", error)
        return RouteTable()


async def _raise_if_one_failed(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            await task


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
