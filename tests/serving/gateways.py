"""Real gateways in processes of their own, with workers that do what a request says."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Generous: the machine may be busy with other things.
PATIENCE_S = 60.0
# What is tried is not the limit, unless a test says so.
PATIENT = {"CT_SERVE_TIMEOUT_S": "60"}
LAUNCH = """
import os, resource, sys
from pathlib import Path
if "OPEN_FILES" in os.environ:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["OPEN_FILES"]), most))
from iris_ct.serving.options import GatewayOptions, read_options
from iris_ct.serving.run import serve
home, control = Path(sys.argv[1]), sys.argv[2:]
options = read_options(GatewayOptions, {"home": home, "port": 0})
serve(options, ready=lambda address: print(address, flush=True), control=control)
"""


class GatewayEndedError(Exception):
    """A gateway did not end as it was asked to."""


def wait_for(what: Callable[[], Any]) -> Any:
    """Wait until something is true, and give it."""
    give_up = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < give_up, "it did not become true in time"
        time.sleep(0.02)
    return found


def branch(home: Path, name: str = "a", *, version: str = "1", **other: Any) -> dict[str, Any]:
    """Describe a branch that is answered by the tiny worker, and make its bundle."""
    bundle = home / "serving" / "bundles" / f"{name}{version}"
    bundle.mkdir(parents=True, exist_ok=True)
    python = home / "python"
    if not python.exists():
        fresh = home / "python.new"
        # It drops the path of the foreign worker that it is called with.
        fresh.write_text(
            f"#!/bin/sh\nshift\nPYTHONPATH={ROOT}/src/python exec {sys.executable} -P "
            f'{HERE}/tiny_worker.py "$@"\n'
        )
        fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR)
        fresh.replace(python)
    return {
        "branch": name,
        "model": "tiny",
        "version": version,
        "image": f"tiny:{version}",
        "runtime": "pyfunc",
        "python": str(python),
        "bundle": str(bundle.relative_to(home)),
        **other,
    }


def routes(*services: tuple[str, list[dict[str, Any]]], revision: int = 1, **other: Any) -> bytes:
    """Make a route table."""
    told = [{"name": name, "branches": branches, **other} for name, branches in services]
    return json.dumps({"revision": revision, "services": told}).encode()


def write_routes(home: Path, text: bytes) -> None:
    """Let a gateway begin with routes."""
    (home / "serving").mkdir(parents=True, exist_ok=True)
    (home / "serving" / "routes.json").write_bytes(text)


@dataclass
class Answered:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Gateway:
    """A gateway that runs."""

    address: str
    home: Path
    process: subprocess.Popen[str]

    def connect(self, timeout_s: float = PATIENCE_S) -> http.client.HTTPConnection:
        """Open a connection."""
        parts = urlsplit(self.address)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send one request over a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return read(connection)
        finally:
            connection.close()

    def post(self, path: str, said: Any, **headers: str) -> Answered:
        """POST JSON; underscores of header names are dashes."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask(
            "POST", path, json.dumps(said), {"content-type": "application/json", **named}
        )

    def push(self, text: bytes) -> dict[str, Any]:
        """Let the tiny control process push routes; give what it is told."""
        revision = json.loads(text)["revision"]
        fresh = self.home / "wish.new"
        fresh.write_bytes(text)
        fresh.replace(self.home / "wish.json")
        told = self.home / f"told-{revision}.json"
        wait_for(told.exists)
        return json.loads(told.read_bytes())  # type: ignore[no-any-return]  # it is an object

    def worker_pids(self) -> list[int]:
        """Processes that the statistics name."""
        stats = self.home / "stats.json"
        found = json.loads(wait_for(lambda: stats.exists() and stats.read_bytes()))
        return [pid for one in found["branches"] for pid in one["pids"]]


def read(connection: http.client.HTTPConnection) -> Answered:
    """Read one answer."""
    response = connection.getresponse()
    headers = {name.lower(): text for name, text in response.getheaders()}
    return Answered(response.status, headers, response.read())


@contextmanager
def gateway(
    home: Path, *, control: bool = False, is_ready: bool = True, **environ: str
) -> Iterator[Gateway]:
    """Run a gateway on a home; it must end well."""
    command = [sys.executable, "-c", LAUNCH, str(home)]
    command += [sys.executable, str(HERE / "tiny_control.py")] if control else []
    clean = {name: text for name, text in os.environ.items() if not name.startswith("CT_")}
    process = subprocess.Popen(
        command, env={**clean, **PATIENT, **environ}, cwd=home, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http"), "the gateway did not start"
        running = Gateway(address, home, process)
        if is_ready:
            wait_for(lambda: running.ask("GET", "/readyz").status == 200)
        yield running
    except BaseException:
        process.kill()
        raise
    finally:
        process.terminate()
        code = process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
    if code != 0:
        raise GatewayEndedError(f"the gateway ended with code {code}")
