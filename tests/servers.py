"""Servers that tests need: a throw-away PostgreSQL, started once per test session.

``postgres_url()`` gives a new, empty database. Without PostgreSQL on the machine the test is
skipped, visibly; with ``CT_REQUIRE_SERVICES=1`` it fails.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from functools import lru_cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

_USUAL_PLACE = Path("/usr/lib/postgresql")


def postgres_url() -> str:
    """Make an empty database and return its SQLAlchemy URL."""
    server = _server()
    name = f"ct_{uuid.uuid4().hex[:12]}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return f"{server}/{name}"


def _missing(what: str) -> None:
    message = f"PostgreSQL is not available for tests: {what}"
    if os.environ.get("CT_REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)


def _binary(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(_USUAL_PLACE.glob(f"*/bin/{name}"), reverse=True)
    return str(versions[0]) if versions else None


def _as_other_user() -> list[str] | None:
    """Return how to run a command as somebody who is not root, which PostgreSQL insists on."""
    if os.geteuid() != 0:
        return []
    if shutil.which("runuser") is None:
        return None
    for user in ("postgres", "nobody"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        return ["runuser", "-u", user, "--"]
    return None


@lru_cache(maxsize=1)
def _server() -> str:
    initdb, postgres, runner = _binary("initdb"), _binary("postgres"), _as_other_user()
    if initdb is None or postgres is None:
        _missing("initdb and postgres are neither on PATH nor under /usr/lib/postgresql")
    if runner is None:
        _missing("it refuses to run as root, and there is no runuser with postgres or nobody")
    assert initdb is not None
    assert postgres is not None
    assert runner is not None
    folder = Path(tempfile.mkdtemp(prefix="ct-postgres-"))
    folder.chmod(0o777)
    data = folder / "data"
    subprocess.run(
        [*runner, initdb, "-D", str(data), "-U", "ct", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *runner,
                postgres,
                *("-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)),
                # Tests kill hosts, not the machine.
                *("-c", "fsync=off", "-c", "max_connections=200"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    atexit.register(_end, process, folder)
    url = f"postgresql+psycopg://ct@127.0.0.1:{port}"
    _wait_until_up(url, process)
    return url


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        engine = create_engine(f"{url}/postgres")
        try:
            with engine.connect():
                return
        except Exception:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            engine.dispose()


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    # runuser passes SIGTERM on; PostgreSQL then waits for its clients, SIGINT does not.
    pids = (folder / "data" / "postmaster.pid").read_text().split()
    os.kill(int(pids[0]), 2)
    process.wait(timeout=30)
    shutil.rmtree(folder, ignore_errors=True)
