"""The gateway as a child of ``ct up``: started again if it ends, ended with it in any case."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from iris_ct.cli.rendering import warn

# Seconds before a gateway that ended is started again.
_PAUSE_S = 2.0
# Seconds that it has to end, before it is ended.
_END_S = 30.0
_MISUSED = 2


@contextmanager
def serving_beside(port: int | None) -> Iterator[None]:
    """Let a gateway serve the same home meanwhile; None: none."""
    if port is None:
        yield
        return
    gateway = _Gateway(port)
    gateway.start()
    try:
        yield
    finally:
        gateway.end()


class _Gateway:
    """A gateway that is kept running by a thread of its own."""

    def __init__(self, port: int) -> None:
        # Nothing is ever written: the gateway sees that this process is gone, however it went.
        self._lifeline, self._ours = os.pipe()
        self._command = [
            *(sys.executable, "-P", "-m", "iris_ct.serving.run"),
            *("--port", str(port), "--lifeline", str(self._lifeline)),
        ]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="gateway", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def end(self) -> None:
        """End it, after it has answered what it was asked."""
        self._over.set()
        os.close(self._ours)
        self._thread.join(_END_S)

    def _keep(self) -> None:
        while not self._over.is_set():
            # In a group of its own, so that Ctrl-C reaches it by the lifeline alone.
            code = subprocess.run(  # noqa: S603 - our own interpreter and module
                self._command, pass_fds=[self._lifeline], start_new_session=True, check=False
            ).returncode
            if self._over.is_set():
                return
            if code == _MISUSED:
                warn("Nothing is served: the gateway refuses its settings, see above.")
                return
            warn(f"The gateway ended with code {code} and is started again.")
            self._over.wait(_PAUSE_S)
