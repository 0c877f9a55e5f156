"""Models from elsewhere answer in a process of their own, and pickles are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iris_ct.adapters.packages import build, python_of
from iris_ct.core.errors import PackageRefusedError
from iris_ct.core.service.info import Info
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON
from iris_ct.serving import foreign_worker
from iris_ct.serving.frames import (
    FEEDBACK,
    HELLO,
    JSON,
    Answer,
    Call,
    FrameBuffer,
    frame,
    message_of,
)

INFO = Info("iris.seldon", "1.0.0", "T", "J", "D", "")
CLASS = """
import sys

class Flowers:
    def __init__(self):
        self.rewards = []

    def load(self):
        print("loaded")

    def predict(self, X, names, meta=None):
        if names == ["fail"]:
            raise ValueError("secret " + str(X))
        if isinstance(X, (str, bytes)):
            return X
        if isinstance(X, dict):
            return {"got": X}
        return [[sum(row), len(self.rewards)] for row in X]

    def class_names(self):
        return ["total", "rewards"]

    def tags(self):
        return {"kind": "test"}

    def metrics(self):
        return [
            {"type": "COUNTER", "key": "calls", "value": 1},
            {"type": "GAUGE", "key": "size", "value": 3, "tags": {"unit": "cm"}},
            {"type": "NONSENSE", "key": "x", "value": 1},
        ]

    def send_feedback(self, features, names, reward, truth, routing=None):
        self.rewards.append(reward)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "source" / ".s2i").mkdir(parents=True)
    (folder / "source" / "Flowers.py").write_text(CLASS)
    (folder / "source" / ".s2i" / "environment").write_text("MODEL_NAME=Flowers\n")
    (folder / "source" / "requirements.txt").write_text("# nothing\n")
    assert build(folder / "source", folder, INFO) == "seldon"
    return folder


class Worker:
    """A foreign worker under its own interpreter, and our end of its stream."""

    def __init__(self, python: str, bundle: Path, *more: str) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(300)
        script = foreign_worker.__file__
        command = [python, script, "--fd", str(theirs.fileno()), "--bundle", str(bundle), *more]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
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

    def ask(self, protocol: str, body: Any, **changes: Any) -> Answer:
        said = call(protocol, body, **changes)
        self.ours.sendall(frame(said, 5, json=True))
        _, request_id, answer = self.hear()
        assert request_id == 5
        assert isinstance(answer, Answer)
        return answer

    def refusal(self) -> str:
        assert self.process.wait(300) == 2
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        self.ours.close()
        self.process.wait(300)
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Worker]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Worker] = []

    def begin(*said: Any) -> Worker:
        started.append(Worker(*said))
        return started[-1]

    yield begin
    for worker in started:
        worker.close()


def call(protocol: str, body: Any, **changes: Any) -> Call:
    said = {
        "path": "/",
        "content_type": "application/json",
        "puid": "p1",
        "headers": {},
        "shadow": False,
        "service": "garden",
        "branch": "a",
        "image": "iris.seldon:1.0.0",
        "explain": False,
        "log": False,
    }
    return Call(protocol=protocol, body=json.dumps(body).encode(), **{**said, **changes})


def test_a_seldon_class_answers_every_protocol_in_its_own_environment(
    package: Path, start: Start
) -> None:
    worker = start(str(python_of(package)), package, "--runtime", "seldon")
    kind, _, hello = worker.hear()
    assert kind == HELLO | JSON
    assert hello.pid == worker.process.pid
    answer = worker.ask(
        SELDON, {"meta": {"tags": {"a": 1}}, "data": {"ndarray": [[1, 2], [3, 4]]}}
    )
    assert (answer.status, answer.n_rows) == (200, 2)
    metrics = [
        {"type": "COUNTER", "key": "calls", "value": 1},
        {"type": "GAUGE", "key": "size", "value": 3, "tags": {"unit": "cm"}},
    ]
    assert answer.metrics == metrics
    assert json.loads(answer.body) == {
        "meta": {
            "puid": "p1",
            "tags": {"a": 1, "kind": "test"},
            "routing": {"garden": 0},
            "requestPath": {"iris.seldon": "iris.seldon:1.0.0"},
            "metrics": metrics,
        },
        "data": {"names": ["total", "rewards"], "ndarray": [[3, 0], [7, 0]]},
    }
    tensor = {"data": {"tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}}
    said = json.loads(worker.ask(SELDON, tensor).body)
    assert said["data"]["tensor"] == {"shape": [2, 2], "values": [3, 0, 7, 0]}
    for body in (
        {"strData": "text"},
        {"binData": base64.b64encode(b"\0\xff").decode()},
    ):
        assert json.loads(worker.ask(SELDON, body).body).items() >= body.items()
    said = json.loads(worker.ask(SELDON, {"jsonData": {"k": [1]}}).body)
    assert said["jsonData"] == {"got": {"k": [1]}}
    taken = worker.ask(FEEDBACK, {"reward": 0.5, "response": {"meta": {"puid": "p1"}}})
    assert json.loads(taken.body)["meta"] == {"puid": "p1"}
    inputs = [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 2]}]
    said = json.loads(worker.ask(OPEN_INFERENCE, {"id": "7", "inputs": inputs}).body)
    assert (said["id"], said["model_name"], said["model_version"]) == ("7", "garden", "1.0.0")
    assert said["outputs"][0]["data"] == [3.5, 1]
    assert said["outputs"][0]["shape"] == [1, 2]
    said = json.loads(worker.ask(MLFLOW, {"instances": [[1, 1]]}).body)
    assert said == {"predictions": [[2, 1]]}


def test_a_failing_class_goes_on_and_tells_no_value(package: Path, start: Start) -> None:
    worker = start(str(python_of(package)), package, "--runtime", "seldon")
    worker.hear()
    failed = worker.ask(SELDON, {"data": {"names": ["fail"], "ndarray": [[17]]}})
    assert failed.status == 500
    assert json.loads(failed.body)["status"]["reason"] == "MICROSERVICE_INTERNAL_ERROR"
    assert worker.ask(SELDON, {"data": {}, "strData": ""}).status == 400
    assert worker.ask(SELDON, [1]).status == 400
    assert worker.ask(SELDON, {"strData": "x"}).status == 200
    worker.ours.close()
    assert worker.process.wait(300) == 0
    assert worker.process.stderr is not None
    told = worker.process.stderr.read()
    assert "ValueError" in told
    assert "Flowers.py" in told
    assert "17" not in failed.body.decode()


def test_a_changed_added_or_linked_file_is_refused(
    package: Path, tmp_path: Path, start: Start
) -> None:
    def changed(source: Path) -> None:
        (source / "Flowers.py").write_text(CLASS + "\n")

    def added(source: Path) -> None:
        (source / "json.py").write_text("")

    def linked(source: Path) -> None:
        (source / "requirements.txt").unlink()
        (source / "requirements.txt").symlink_to("/etc/hostname")

    for number, change in enumerate((changed, added, linked)):
        copy = tmp_path / str(number)
        shutil.copytree(package / "source", copy / "source")
        shutil.copy(package / "PACKAGE.json", copy)
        change(copy / "source")
        worker = start(sys.executable, copy, "--runtime", "seldon")
        told = worker.refusal()
        assert "is not what was packaged" in told or "is a link" in told


PYFUNC = """
flavors:
  python_function:
    loader_module: mlflow.pyfunc.model
    python_model: python_model.pkl
    cloudpickle_version: 3.0.0
"""


LOADED_PLAINLY = PYFUNC.replace("mlflow.pyfunc.model", "mlflow.lightgbm").replace(
    "python_model", "model_file"
)


def packaged(folder: Path) -> None:
    """List the files of a source, as building does; our own environment serves it."""
    source = folder / "source"
    files = {
        path.relative_to(source).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source.rglob("*")
        if path.is_file()
    }
    (folder / "PACKAGE.json").write_text(json.dumps({"format": 1, "files": files}))


@pytest.mark.parametrize(
    ("described", "name"),
    [
        (PYFUNC, "plain.txt"),
        (LOADED_PLAINLY, "model.joblib"),
        (LOADED_PLAINLY.replace("lightgbm", "sklearn"), "plain.txt"),
    ],
)
def test_a_pyfunc_that_would_be_unpickled_is_refused(
    tmp_path: Path, start: Start, described: str, name: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "MLmodel").write_text(described)
    (source / name).write_bytes(b"no pickle at all")
    packaged(tmp_path)
    told = start(sys.executable, tmp_path, "--runtime", "pyfunc").refusal()
    assert "which can do anything" in told
    assert "CT_SERVE_ALLOW_PICKLE" in told


def test_what_is_no_model_cannot_be_built(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(PackageRefusedError, match=r"neither .s2i/environment.*nor MLmodel"):
        build(source, tmp_path, INFO)
    (source / ".s2i").mkdir()
    (source / ".s2i" / "environment").write_text("MODEL_NAME=Missing")
    with pytest.raises(PackageRefusedError, match=r"no Missing.py in the source"):
        build(source, tmp_path, INFO)


def test_a_library_that_cannot_be_installed_is_told_and_pips_words_are_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy is installed where the source imports it, as where Seldon runs classes it is there."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    source = tmp_path / "source"
    source.mkdir()
    (source / "MLmodel").write_text("flavors: {}")
    (source / "requirements.txt").write_text("./there-is-no-such-folder\n")
    with pytest.raises(PackageRefusedError, match=r"requirements.txt asks for failed with code 1"):
        build(source, tmp_path, INFO)
    assert "there-is-no-such-folder" in "".join(capfd.readouterr())
    assert not (tmp_path / "PACKAGE.json").exists()
    (source / "requirements.txt").unlink()
    (source / "code.py").write_text("from numpy import array\n")
    with pytest.raises(PackageRefusedError, match=r"NumPy, which the source imports, failed"):
        build(source, tmp_path, INFO)
    assert "No matching distribution found for numpy" in "".join(capfd.readouterr())


def test_an_mlflow_model_answers(tmp_path: Path, start: Start) -> None:
    """As MLflow 3.17 saves it from code, which it runs instead of unpickling; ours serves it."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "double.py").write_text(
        "import mlflow\n"
        "class Double(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return (model_input['x'] * 2).tolist()\n"
        "mlflow.models.set_model(Double())\n"
    )
    (source / "MLmodel").write_text(
        "flavors:\n"
        "  python_function:\n"
        "    cloudpickle_version: 3.1.2\n"
        "    code: null\n"
        "    loader_module: mlflow.pyfunc.loaders.code_model\n"
        "    model_code_path: /home/anna/double.py\n"
        "    python_version: 3.11.7\n"
        "    streamable: false\n"
        "mlflow_version: 3.17.2\n"
    )
    packaged(tmp_path)
    worker = start(sys.executable, tmp_path, "--runtime", "pyfunc")
    worker.hear()
    said = worker.ask(MLFLOW, {"dataframe_split": {"columns": ["x"], "data": [[1.5], [2]]}})
    assert json.loads(said.body) == {"predictions": [3.0, 4.0]}
    said = worker.ask(SELDON, {"data": {"names": ["x"], "ndarray": [[4.0]]}})
    assert json.loads(said.body)["data"]["ndarray"] == [8.0]
