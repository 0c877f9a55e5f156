"""A worker answers every protocol as the model predicts, logs first, and is small."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.core.scoring.models import Fitted, fitted

from iris_ct.adapters.bundles import write_bundle
from iris_ct.adapters.journal import FolderJournal, JournalWriter
from iris_ct.core.errors import JournalFullError
from iris_ct.core.scoring.record import Entry, Record, Truth
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON
from iris_ct.serving.app import WorkerApp
from iris_ct.serving.frames import (
    ANSWER,
    FEEDBACK,
    HELLO,
    OPEN_INFERENCE_METADATA,
    Answer,
    Call,
    Drain,
    FrameBuffer,
    Hello,
    frame,
    message_of,
)

AT = 1_700_000_000_000_000


@pytest.fixture(scope="module")
def model() -> Fitted:
    return fitted()


class KeptJournal:
    """A journal in memory that may be full."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.n_writes = 0
        self.is_full = False

    def append(self, entries: Sequence[Entry]) -> None:
        if self.is_full:
            raise JournalFullError("The journal is full; nothing was lost.")
        self.entries += entries
        self.n_writes += 1


@pytest.fixture
def journal() -> KeptJournal:
    return KeptJournal()


@pytest.fixture
def app(model: Fitted, journal: KeptJournal) -> WorkerApp:
    return WorkerApp(model.scorer, journal, now_us=lambda: AT)


def call(protocol: str, body: Any, **changes: Any) -> Call:
    said = {
        "path": "/",
        "content_type": "application/json",
        "puid": "p1",
        "headers": {},
        "shadow": False,
        "service": "post",
        "branch": "b",
        "image": "parcels:3",
        "explain": False,
        "log": True,
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(protocol=protocol, body=content, **{**said, **changes})


def row(model: Fitted) -> dict[str, Any]:
    return model.rows()[0]


def test_every_protocol_gives_what_the_model_predicts_for_a_file(
    app: WorkerApp, model: Fitted
) -> None:
    first, expected = row(model), model.by_file["prediction"][0]
    seldon = app.answer(
        call(SELDON, {"data": {"names": [*first], "ndarray": [[*first.values()]]}})
    )
    said = json.loads(seldon.body)
    assert said["data"]["ndarray"] == [[expected]]
    assert said["meta"]["puid"] == "p1"
    assert said["meta"]["requestPath"] == {"parcels": "parcels:3"}
    assert said["meta"]["routing"] == {"post": 1}
    assert (seldon.status, seldon.n_rows) == (200, 1)
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [first[name]]}
        for name, kind in {
            "size": "FP64",
            "heavy": "BOOL",
            "colour": "BYTES",
            "sent": "BYTES",
        }.items()
    ]
    said = json.loads(app.answer(call(OPEN_INFERENCE, {"id": "mine", "inputs": inputs})).body)
    assert said["outputs"][0]["data"] == [expected]
    assert (said["model_name"], said["model_version"], said["id"]) == ("post", "3", "mine")
    said = json.loads(app.answer(call(MLFLOW, {"dataframe_records": [first]})).body)
    assert said == {"predictions": [expected]}


def test_a_prediction_is_logged_under_the_id_that_its_answer_says(
    app: WorkerApp, model: Fitted, journal: KeptJournal
) -> None:
    body = {"meta": {"puid": "mine"}, "jsonData": [row(model), row(model)]}
    calls = [call(SELDON, body), call(MLFLOW, {"dataframe_records": [row(model)]}, shadow=True)]
    app.answer_all([*calls, call(SELDON, body, log=False)])
    first, second = journal.entries
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.puid, first.service, first.branch, first.n_rows) == ("mine", "post", "b", 2)
    assert (first.model, first.version, first.at_us) == ("parcels", 3, AT)
    assert first.numbers().tolist() == [model.by_file["prediction"][0]] * 2
    assert (second.puid, second.shadow, second.once) == ("p1", True, False)
    assert journal.n_writes == 1


def test_a_full_journal_refuses_what_it_cannot_log_and_answers_the_rest(
    app: WorkerApp, model: Fitted, journal: KeptJournal
) -> None:
    journal.is_full = True
    body = {"dataframe_records": [row(model)]}
    logged, free = app.answer_all([call(MLFLOW, body), call(MLFLOW, body, log=False)])
    assert (logged.status, free.status) == (503, 200)
    assert b"nothing was lost" in logged.body


def test_a_journal_that_fails_ends_no_worker(
    model: Fitted, capfd: pytest.CaptureFixture[str]
) -> None:
    class Failing(KeptJournal):
        def append(self, entries: Sequence[Entry]) -> None:
            raise OSError("secret: the disk is gone")

    app = WorkerApp(model.scorer, Failing())
    body = {"dataframe_records": [row(model)]}
    logged, free = app.answer_all([call(MLFLOW, body), call(MLFLOW, body, log=False)])
    assert (logged.status, free.status) == (500, 200)
    assert b"secret" not in logged.body
    assert "OSError" in capfd.readouterr().err


def test_the_truth_of_feedback_is_logged_however_large_it_is(
    model: Fitted, tmp_path: Path
) -> None:
    """MessagePack has no whole numbers of more than 64 bits."""
    writer = JournalWriter(tmp_path)
    app = WorkerApp(model.scorer, writer)
    said = {"response": {"meta": {"puid": "p1"}}, "truth": {"data": {"ndarray": [[10**30]]}}}
    assert app.answer(call(FEEDBACK, said)).status == 200
    journal = FolderJournal(tmp_path, inbox=tmp_path)
    [segment] = journal.segments()
    content = journal.read(segment.name)
    assert content is not None
    assert content.truths[0].values == [str(10**30)]


@pytest.mark.parametrize(
    ("protocol", "body", "key"),
    [
        (SELDON, b"no json", "status"),
        (SELDON, {"data": {"names": ["nonsense"], "ndarray": [[1]]}}, "status"),
        (OPEN_INFERENCE, {"inputs": []}, "error"),
        (MLFLOW, {"dataframe_records": [{"size": "secret text"}]}, "error_code"),
    ],
)
def test_what_cannot_be_predicted_is_said_in_the_protocols_words(
    app: WorkerApp, journal: KeptJournal, protocol: str, body: Any, key: str
) -> None:
    answer = app.answer(call(protocol, body))
    assert answer.status == 400
    assert key in json.loads(answer.body)
    assert b"secret" not in answer.body
    assert journal.entries == []


def test_a_failure_is_told_without_what_the_row_held(
    model: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        signature = model.scorer.signature

        def score(self, inputs: object) -> None:
            raise ValueError("".join(["sec", "ret"]))

    app = WorkerApp(Broken(), None)  # type: ignore[arg-type] # a scorer that fails
    answer = app.answer(call(MLFLOW, {"dataframe_records": [row(model)]}))
    assert answer.status == 500
    assert json.loads(answer.body)["error_code"] == "INTERNAL_ERROR"
    told = capsys.readouterr().err
    assert "request p1 of post failed: ValueError" in told
    assert "app.py" in told
    assert "secret" not in told + answer.body.decode()


def test_contributions_sum_to_the_prediction(app: WorkerApp, model: Fitted) -> None:
    answer = app.answer(call(MLFLOW, {"dataframe_records": model.rows()[:5]}, explain=True))
    said = json.loads(answer.body)
    assert said["contributions"]["columns"] == ["size", "heavy", "colour", "sent", "(base)"]
    sums = np.sum(said["contributions"]["data"], axis=1)
    assert sums == pytest.approx(said["predictions"])


def test_of_several_classes_the_predicted_one_is_explained() -> None:
    made = fitted("multiclass")
    app = WorkerApp(made.scorer, None)
    rows = made.rows()[:20]
    said = json.loads(app.answer(call(MLFLOW, {"dataframe_records": rows}, explain=True)).body)
    signature = made.scorer.signature
    theirs = made.theirs[1][:20].reshape(20, len(signature.classes), -1).sum(axis=2)
    places = [signature.classes.index(label) for label in said["predictions"]]
    expected = theirs[np.arange(20), places]
    assert np.sum(said["contributions"]["data"], axis=1) == pytest.approx(expected)


def test_feedback_is_counted_and_its_truth_journaled(app: WorkerApp, journal: KeptJournal) -> None:
    body = {
        "response": {"meta": {"puid": "p9"}},
        "reward": 0.5,
        "truth": {"data": {"ndarray": [[1.5], [2.5]]}},
    }
    answer = app.answer(call(FEEDBACK, body))
    assert answer.status == 200
    assert [metric["key"] for metric in answer.metrics] == ["feedback", "feedback_reward"]
    assert journal.entries == [Truth("p9", "post", "parcels", AT, [1.5, 2.5])]
    unnamed = app.answer(call(FEEDBACK, {"truth": {"data": {"ndarray": [[1]]}}}))
    assert unnamed.status == 400
    assert b"response.meta.puid" in unnamed.body


def test_metadata_says_what_the_model_takes(app: WorkerApp) -> None:
    said = json.loads(app.answer(call(OPEN_INFERENCE_METADATA, b"")).body)
    assert (said["name"], said["versions"]) == ("post", ["3"])
    assert [tensor["name"] for tensor in said["inputs"]] == ["size", "heavy", "colour", "sent"]


class Worker:
    """A worker process and our end of its stream."""

    def __init__(self, bundle: Path, journal: Path, *more: str) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(300)
        command = [sys.executable, "-m", "iris_ct.serving.worker", "--fd", str(theirs.fileno())]
        command += ["--bundle", str(bundle), "--journal", str(journal), *more]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True
        )
        theirs.close()
        self._buffer = FrameBuffer()
        self._frames: list[tuple[int, int, bytes]] = []

    def hear(self) -> tuple[int, int, Any]:
        while not self._frames:
            data = self.ours.recv(1 << 20)
            if not data:
                raise EOFError
            self._frames = self._buffer.feed(data)
        kind, request_id, payload = self._frames.pop(0)
        return kind, request_id, message_of(kind, payload)

    def ask(self, calls: Sequence[Call], first: int = 1) -> None:
        self.ours.sendall(b"".join(frame(said, first + n) for n, said in enumerate(calls)))

    def end(self) -> int:
        self.ours.close()
        code = self.process.wait(300)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def bundle(model: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(
        tmp_path_factory.mktemp("bundles"),
        model_text=model.text,
        encoding=model.encoding,
        specification=model.specification,
        version=3,
    )


@pytest.fixture
def worker(bundle: Path, tmp_path: Path) -> Iterator[Worker]:
    started = Worker(bundle, tmp_path / "journal")
    yield started
    started.process.kill()
    started.process.wait()
    started.ours.close()
    assert started.process.stderr is not None
    started.process.stderr.close()


def test_a_worker_says_hello_answers_in_order_and_ends_with_its_stream(
    worker: Worker, model: Fitted, tmp_path: Path
) -> None:
    kind, _, hello = worker.hear()
    assert (kind, hello) == (HELLO, Hello(worker.process.pid))
    rows = model.rows()
    bodies = [{"dataframe_records": [said]} for said in rows[:50]]
    worker.ask([call(MLFLOW, body) for body in bodies])
    for number in range(50):
        kind, request_id, answer = worker.hear()
        assert (kind, request_id) == (ANSWER, number + 1)
        assert isinstance(answer, Answer)
        said = json.loads(answer.body)["predictions"]
        assert said == [model.by_file["prediction"][number]]
    assert worker.end() == 0
    [segment] = FolderJournal(tmp_path / "journal").segments()
    content = FolderJournal(tmp_path / "journal").read(segment.name)
    assert content is not None
    assert len(content.records) == 50


def test_a_worker_that_is_drained_answers_first(worker: Worker, model: Fitted) -> None:
    worker.hear()
    said = frame(call(MLFLOW, {"dataframe_records": model.rows()[:3]}), 7) + frame(Drain())
    worker.ours.sendall(said)
    kind, request_id, answer = worker.hear()
    assert (kind, request_id, answer.n_rows) == (ANSWER, 7, 3)
    with pytest.raises(EOFError):
        worker.hear()
    assert worker.process.wait(300) == 0


def test_no_answered_prediction_is_lost_when_a_worker_is_killed(
    worker: Worker, model: Fitted, tmp_path: Path
) -> None:
    worker.hear()
    body = {"dataframe_records": [row(model)]}
    answered = 0
    for burst in range(20):
        worker.ask([call(MLFLOW, body, puid=f"{burst}-{n}") for n in range(25)])
        if burst == 19:
            worker.process.send_signal(signal.SIGKILL)
        try:
            for _ in range(25):
                worker.hear()
                answered += 1
        except (EOFError, ConnectionResetError):
            break
    worker.process.wait(300)
    journal = FolderJournal(tmp_path / "journal")
    kept = 0
    for segment in journal.segments():
        content = journal.read(segment.name)
        assert content is not None
        kept += len(content.records)
    assert answered >= 475
    assert kept >= answered


def test_a_worker_that_cannot_load_says_why_and_ends(bundle: Path, tmp_path: Path) -> None:
    worker = Worker(tmp_path, tmp_path / "journal")
    assert worker.process.wait(300) == 2
    assert worker.process.stderr is not None
    assert "The bundle" in worker.process.stderr.read()
    worker.end()


def test_a_worker_is_small_after_a_usual_request(bundle: Path, tmp_path: Path) -> None:
    """None of the heavy libraries is loaded; what it holds stays below a stated bound."""
    code = f"""
        import json, os, sys
        from pathlib import Path
        import iris_ct.serving.worker
        from iris_ct.adapters.bundles import load_bundle
        from iris_ct.adapters.journal import JournalWriter
        from iris_ct.serving.app import WorkerApp
        from iris_ct.serving.frames import Call
        app = WorkerApp(load_bundle(Path({str(bundle)!r})), JournalWriter(Path({str(tmp_path)!r})))
        row = {{"size": 1.5, "heavy": True, "colour": "red", "sent": "2024-01-01T00:00:00Z"}}
        body = json.dumps({{"dataframe_records": [row]}}).encode()
        said = app.answer(Call("mlflow", "/", body, "", "p", {{}}, False, "s", "a", "i", False, True))
        assert said.status == 200, said.body
        heavy = {{"sqlalchemy", "polars", "pandas", "pydantic", "mlflow", "lightgbm", "scipy",
                 "pyarrow"}}
        print(json.dumps(sorted(heavy & set(sys.modules))))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(pages * os.sysconf("SC_PAGESIZE") >> 20)
    """
    lines = "\n".join(line[8:] for line in code.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True
    )
    heavy, megabytes = done.stdout.split("\n")[:2]
    assert heavy == "[]"
    assert int(megabytes) < 75
