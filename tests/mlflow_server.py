"""A real MLflow server for tests, on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Seen on two busy cores: 15 to 45 s.
_START_S = 240


@contextmanager
def mlflow_server(directory: Path) -> Iterator[str]:
    """Run a server on SQLite with one worker and no jobs; give its address."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with (directory / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server"),
                *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", f"sqlite:///{directory / 'mlflow.db'}"),
                *("--artifacts-destination", str(directory / "artifacts")),
            ],
            cwd=directory,
            env={
                **os.environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_healthy(address, server, directory / "server.log")
            yield address
        finally:
            # The server started workers; all of them are in its session.
            os.killpg(server.pid, 15)
            server.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"mlflow server did not start:\n{log.read_text()[-2000:]}")
