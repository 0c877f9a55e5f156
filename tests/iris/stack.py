"""The compose stack as its users start it, in a copy of the project, for tests inside IRIS.

The copy has a ``dur/`` of its own, other ports and another container name, so a stack that runs
on the same machine keeps what it has. Not yet run: no engine was there when this was written.
"""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.servers import free_port

from iris_ct.adapters.store.iris_remote import Connection, connect

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "iris-test"
NAMESPACE = "IRISAPP"
DOCKER, GIT = "docker", "git"

# Building the image fetches some gigabytes; the first start compiles everything.
_UP_S = 3600
_CALL_S = 900

# What docker-compose.yml says of this machine's names; everything else stays as it is there.
_OVERRIDE = "services: {iris: {container_name: iris-ct-test}}\n"

# The user's own role and %SQL: "SQL access through the %Service_Bindings service", says the
# documentation ("Automating Configuration of InterSystems IRIS with Configuration Merge").
USERS = {
    "ct_test_reader": "CT_Reader,%SQL",
    "ct_test_operator": "CT_Operator,%SQL",
    "ct_test_stranger": "%SQL",
}


def missing_engine() -> str:
    """Say why no stack can be brought up here; nothing if one can."""
    if shutil.which(DOCKER) is None:
        return "docker is not installed"
    for command in ([DOCKER, "compose", "version"], [DOCKER, "info"]):
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if told.returncode != 0:
            return f"'{' '.join(command)}' fails: {told.stderr.strip()[-300:]}"
    return ""


class Stack:
    """A running compose stack.

    Attributes
    ----------
    project : Path
        The copy of the project; its ``dur/`` is what the containers see.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self.sql_port, self.web_port, self.mlflow_port = (free_port() for _ in range(3))
        self.serving_port = free_port()
        self._password = secrets.token_hex(16)
        self._n_files = 0

    def up(self) -> None:
        """Build and start; ends when every health check is green."""
        self.compose("up", "--build", "--detach", "--wait", timeout_s=_UP_S)

    def down(self) -> None:
        """Remove the containers and what they wrote; their words stay in ``compose.log``."""
        logs = self.compose("logs", "--no-color", check=False)
        (PLACE / "compose.log").write_text(logs)
        self.compose("down", "--remove-orphans", check=False)
        # Most of it belongs to users of the containers.
        remove = ("run", "--rm", "--no-deps", "--entrypoint", "sh", "prepare", "-c")
        self.compose(*remove, "rm -rf /dur/*", check=False)
        self.compose("down", "--volumes", "--remove-orphans", check=False)
        shutil.rmtree(self.project, ignore_errors=True)

    def compose(self, *arguments: str, check: bool = True, timeout_s: int = _CALL_S) -> str:
        """Run ``docker compose``; give what it printed."""
        return self._run(arguments, check=check, timeout_s=timeout_s)

    def exec(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """Run a command in the container of IRIS; give what it printed."""
        return self._run(("exec", "-T", "iris", *command), stdin=stdin, check=check)

    def session(self, *lines: str, namespace: str = NAMESPACE) -> str:
        """Type lines at the iris terminal; give what it printed."""
        typed = "\n".join([*lines, "halt", ""])
        return self.exec("iris", "session", "IRIS", "-U", namespace, stdin=typed)

    def evaluate(self, expression: str, *before: str, namespace: str = NAMESPACE) -> str:
        """Give the value of an ObjectScript expression as text."""
        # Joined words, so that an echo of the line is not taken for its output.
        line = f'write !,"[value"_":",{expression},"]",!'
        said = self.session(*before, line, namespace=namespace)
        found = re.findall(r"\[value:(.*?)\]", said, re.DOTALL)
        assert found, f"{expression} gave no value:\n{said}"
        return str(found[-1])

    def make_users(self) -> None:
        """Make an IRIS user for each row of `USERS`."""
        for name, roles in USERS.items():
            # Name, roles, password, full name, namespace, routine, expiry, change it, enabled.
            made = (
                f'##class(Security.Users).Create("{name}","{roles}","{self._password}",'
                f'"Test","{NAMESPACE}","","",0,1)'
            )
            assert self.evaluate(f"$system.Status.IsOK({made})", namespace="%SYS") == "1"

    @contextmanager
    def connection(self, user: str = "ct_test_operator") -> Iterator[Connection]:
        """Connect by DB-API; closed at once, since Community Edition has eight connections."""
        opened = connect(
            hostname="127.0.0.1",
            port=self.sql_port,
            namespace=NAMESPACE,
            username=user,
            password=self._password,
            timeout=60,
        )
        try:
            yield opened
        finally:
            opened.close()

    def query(
        self, sql: str, *parameters: Any, user: str = "ct_test_operator"
    ) -> list[dict[str, Any]]:
        """Run a query as a user; rows by lower-case column name."""
        with self.connection(user) as opened:
            cursor = opened.cursor()
            cursor.execute(sql, parameters)
            names = [str(column[0]).lower() for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            opened.commit()
            return rows

    def drop(self, model: str, rows: pl.DataFrame) -> None:
        """Put rows into a model's inbox as a person on this machine does."""
        self._n_files += 1
        inbox = self.project / "dur" / "inbox" / model
        part = inbox / f"rows{self._n_files:03}.csv.part"
        rows.write_csv(part)
        part.rename(part.with_suffix(""))

    def value(self, sql: str, *parameters: Any, user: str = "ct_test_operator") -> Any:
        """Run a query that gives one value."""
        [row] = self.query(sql, *parameters, user=user)
        [found] = row.values()
        return found

    def _run(
        self,
        arguments: Sequence[str],
        *,
        stdin: str = "",
        check: bool = True,
        timeout_s: int = _CALL_S,
    ) -> str:
        files = ("-f", "docker-compose.yml", "-f", "test-names.yml")
        ended = subprocess.run(
            [DOCKER, "compose", "-p", "iris-ct-test", *files, *arguments],
            cwd=self.project,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        told = ended.stdout + ended.stderr
        if check and ended.returncode != 0:
            pytest.fail(f"docker compose {' '.join(arguments)} gave {ended.returncode}:\n{told}")
        return told


def copy_project(models: dict[str, str]) -> Stack:
    """Copy what is committed or new into a place of its own, with model files and an ``.env``."""
    project = PLACE / "project"
    shutil.rmtree(project, ignore_errors=True)
    listed = subprocess.run(
        [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)
    (project / "dur" / "models").mkdir(parents=True)
    for name, text in models.items():
        (project / "dur" / "models" / f"{name}.toml").write_text(text)
    stack = Stack(project)
    ports = (
        f"IRIS_PORT={stack.sql_port}\n"
        f"IRIS_WEB_PORT={stack.web_port}\n"
        f"MLFLOW_PORT={stack.mlflow_port}\n"
        f"SERVING_PORT={stack.serving_port}\n"
        "CT_IMAGE=iris-ct:test\n"
        "SERVING_IMAGE=iris-ct-serving:test\n"
    )
    (project / ".env").write_text((ROOT / ".env.example").read_text() + ports)
    (project / "test-names.yml").write_text(_OVERRIDE)
    return stack
