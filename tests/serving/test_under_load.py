"""Swaps, kills and scaling while requests come: none fails, none is answered twice.

Small numbers for every day; benchmarks/ has the long runs.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.serving.gateways import (
    PATIENCE_S,
    ROOT,
    Gateway,
    GatewayEndedError,
    branch,
    gateway,
    read,
    routes,
    wait_for,
    write_routes,
)

pytestmark = pytest.mark.integration
PATH = "/model-endpoints/tiny"


@contextmanager
def load(running: Gateway, *, clients: int = 4) -> Iterator[list[tuple[int, str, str]]]:
    """Ask without a pause; gives status, puid and image of each answer, and checks them."""
    answers: list[tuple[int, str, str]] = []
    over = threading.Event()

    def client(number: int) -> None:
        with contextlib.closing(running.connect()) as connection:
            for n in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
                puid = f"{number}-{n}"
                connection.request("POST", PATH, body=b"{}", headers={"seldon-puid": puid})
                told = read(connection)
                said = told.json if told.status == 200 else {}
                same = said.get("puid") == puid
                answers.append((told.status if same else 0, puid, said.get("image", told.body)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert answers
    assert [one for one in answers if one[0] != 200] == []
    assert max(Counter(puid for _, puid, _ in answers).values()) == 1


def more(answers: list[tuple[int, str, str]], n: int = 150) -> None:
    """Wait for more answers."""
    now = len(answers)
    wait_for(lambda: len(answers) >= now + n)


def kill_one(running: Gateway) -> bool:
    """Kill a worker; False if what the statistics name has gone already."""
    for pid in running.worker_pids()[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def test_swaps_kills_and_scaling_lose_no_request(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)]), timeout_s=30.0))
    with gateway(tmp_path, control=True, CT_SERVE_DRAIN_S="30") as running:
        with load(running) as answers:
            for revision in range(2, 6):
                new = branch(tmp_path, version=str(revision), instances=2)
                table = routes(("tiny", [new]), revision=revision, timeout_s=30.0)
                assert running.push(table) == {"ok": True, "errors": {}}
                more(answers)
                # From the moment of the swap on, only the new version answers.
                assert {image for _, _, image in answers[-50:]} == {f"tiny:{revision}"}
            for _ in range(4):
                wait_for(lambda: kill_one(running))
                more(answers)
            for instances in (3, 1):
                new = branch(tmp_path, version="5", instances=instances)
                running.push(routes(("tiny", [new]), revision=10 + instances, timeout_s=30.0))
                more(answers)
        logged = Counter(
            line.split()[0]
            for bundle in (tmp_path / "serving" / "bundles").iterdir()
            if (bundle / "answered").exists()
            for line in (bundle / "answered").read_text().splitlines()
        )
        assert set(logged) == {puid for _, puid, _ in answers}
        assert max(logged.values()) <= 3


def test_a_branch_that_cannot_start_leaves_the_service_as_it_is(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)])))
    with gateway(tmp_path, control=True) as running:
        bad = branch(tmp_path, version="2")
        (tmp_path / bad["bundle"] / "broken").touch()
        told = running.push(routes(("tiny", [bad]), ("new", [bad]), revision=2, timeout_s=30.0))
        assert told["ok"] is False
        assert set(told["errors"]) == {"tiny/a", "new/a"}
        assert "the bundle is broken" in told["errors"]["tiny/a"]
        assert running.post(PATH, {}).json["image"] == "tiny:1"
        assert running.post("/model-endpoints/new", {}).status == 503
        # That it fails is told for as long as it does.
        again = routes(("new", [bad]), ("tiny", [branch(tmp_path)]), revision=3, timeout_s=30.0)
        told = running.push(again)
        assert set(told["errors"]) == {"new/a"}
        (tmp_path / bad["bundle"] / "broken").unlink()
        wait_for(lambda: running.post("/model-endpoints/new", {}).status == 200)
        assert running.push(again.replace(b"3", b"4", 1))["ok"] is True


def test_idle_connections_leave_files_for_workers(tmp_path: Path) -> None:
    """Begun with a limit of 128 open files, as of many systems it is 1,024."""
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)]), timeout_s=30.0))
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(gateway(tmp_path, control=True, OPEN_FILES="128"))
        for _ in range(200):
            connection = stack.enter_context(contextlib.closing(running.connect()))
            connection.connect()
        (pid,) = wait_for(running.worker_pids)
        os.kill(pid, signal.SIGKILL)
        assert running.post(PATH, {}).json["pid"] != pid


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_handshakes_that_never_end_keep_nobody_out(tmp_path: Path) -> None:
    """More of them than connections are allowed; the event loop ends each after 60 s."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    settings: dict[str, Any] = {
        "CT_SERVE_TLS_CERT": str(certificate),
        "CT_SERVE_TLS_KEY": str(key),
        "CT_SERVE_MAX_CONNECTIONS": "4",
    }
    context = ssl.create_default_context(cafile=str(certificate))
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(gateway(tmp_path, is_ready=False, **settings))
        port = urlsplit(running.address).port or 0
        for number in range(20):
            held = socket.create_connection(("127.0.0.1", port))
            stack.enter_context(contextlib.closing(held))
            # Every other one begins with its first record and never goes on.
            held.sendall(b"\x16\x03\x01\x02\x00" * (number % 2))
        asked = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=context)
        with contextlib.closing(asked):
            asked.request("GET", "/healthz")
            assert read(asked).status == 200


def is_answered_by(running: Gateway, image: str) -> bool:
    return bool(running.post(PATH, {}).json["image"] == image)


def test_a_service_that_is_slow_to_start_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)])))
    with gateway(tmp_path, control=True) as running:
        late = branch(tmp_path, "late", version="9")
        slow = tmp_path / late["bundle"] / "slow"
        slow.touch()
        for revision in (2, 3):
            mine = branch(tmp_path, version=str(revision))
            text = routes(("late", [late]), ("tiny", [mine]), revision=revision, timeout_s=30.0)
            (tmp_path / "wish.new").write_bytes(text)
            (tmp_path / "wish.new").replace(tmp_path / "wish.json")
            wait_for(partial(is_answered_by, running, mine["image"]))
            assert running.post("/model-endpoints/late", {}).status == 404
        wait_for((tmp_path / "told-2.json").exists)
        assert not (tmp_path / "told-3.json").exists()
        slow.unlink()
        wait_for((tmp_path / "told-3.json").exists)
        assert json.loads((tmp_path / "told-3.json").read_bytes())["ok"] is True
        assert running.post("/model-endpoints/late", {}).status == 200
        log = (tmp_path / "serving" / "logs" / "late" / "late-1.log").read_text()
        assert log.count("== ") == 1


@pytest.mark.parametrize("size", [2, 100_000], ids=["short", "long"])
def test_routes_that_change_while_a_request_arrives_are_heeded(tmp_path: Path, size: int) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)]), timeout_s=30.0))
    new = branch(tmp_path, version="2")
    with gateway(tmp_path, control=True) as running:
        wait_for(lambda: (tmp_path / "stats.json").exists())
        for revision, table, image in ((2, (("tiny", [new]),), "tiny:2"), (3, (), None)):
            connection = running.connect()
            connection.putrequest("POST", PATH)
            connection.putheader("content-length", str(size))
            connection.endheaders()
            connection.send(b"{")
            assert running.push(routes(*table, revision=revision, timeout_s=30.0))["ok"]
            connection.send(b"}".rjust(size - 1))
            told = read(connection)
            connection.close()
            assert (told.status, told.json.get("image")) == (200 if image else 404, image)


def test_a_wrong_route_table_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)])))
    with gateway(tmp_path, control=True) as running:
        told = running.push(routes(("tiny", [branch(tmp_path, weight=0.5)]), revision=2))
        assert "do not make 1" in told["errors"][""]
        assert running.post(PATH, {}).status == 200


def test_sigterm_lets_requests_under_way_be_answered(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)]), timeout_s=30.0))
    with gateway(tmp_path) as running:
        connection = running.connect()
        connection.request("POST", PATH, body=json.dumps({"sleep": 1.0}))
        answered = tmp_path / "serving" / "bundles" / "a1" / "answered"
        wait_for(answered.exists)
        running.process.send_signal(signal.SIGTERM)
        assert read(connection).status == 200
        connection.close()
        running.process.wait(PATIENCE_S)


def test_workers_end_with_a_killed_gateway(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("tiny", [branch(tmp_path)])))
    with contextlib.suppress(GatewayEndedError), gateway(tmp_path, control=True) as running:
        pids = wait_for(running.worker_pids)
        running.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["--host", "192.0.2.1"], "nobody needs a token"),
        (["--tls-cert", "cert.pem"], "TLS needs a certificate and its key"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "TLS cannot begin"),
    ],
)
def test_ct_serve_refuses_what_is_unsafe_or_wrong(
    tmp_path: Path, said: list[str], words: str
) -> None:
    command = (sys.executable, "-c", "from iris_ct.cli.main import run; run()")
    ended = subprocess.run(
        [*command, "--home", str(tmp_path), "serve", "--port", "0", "--no-control", *said],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src/python")},
    )
    assert (ended.returncode, words in ended.stderr) == (2, True), ended.stderr
