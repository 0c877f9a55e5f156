"""One gateway with a control process per home: ``<home>/serving/gateway.lock``.

The lock is the kernel's (``flock``), so it ends with its holder, however that ends, and is seen
from all containers of a machine, which do not see each other's processes.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iris_ct.core.errors import ConfigError

LOCK = Path("serving") / "gateway.lock"

# Who looks whether a gateway is there holds a shared lock for microseconds.
_PATIENCE_S = 1.0
_PAUSE_S = 0.02


@contextmanager
def only_gateway(home: Path) -> Iterator[None]:
    """Be the one gateway of a home for the time of the block.

    Raises
    ------
    ConfigError
        If another one is; nothing was changed then.
    """
    path = home / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def gateway_of(home: Path) -> int | None:
    """Give the process number of the gateway that serves a home; None if none does.

    In another container the number means nothing, but is the one that the gateway writes of
    itself everywhere.
    """
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _pid(descriptor: int) -> int:
    # Between locking and writing the file of a new home is empty.
    return int(os.pread(descriptor, 20, 0) or b"0")


def _lock(descriptor: int, path: Path) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise ConfigError(
                    f"A gateway serves this home already: process {_pid(descriptor)} holds "
                    f"{path}. Stop that one first, or add --no-control to serve the same "
                    "services at another port too."
                ) from None
            time.sleep(_PAUSE_S)
        else:
            return
