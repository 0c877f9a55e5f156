"""The service ``serving`` of docker-compose.yml as native processes, on a home whose catalogue is in an IRIS.

Command, variables, secrets and mounts are those of the file. The IRIS is a stand-in:
`tests.iris_driver` outside, `tests.iris_process` inside.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from tests.iris_process import IrisProcess
from tests.servers import free_port, postgres_url
from tests.stack.compose import ROOT, Service, read_service
from tests.stack.stack import PATH, Program, container_environment

from iris_ct.adapters.store import SqlStore, iris_embedded, tables
from iris_ct.instance.privileges import grants

READER, OPERATOR, SERVING, ACCOUNT = "CT_Reader", "CT_Operator", "CT_Serving", "ct_gateway"
_DRIVER = "from tests import iris_driver as dbapi\n"


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
            "PYTHONPATH": os.pathsep.join([str(package.parent), *filter(None, sys.path)]),
            "CT_TEST_IRIS_URL": instance.url,
            "CT_TEST_IRIS_ACCOUNT": str(dur / "secrets" / "iris" / "gateway_password"),
            "CT_TEST_IRIS_AWAY": str(instance.away),
            # What is tried is not the limit.
            "CT_SERVE_TIMEOUT_S": "60",
        }
        self.program = Program("serving", list(self.service.command), self.environment, folder)
        self._folder = folder

    def start(self) -> None:
        """Start it, and wait until its health check is green."""
        self.program.start()
        self.program.wait_until(lambda: self.run(*self.service.healthcheck).returncode == 0)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as ``docker compose exec serving`` does."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ask(
        self, method: str, path: str, content: Any = None, *, token: str | None = None
    ) -> Told:
        """Ask the gateway."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            body = None if content is None else json.dumps(content)
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


def prepare(dur: Path) -> Service:
    """Run the service that makes directories and secrets; owners stay who they are."""
    service = read_service("prepare")
    scripts = dur.parent / "no-chown"
    scripts.mkdir()
    (scripts / "chown").write_text("#!/bin/sh\n")
    (scripts / "chown").chmod(0o755)
    places = {"/dur": str(dur), "/deploy": str(ROOT / "deploy")}
    service = service.replacing(places)
    subprocess.run(
        service.command,
        env={"PATH": f"{scripts}{os.pathsep}{PATH}"},
        check=True,
        capture_output=True,
    )
    return service
