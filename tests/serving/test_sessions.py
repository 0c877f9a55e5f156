"""Stateful models: real workers and gateways, killed and asked at the same time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.serving.gateways import (
    PATIENCE_S,
    Gateway,
    GatewayEndedError,
    gateway,
    read,
    routes,
    wait_for,
    write_routes,
)
from tests.serving.test_foreign_worker import Start, Worker, call, packaged, start

from iris_ct.adapters import packages as builder
from iris_ct.adapters.source_archive import zip_source
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.control.keeper import Keeper
from iris_ct.control.plan import route_table
from iris_ct.core.service import ModelRef, make_service
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON
from iris_ct.procedures import packages, services
from iris_ct.procedures.asker import Asker
from iris_ct.procedures.packaging import make_package
from iris_ct.serving.frames import FEEDBACK, Drain, frame

__all__ = ["start"]

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
PATH = "/model-endpoints/steps"
# Counts the requests of a session; waits for a file where a request says so.
CLASS = """
import os
import time

class Steps:
    def predict(self, X, names, meta=None):
        session = X.get("mxe-meta", {})
        if "begun" in X:
            open(X["begun"], "w").close()
        give_up = time.monotonic() + 60
        while "until" in X and not os.path.exists(X["until"]) and time.monotonic() < give_up:
            time.sleep(0.01)
        if "give" in X:
            return {"seen": session.get("state"), "mxe-meta": {"state": X["give"]}}
        if X.get("many"):
            return {"mxe-meta": {"state": "x" * X["many"]}}
        if X.get("odd"):
            return {"mxe-meta": {"state": {"at": float("nan")}}}
        if X.get("looks"):
            return {"seen": session}
        n = (session.get("state") or 0) + 1
        return {"n": n, "mxe-meta": {"state": n}}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "Steps.py").write_text(CLASS)
    packaged(folder)
    said = json.loads((folder / "PACKAGE.json").read_text())
    (folder / "PACKAGE.json").write_text(json.dumps({**said, "model_name": "Steps"}))
    return folder


def begun(start: Start, package: Path, *more: str) -> Worker:
    """Start a worker on the sessions beside its package, with a limit of 1 KiB a state."""
    sessions = ["--sessions", str(package.parent / "sessions"), "--session-kb", "1"]
    worker = start(sys.executable, package, "--runtime", "seldon", *sessions, *more)
    worker.hear()
    return worker


def message(session: Any = "s", **said: Any) -> dict[str, Any]:
    return {"jsonData": {**said, "mxe-meta": {"sessionId": session}}}


def told(worker: Worker, said: Any, **changes: Any) -> Any:
    """Ask; give the ``jsonData`` of an answer of 200."""
    answer = worker.ask(SELDON, said, **changes)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["jsonData"]


def test_a_state_is_passed_and_kept_for_its_session_alone(start: Start, package: Path) -> None:
    worker = begun(start, package)
    assert told(worker, message()) == {"n": 1, "mxe-meta": {"sessionId": "s"}}
    assert told(worker, message())["n"] == 2
    assert told(worker, message("other"))["n"] == 1
    assert told(worker, message(7)) == {"n": 1, "mxe-meta": {"sessionId": 7}}
    assert told(worker, message("7"))["n"] == 2
    # What the model does not give stays, what it gives as null is forgotten.
    seen = {"seen": {"sessionId": "s", "state": 2}, "mxe-meta": {"sessionId": "s"}}
    assert told(worker, message(looks=True)) == seen
    assert told(worker, message(give=None))["seen"] == 2
    assert told(worker, message())["n"] == 1
    deep = {"a": [1, 2.5, None, True], "b": {"ü": "\ud800"}}
    assert told(worker, message(give=deep))["seen"] == 1
    assert told(worker, message(give=0))["seen"] == deep


def test_without_an_id_nothing_is_kept(start: Start, package: Path) -> None:
    worker = begun(start, package)
    for said, answered in (
        ({"jsonData": {}}, {"n": 1}),
        ({"jsonData": {"mxe-meta": None, "give": 3}}, None),
        (message(None), {"n": 1, "mxe-meta": {"sessionId": None}}),
        ({"jsonData": {"mxe-meta": {"state": 41}}}, {"n": 1}),
    ):
        for _ in range(2):
            answer = worker.ask(SELDON, said)
            if answered is not None:
                assert json.loads(answer.body)["jsonData"] == answered
    # Nor does a client say what the state is.
    own = {"jsonData": {"mxe-meta": {"sessionId": "s", "state": 41}}}
    assert told(worker, own)["n"] == 1


@pytest.mark.parametrize(
    ("protocol", "body", "words"),
    [
        (SELDON, {"data": {"ndarray": [[1]]}}, "takes Seldon's jsonData only"),
        (SELDON, {"data": {"tensor": {"shape": [1], "values": [1]}}}, "jsonData only"),
        (SELDON, {"strData": "x"}, "takes Seldon's jsonData only"),
        (SELDON, {"binData": "eA=="}, "takes Seldon's jsonData only"),
        (SELDON, {"jsonData": {"mxe-meta": "s"}}, "must be an object"),
        (SELDON, message(""), "must be text of 1 to 256"),
        (SELDON, message("x" * 257), "must be text of 1 to 256"),
        (SELDON, message(True), "must be text of 1 to 256"),
        (SELDON, message(["s"]), "must be text of 1 to 256"),
        (OPEN_INFERENCE, {"inputs": [{"name": "x", "shape": [1], "data": [1]}]}, "jsonData only"),
        (MLFLOW, {"instances": [[1]]}, "jsonData only"),
    ],
)
def test_what_is_no_json_data_of_a_session_is_refused(
    start: Start, package: Path, protocol: str, body: Any, words: str
) -> None:
    answer = begun(start, package).ask(protocol, body)
    assert answer.status == 400
    said = json.loads(answer.body)
    if protocol == SELDON:
        status = said["status"]
        assert (status["code"], status["status"]) == (400, "FAILURE")
        assert (status["reason"], words in status["info"]) == ("MICROSERVICE_BAD_DATA", True)
    else:
        assert words in (said.get("error") or said["message"])


def test_a_state_that_cannot_be_kept_leaves_the_old_one(start: Start, package: Path) -> None:
    worker = begun(start, package)
    assert told(worker, message())["n"] == 1
    for said, words in (
        (message(many=2000), "2002 bytes, more than 1024"),
        (message(odd=1), "no JSON"),
    ):
        answer = worker.ask(SELDON, said)
        assert (answer.status, words in answer.body.decode()) == (500, True)
    assert told(worker, message())["n"] == 2
    # Feedback has no state; what a model is can be asked.
    assert worker.ask(FEEDBACK, {"reward": 1}).status == 200


def test_a_request_sent_again_is_applied_once(start: Start, package: Path) -> None:
    """As after a worker that was killed when the state was kept, before its answer was passed on."""
    first, second = begun(start, package), begun(start, package)
    answer = first.ask(SELDON, message(), puid="a")
    assert told(first, message(), puid="b")["n"] == 2
    first.process.kill()
    assert second.ask(SELDON, message(), puid="a", again=True) == answer
    # One that was not kept is applied now, and a name alone is no sign of the same request.
    assert told(second, message(), puid="c", again=True)["n"] == 3
    assert told(second, message(), puid="a")["n"] == 4
    assert told(second, message(more=1), puid="a", again=True)["n"] == 5
    assert told(second, message("other"), puid="a", again=True)["n"] == 1
    large = message(give=1)
    large["meta"] = {"tags": {"long": "x" * 2000}}
    assert second.ask(SELDON, large, puid="d").status == 200
    answer = second.ask(SELDON, large, puid="d", again=True)
    assert (answer.status, b"too large" in answer.body) == (500, True)


def test_a_shadow_sees_a_state_and_changes_none(start: Start, package: Path) -> None:
    worker = begun(start, package)
    assert told(worker, message())["n"] == 1
    for _ in range(2):
        assert told(worker, message(), shadow=True)["n"] == 2
    assert told(worker, message())["n"] == 2


def send(worker: Worker, request_id: int, said: Any) -> None:
    worker.ours.sendall(frame(call(SELDON, said), request_id, json=True))


def test_a_session_has_one_request_at_a_time_and_others_do_not_wait(
    start: Start, package: Path, tmp_path: Path
) -> None:
    one, two = begun(start, package), begun(start, package)
    begins, until = tmp_path / "begun", tmp_path / "until"
    send(one, 1, message(begun=str(begins), until=str(until)))
    wait_for(begins.exists)
    send(two, 2, message())
    send(two, 3, message())
    send(two, 4, message("other"))
    _, request_id, answer = two.hear()
    assert (request_id, answer.status) == (4, 200)
    # It ends when those that wait have been answered.
    two.ours.sendall(frame(Drain(), json=True))
    until.touch()
    numbers = [json.loads(one.hear()[2].body)["jsonData"]["n"]]
    numbers += [json.loads(two.hear()[2].body)["jsonData"]["n"] for _ in range(2)]
    assert numbers == [1, 2, 3]
    assert two.process.wait(PATIENCE_S) == 0


def test_a_killed_worker_lets_its_session_go(start: Start, package: Path, tmp_path: Path) -> None:
    one, two = begun(start, package), begun(start, package)
    begins = tmp_path / "begun"
    send(one, 1, message(begun=str(begins), until="/nonexistent"))
    wait_for(begins.exists)
    send(two, 2, message())
    one.process.kill()
    assert json.loads(two.hear()[2].body)["jsonData"]["n"] == 1


def test_what_nobody_waits_for_changes_nothing(
    start: Start, package: Path, tmp_path: Path
) -> None:
    """The gateway has said 504 by then; the session is not to know better than who asked."""
    worker, patient = begun(start, package, "--limit-s", "0.3"), begun(start, package)
    until = tmp_path / "until"
    timer = threading.Timer(0.6, until.touch)
    timer.start()
    answer = worker.ask(SELDON, message(until=str(until)))
    timer.join()
    assert (answer.status, b"too late" in answer.body) == (504, True)
    begins, later = tmp_path / "begun", tmp_path / "later"
    send(patient, 1, message(begun=str(begins), until=str(later)))
    wait_for(begins.exists)
    answer = worker.ask(SELDON, message())
    assert (answer.status, b"too late" in answer.body) == (504, True)
    later.touch()
    assert json.loads(patient.hear()[2].body)["jsonData"]["n"] == 1


def test_what_is_kept_is_private_and_says_no_id(start: Start, package: Path) -> None:
    before = os.umask(0)
    try:
        worker = begun(start, package)
    finally:
        os.umask(before)
    name = "visit-of-anna"
    assert told(worker, message(name))["n"] == 1
    assert worker.ask(SELDON, message(name, many=2000)).status == 500
    folder = package.parent / "sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert {"states.db", "states.db-wal", "locks"} <= {path.name for path in files}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert name.encode() not in path.read_bytes()
    worker.ours.close()
    worker.process.wait(PATIENCE_S)
    assert worker.process.stderr is not None
    assert name not in worker.process.stderr.read()


def test_files_that_cannot_be_used_are_told(start: Start, package: Path) -> None:
    folder = package.parent / "sessions"
    folder.mkdir()
    (folder / "states.db").write_bytes(b"no database at all, but long enough to be looked at " * 9)
    sessions = ["--sessions", str(folder)]
    told = start(sys.executable, package, "--runtime", "seldon", *sessions).refusal()
    assert f"The states of sessions in {folder} cannot be used: file is not a database" in told
    assert "move the folder away" in told
    (folder / "states.db").unlink()
    worker = begun(start, package)
    assert worker.ask(SELDON, message()).status == 200
    # Away while the worker runs, as after a restored backup: it begins anew.
    folder.rename(package.parent / "away")
    assert json.loads(worker.ask(SELDON, message()).body)["jsonData"]["n"] == 1


# Behind a gateway.


def branch(**other: Any) -> dict[str, Any]:
    return {
        "branch": "steps-1",
        "model": "com.steps",
        "version": "1.0.0",
        "runtime": "seldon",
        "python": sys.executable,
        "bundle": "bundle",
        "stateful": True,
        "log": False,
        **other,
    }


@contextlib.contextmanager
def clients(running: Gateway, sessions: list[str]) -> Iterator[dict[str, list[int]]]:
    """Ask without a pause, a client for each of the sessions named; give the steps answered."""
    steps: dict[str, list[int]] = {session: [] for session in sessions}
    odd: list[bytes] = []
    over = threading.Event()

    def client(session: str) -> None:
        with contextlib.closing(running.connect()) as connection:
            while not over.is_set():
                connection.request("POST", PATH, body=json.dumps(message(session)))
                answered = read(connection)
                if answered.status == 200:
                    steps[session].append(answered.json["jsonData"]["n"])
                else:
                    odd.append(answered.body)

    threads = [threading.Thread(target=client, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    try:
        yield steps
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert odd == []


def more(steps: dict[str, list[int]], n: int) -> None:
    """Wait for more answers."""
    now = sum(map(len, steps.values()))
    wait_for(lambda: sum(map(len, steps.values())) >= now + n)


def test_kills_of_workers_lose_no_step_and_double_none(tmp_path: Path, package: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    package.rename(home / "bundle")
    one = branch(instances=3)
    write_routes(home, routes(("steps", [one]), timeout_s=60.0))
    with gateway(home, control=True) as running:
        # Three clients of one session, and one of another.
        with clients(running, ["s", "s", "s", "t"]) as steps:
            for _ in range(5):
                more(steps, 40)
                pid = wait_for(running.worker_pids)[0]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for session, numbers in steps.items():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), session
        n = len(steps["s"])
        assert running.post(PATH, message("s")).json["jsonData"]["n"] == n + 1
        # A new version goes on with the sessions, and so does a gateway after one that was killed.
        two = {**one, "branch": "steps-2", "version": "2.0.0"}
        table = routes(("steps", [two]), revision=2, timeout_s=60.0)
        assert running.push(table) == {"ok": True, "errors": {}}
        assert running.post(PATH, message("s")).json["jsonData"]["n"] == n + 2
    write_routes(home, table)
    with contextlib.suppress(GatewayEndedError), gateway(home) as running:
        assert running.post(PATH, message("s")).json["jsonData"]["n"] == n + 3
        running.process.kill()
    with gateway(home) as running:
        assert running.post(PATH, message("s")).json["jsonData"]["n"] == n + 4
    logs = [path.read_text() for path in (home / "serving" / "logs").rglob("*.log*")]
    assert logs
    assert not any("sessionId" in text or "mxe-meta" in text for text in logs)


# From a source to its answers.


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    opened = build(load_settings(tmp_path / "dur"))
    yield opened
    opened.store.close()


def test_the_page_s_model_is_onboarded_and_answers_as_shown(parts: Parts, tmp_path: Path) -> None:
    section = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    [text] = [part for part in section if part.startswith("Stateful models\n")]
    [info] = re.findall(r"^```text\n(Title.*?)^```", text, re.MULTILINE | re.DOTALL)
    [code] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    source = tmp_path / "mean"
    for folder in (".s2i", "MXE-META-INF"):
        (source / folder).mkdir(parents=True)
    (source / "Mean.py").write_text(code)
    (source / ".s2i" / "environment").write_text("MODEL_NAME=Mean\n")
    (source / "MXE-META-INF" / "INFO").write_text(info)
    asker = Asker("anna")
    begun = packages.onboard_source(
        parts, asker, "mean.zip", zip_source(source), launch=lambda *_: None
    )
    package = make_package(parts, begun["id"], builder.build)
    assert (package.status, package.runtime, package.failure) == ("available", "seldon+state", "")
    assert packages.packages(parts, asker)[0]["type"] == "StatefulModel"
    reference = ModelRef(package.id, package.version)
    services.create_service(parts, make_service("mean", [reference]), asker)
    look = Keeper(parts).look([])
    assert look.models == {("mean", package.id)}
    table = route_table(look.services, revision=1, timeout_s=60.0, allow_pickle=False)
    write_routes(parts.home, msgspec.json.encode(table))
    with gateway(parts.home) as running:
        assert len(shown) >= 4
        for said, answered in zip(shown[::2], shown[1::2], strict=True):
            answer = running.post("/model-endpoints/mean", json.loads(said))
            assert (answer.status, answer.json) == (200, json.loads(answered))
    [kept] = (parts.home / "serving" / "sessions").rglob("states.db")
    assert kept.parent.relative_to(parts.home / "serving" / "sessions") == Path("mean", package.id)
