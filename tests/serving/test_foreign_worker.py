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


def described(**flavors: Any) -> str:
    """Write MLmodel as JSON, which is YAML too and has no line that begins with a bare name."""
    return json.dumps({"flavors": flavors})


AS_CODE = "mlflow.pyfunc.loaders.code_model"
HIDDEN = {
    "a loader in quotes": described(python_function={"loader_module": "mlflow.sklearn"}),
    "a pickle in quotes": described(
        python_function={"loader_module": AS_CODE, "python_model": "weights.bin"}
    ),
    "a class that LightGBM's flavour unpickles": described(
        python_function={"loader_module": "mlflow.lightgbm"},
        lightgbm={"model_class": "lightgbm.sklearn.LGBMRegressor", "data": "weights.bin"},
    ),
    "any class by XGBoost's flavour": described(
        python_function={"loader_module": "mlflow.xgboost"},
        xgboost={"model_class": "shelve.DbfilenameShelf", "data": "weights.bin"},
    ),
    "no flavour at all": "artifact_path: model",
    "no YAML": "flavors: [",
}


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
    ("text", "name"),
    [
        (PYFUNC, "plain.txt"),
        (LOADED_PLAINLY, "model.joblib"),
        (LOADED_PLAINLY.replace("lightgbm", "sklearn"), "plain.txt"),
    ],
)
def test_a_pyfunc_that_would_be_unpickled_is_refused(
    tmp_path: Path, start: Start, text: str, name: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "MLmodel").write_text(text)
    (source / name).write_bytes(b"no pickle at all")
    packaged(tmp_path)
    told = start(sys.executable, tmp_path, "--runtime", "pyfunc").refusal()
    assert "which can do anything" in told
    assert "CT_SERVE_ALLOW_PICKLE" in told


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_a_pickle_is_found_however_its_description_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    (tmp_path / "weights.bin").write_bytes(b"")
    assert foreign_worker.pickles_of(tmp_path) == ["MLmodel"]


def test_what_is_read_plainly_is_no_pickle(tmp_path: Path) -> None:
    booster = {"model_class": "lightgbm.basic.Booster", "data": "model.lgb"}
    for text in (
        described(python_function={"loader_module": "mlflow.lightgbm"}, lightgbm=booster),
        described(python_function={"loader_module": AS_CODE, "model_code_path": "m.py"}),
        described(python_function={"loader_module": "mlflow.catboost"}, catboost={"data": "m"}),
    ):
        (tmp_path / "MLmodel").write_text(text)
        assert foreign_worker.pickles_of(tmp_path) == []


class Odd:
    """A Seldon class whose metrics are not what JSON can hold."""

    def predict(self, features: Any, names: Any) -> Any:
        return features

    def metrics(self) -> list[Any]:
        wrong = (float("nan"), float("inf"), 10**400, "1", None)
        return [
            {"type": "COUNTER", "key": "kept", "value": 2, "more": object()},
            *({"type": "GAUGE", "key": "wrong", "value": value} for value in wrong),
            {"type": [], "key": "wrong", "value": 1},
            {"type": "GAUGE", "key": "half \ud800", "value": 1.5, "tags": {"a\udfff": "b"}},
            "nothing",
        ]


def foreign(said: Call) -> foreign_worker.Call:
    return foreign_worker.call_of(frame(said, 5, json=True)[foreign_worker.HEADER.size :])


def test_metrics_that_are_no_json_are_left_out_and_the_stream_goes_on() -> None:
    answers = foreign_worker.Answers(foreign_worker.SeldonModel(Odd()))
    fields = answers.answer(foreign(call(SELDON, {"data": {"ndarray": [[1]]}})))
    [(kind, request_id, payload)] = FrameBuffer().feed(foreign_worker.framed(3, 5, fields))
    answer = message_of(kind, payload)
    assert (request_id, answer.status) == (5, 200)
    assert answer.metrics == [
        {"type": "COUNTER", "key": "kept", "value": 2},
        {"type": "GAUGE", "key": "half ?", "value": 1.5, "tags": {"a?": "b"}},
    ]


class Whole:
    """A Seldon class that makes its answers whole."""

    def predict_raw(self, message: Any) -> Any:
        metrics = [{"type": "COUNTER", "key": "raw", "value": 2}]
        return {"meta": {"metrics": metrics, "tags": {"a": 1}}, "jsonData": message["jsonData"]}


def test_metrics_of_a_whole_answer_are_counted() -> None:
    answers = foreign_worker.Answers(foreign_worker.SeldonModel(Whole()))
    status, body, _, _, _, metrics = answers.answer(foreign(call(SELDON, {"jsonData": [1]})))
    assert (status, metrics) == (200, [{"type": "COUNTER", "key": "raw", "value": 2}])
    assert json.loads(body)["meta"]["metrics"] == metrics


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        (SELDON, {"meta": 3, "data": {"ndarray": [[1]]}}),
        (SELDON, {"meta": {"tags": [1]}, "data": {"ndarray": [[1]]}}),
        (SELDON, {"data": {"names": 3, "ndarray": [[1]]}}),
        (SELDON, {"data": {"tensor": {"shape": [2, 2], "values": [1, 2]}}}),
        (OPEN_INFERENCE, {"inputs": [{"name": "x", "shape": [3, 2], "data": [1, 2]}]}),
        (MLFLOW, {"dataframe_records": [{f"c{n}": n} for n in range(2000)]}),
        (FEEDBACK, {"reward": "high"}),
        (FEEDBACK, {"reward": 1, "response": [1]}),
    ],
)
def test_what_is_wrong_with_a_request_is_not_said_to_be_the_model_s_fault(
    protocol: str, body: Any
) -> None:
    answers = foreign_worker.Answers(foreign_worker.SeldonModel(Odd()))
    assert answers.answer(foreign(call(protocol, body)))[0] == 400


def test_what_is_no_model_cannot_be_built(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(PackageRefusedError, match=r"neither .s2i/environment.*nor MLmodel"):
        build(source, tmp_path, INFO)
    (source / ".s2i").mkdir()
    (source / ".s2i" / "environment").write_text("MODEL_NAME=Missing")
    with pytest.raises(PackageRefusedError, match=r"no Missing.py in the source"):
        build(source, tmp_path, INFO)


def test_a_source_cannot_take_the_place_of_pip_or_its_libraries(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It lies in the working directory, from which Python would import them first."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "MLmodel").write_text("flavors: {}")
    (source / "requirements.txt").write_text("./there-is-no-such-folder\n")
    for name in ("pip", "logging"):
        (source / f"{name}.py").write_text("import sys\nsys.exit('taken for another')\n")
    with pytest.raises(PackageRefusedError, match=r"requirements.txt asks for failed"):
        build(source, tmp_path, INFO)
    said = "".join(capfd.readouterr())
    assert "taken for another" not in said
    assert "there-is-no-such-folder" in said


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
