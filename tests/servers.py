"""Servers that tests need: a throw-away PostgreSQL, started once per test session.

``postgres_url()`` gives a new, empty database. Without PostgreSQL on the machine the test is
skipped, visibly; with ``CT_REQUIRE_SERVICES=1`` it fails.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

_USUAL_PLACE = Path("/usr/lib/postgresql")
_START_S = 60


def postgres_url() -> str:
    """Make an empty database and return its SQLAlchemy URL."""
    server = _server()
    name = f"ct_{uuid.uuid4().hex[:12]}"
    server.ensure_database(name)
    return f"{server.url}/{name}"


def free_port() -> int:
    """Find a port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing(what: str) -> NoReturn:
    """Skip the test, or let it fail where services are required."""
    if os.environ.get("CT_REQUIRE_SERVICES") == "1":
        pytest.fail(what)
    pytest.skip(what)


class PostgresServer:
    """A PostgreSQL in a directory of its own, which can be killed and started again.

    Parameters
    ----------
    user, password : str
        The superuser; without a password everybody on this machine is trusted.
    port : int or None
        None: a free one.
    options : tuple of str
        Settings of the server, ``name=value``.
    """

    def __init__(
        self,
        user: str = "ct",
        *,
        password: str = "",
        port: int | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self._runner, self._initdb, self._postgres = _programs()
        self._user, self._password = user, password
        self._options = [word for option in options for word in ("-c", option)]
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ct-postgres-"))
        self.folder.chmod(0o777)
        self._make_cluster()

    @property
    def url(self) -> str:
        """Address of the server, without a database."""
        password = f":{self._password}" if self._password else ""
        return f"postgresql+psycopg://{self._user}{password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers; after a kill it first recovers."""
        until = time.monotonic() + _START_S
        self._process = self._launch()
        while not self._answers():
            if time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")
            if self._process.poll() is not None:
                # Children of one that was killed may still be on their way out.
                time.sleep(0.2)
                self._process = self._launch()
            time.sleep(0.1)

    def ensure_database(self, name: str) -> None:
        """Make a database unless it is there."""
        engine = create_engine(f"{self.url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if connection.execute(found, {"name": name}).first() is None:
                connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self._pid(), signal.SIGKILL)
        self._process.wait(timeout=30)

    def end(self) -> None:
        """Stop it and remove its directory."""
        # runuser passes SIGTERM on; PostgreSQL then waits for its clients, SIGINT does not.
        if self._process.poll() is None:
            os.kill(self._pid(), signal.SIGINT)
            self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _make_cluster(self) -> None:
        login = ["-A", "trust"]
        if self._password:
            secret = self.folder / "password"
            secret.write_text(self._password)
            secret.chmod(0o644)
            login = ["-A", "scram-sha-256", "--pwfile", str(secret)]
        subprocess.run(
            [
                *(*self._runner, self._initdb, "-D", str(self._data)),
                *("-U", self._user, *login, "-E", "UTF8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._log.open("a") as log:
            return subprocess.Popen(
                [
                    *(*self._runner, self._postgres, "-D", str(self._data)),
                    *("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)),
                    *self._options,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    def _answers(self) -> bool:
        engine = create_engine(f"{self.url}/postgres")
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False
        finally:
            engine.dispose()


@lru_cache(maxsize=1)
def _server() -> PostgresServer:
    # Tests kill hosts, not the machine.
    server = PostgresServer(options=("fsync=off", "max_connections=200"))
    atexit.register(server.end)
    server.start()
    return server


def _programs() -> tuple[list[str], str, str]:
    """Find how to run as somebody else, initdb and postgres; without them skip or fail."""
    initdb, postgres, runner = _binary("initdb"), _binary("postgres"), _as_other_user()
    if initdb is None or postgres is None:
        _missing("initdb and postgres are neither on PATH nor under /usr/lib/postgresql")
    if runner is None:
        _missing("it refuses to run as root, and there is no runuser with postgres or nobody")
    return runner, initdb, postgres


def _missing(what: str) -> NoReturn:
    missing(f"PostgreSQL is not available for tests: {what}")


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
