"""The service ``serving`` of docker-compose.yml as native processes, on a home whose catalogue is in an IRIS.

Command, variables, secrets and mounts are those of the file, and where this may be, its user without
any capability: with root's rights the tests change to it. The IRIS is a stand-in: `tests.iris_driver`
outside, `tests.iris_process` inside.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from tests.iris_process import IrisProcess
from tests.servers import free_port, postgres_url
from tests.stack.compose import ROOT, declared, read_service
from tests.stack.stack import PATH, Program, container_environment

from iris_ct.adapters.store import SqlStore, iris_embedded, tables
from iris_ct.instance.privileges import grants

READER, OPERATOR, SERVING, ACCOUNT = "CT_Reader", "CT_Operator", "CT_Serving", "ct_gateway"
_DRIVER = "from tests import iris_driver as dbapi\n"
_CT = "from iris_ct.cli.main import run\nrun()\n"


@dataclass(frozen=True)
class Told:
    """What the gateway answered."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Instance:
    """The IRIS: one process inside it, and the file that takes it away from those outside."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.away = folder / "away"
        address = sa.make_url(postgres_url()).set(drivername="postgresql")
        self.url = address.render_as_string(hide_password=False)
        self._process = IrisProcess(self.url)
        self.store = SqlStore(
            "iris+emb:///IRISAPP",
            home,
            synchronous="OFF",
            connect=lambda: iris_embedded.connect("IRISAPP", self._process),
        )
        self._take_over(home / "store" / "ct.db")
        self._let_in()

    def refuses(self, statement: str) -> bool:
        """Tell whether the gateway's account may not run a statement."""
        with psycopg.connect(self.url, user=ACCOUNT) as connection:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                return True
        return False

    def end(self) -> None:
        """Close what is open."""
        self.store.close()
        self._process.end()

    def _take_over(self, database: Path) -> None:
        """Fill the catalogue with that of a home on SQLite, which then has none."""
        before = sa.create_engine(f"sqlite:///{database}")
        with before.connect() as old, self.store.engine.begin() as new:
            for table in tables.metadata.sorted_tables:
                rows = [dict(row._mapping) for row in old.execute(sa.select(table))]
                if rows and table is not tables.migration:
                    new.execute(sa.insert(table), rows)
        before.dispose()
        for path in database.parent.glob("ct.db*"):
            path.unlink()

    def _let_in(self) -> None:
        """Make roles and account as CT.Setup does, as far as SQL grants go."""
        with psycopg.connect(self.url) as connection:
            for role in (READER, OPERATOR, SERVING, ACCOUNT):
                # Roles are the server's, not the database's.
                there = connection.execute(
                    "SELECT 1 FROM pg_roles WHERE rolname = lower(%s)", [role]
                )
                if there.fetchone() is None:
                    connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            connection.execute(f"GRANT {READER} TO {OPERATOR}, {SERVING}".encode())
            connection.execute(f"GRANT {SERVING} TO {ACCOUNT}".encode())
            connection.execute(f"GRANT USAGE ON SCHEMA ct, ct_store TO {READER}".encode())
            for statement in json.loads(grants(READER, OPERATOR, SERVING)):
                # Procedures and tables of IRIS are not there, and schemas are granted otherwise.
                if " ON CT_Store." in statement or statement.startswith("GRANT SELECT ON CT."):
                    connection.execute(statement.encode())


class Serving:
    """The gateway's container.

    Attributes
    ----------
    dur : Path
        What is kept on the machine.
    seen : Path
        The same as the container sees it: what is mounted there and nothing else.
    """

    def __init__(self, folder: Path, dur: Path, instance: Instance) -> None:
        self.dur, self.seen, self.port = dur, folder / "seen", free_port()
        service = read_service("serving")
        self._mounts = dict(service.mounts)
        self._show()
        self.service = service.replacing(self._places())
        package = folder / "driver" / "iris"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(_DRIVER)
        self.environment = {
            **container_environment(self.service),
            "PYTHONPATH": f"{package.parent}{os.pathsep}{_packages()}",
            "CT_TEST_IRIS_URL": instance.url,
            "CT_TEST_IRIS_ACCOUNT": str(dur / "secrets" / "iris" / "gateway_password"),
            "CT_TEST_IRIS_AWAY": str(instance.away),
            # The image knows its user by this name; this machine may know none of that number.
            "LOGNAME": "ct",
            # What is tried is not the limit.
            "CT_SERVE_TIMEOUT_S": "60",
        }
        self._folder = folder
        self._as_user = self._change_user()
        self.program = Program(
            "serving", [*self._as_user, *self.service.command], self.environment, folder
        )

    def start(self) -> None:
        """Start it, and wait until its health check is green."""
        self.program.start()
        self.program.wait_until(lambda: self.run(*self.service.healthcheck).returncode == 0)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as ``docker compose exec serving`` does."""
        return subprocess.run(
            [*self._as_user, *command],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        token: str | None = None,
        kind: str = "application/json",
    ) -> Told:
        """Ask the gateway; what is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = {"Content-Type": kind}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            is_ready = content is None or isinstance(content, bytes)
            body = content if is_ready else json.dumps(content)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Told(answer.status, answer.read())
        finally:
            connection.close()

    def strays(self) -> list[str]:
        """Name what was written beside the mounts: it would end with the container."""
        return sorted(path.name for path in self.seen.iterdir() if not path.is_symlink())

    def read_only(self) -> dict[str, int]:
        """Give the files of what is mounted to be read, with their times of change."""
        return {
            str(path): path.stat().st_mtime_ns
            for place in ("artifacts", "models")
            for path in sorted((self.dur / place).rglob("*"))
        }

    def _change_user(self) -> tuple[str, ...]:
        """Put the programs of the image where its user finds them."""
        changed = runner()
        if changed is None:
            return ()
        programs = self._folder / "bin"
        programs.mkdir()
        (programs / "python").symlink_to(changed.python)
        (programs / "ct").write_text(f"#!{changed.python}\n{_CT}")
        (programs / "ct").chmod(0o755)
        self.environment["PATH"] = f"{programs}{os.pathsep}{PATH}"
        return changed.words

    def _show(self) -> None:
        self.seen.mkdir()
        for target, source in self._mounts.items():
            if target.startswith("/dur/"):
                (self.seen / Path(target).name).symlink_to(self._of(source))

    def _of(self, source: str) -> Path:
        return self.dur / Path(source).relative_to("dur")

    def _places(self) -> dict[str, str]:
        return {
            "/dur": str(self.seen),
            "/run/secrets": str(self._of(self._mounts["/run/secrets"])),
            "/opt/ct/health.py": str(ROOT / "deploy" / "serving" / "health.py"),
            "8080": str(self.port),
        }


@dataclass(frozen=True)
class Runner:
    """What runs a command as the service's user, and the interpreter that this user may run."""

    words: tuple[str, ...]
    python: str


@lru_cache(maxsize=1)
def runner() -> Runner | None:
    """Give how to change to the service's user; None where that cannot be."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    user, _, group = str(declared("serving")["user"]).partition(":")
    words = (
        *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
        *("--bounding-set=-all", "--no-new-privs"),
    )
    # The interpreter of the tests may lie where only root comes to; it also starts others.
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import iris_ct'])"
    environment = {"PATH": PATH, "PYTHONPATH": _packages()}
    for python in (sys.executable, system):
        asked = subprocess.run(
            [*words, python, "-c", f"{script}.check_returncode()"],
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if asked.returncode == 0:
            return Runner(words, python)
    return None


def _packages() -> str:
    return os.pathsep.join(filter(None, sys.path))


def prepare(dur: Path) -> None:
    """Run the service that makes directories and secrets; without root owners stay who they are."""
    service = read_service("prepare")
    path = PATH
    if runner() is None:
        programs = dur.parent / "no-chown"
        programs.mkdir()
        (programs / "chown").write_text("#!/bin/sh\n")
        (programs / "chown").chmod(0o755)
        path = f"{programs}{os.pathsep}{PATH}"
    places = {"/dur": str(dur), "/deploy": str(ROOT / "deploy")}
    subprocess.run(
        service.replacing(places).command, env={"PATH": path}, check=True, capture_output=True
    )
