"""A worker for models from elsewhere: a Seldon-style Python class or an MLflow pyfunc directory.

Run as a file by the interpreter of the model's own virtual environment, so it imports nothing of
this product and nothing but the standard library; NumPy, pandas and MLflow are used if they are
there. Frames are those of ``frames.py`` with JSON payloads. Ends when its stream ends.

The bundle is a folder with ``PACKAGE.json`` (SHA-256 of every file of ``source/``) and
``source/``. Nothing of it is imported before every file was found to be what was packaged.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import inspect
import json
import math
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from iris_ct.serving.foreign_sessions import Held, Sessions

HEADER = struct.Struct("<IIB")
HELLO, CALL, ANSWER, DRAIN, JSON = 1, 2, 3, 7, 0x80
SELDON, OPEN_INFERENCE, MLFLOW = "seldon", "open_inference", "mlflow"
FEEDBACK, SELDON_METADATA = "seldon_feedback", "seldon_metadata"
OPEN_INFERENCE_METADATA = "open_inference_metadata"
OK, REFUSED = 0, 2
_READ = 1 << 18
# Seconds until calls are tried again whose session another worker has.
_BUSY_S = 0.002
# Cells of a table that nobody said.
_MOST_EMPTY = 1 << 20

PICKLES = (".pkl", ".pickle", ".cloudpickle", ".joblib", ".dill", ".pt", ".pth")
# Loaders of MLflow that read a format of their own, or run code that lies open in the package.
# What others read cannot be told from outside; most of them unpickle.
PLAIN_LOADERS = {
    "mlflow.pyfunc.loaders.code_model",
    "mlflow.catboost",
    "mlflow.lightgbm",
    "mlflow.onnx",
    "mlflow.xgboost",
}
# What a flavour says of a pickle beside it.
_UNPICKLED = {"pickled_model", "python_model"}
# The one class that LightGBM's flavour reads from LightGBM's own text.
_BOOSTER = "lightgbm.basic.Booster"
_METRICS = {"COUNTER", "GAUGE", "TIMER"}


class RefusedError(Exception):
    """The bundle cannot be served; says what to do."""


class AskedError(Exception):
    """A request that cannot be answered; its text names no value of a row."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class BusyError(Exception):
    """Another worker has the session of a request."""

    def __init__(self, session: str) -> None:
        super().__init__()
        self.session = session


class Call(NamedTuple):
    """What the gateway asks; see ``frames.Call``."""

    protocol: str
    path: str
    body: bytes
    content_type: str
    puid: str
    headers: dict[str, str]
    shadow: bool
    service: str
    branch: str
    image: str
    explain: bool
    log: bool
    again: bool = False


class Asked(NamedTuple):
    """A request, read: what the model gets, and how the answer is to be encoded."""

    features: Any
    names: list[str]
    encoding: str
    meta: dict[str, Any]
    message: dict[str, Any]


class Model:
    """What the two kinds of models have in common, for `Answers`."""

    names_outputs: Sequence[str] = ()

    def predict(self, asked: Asked) -> Any:
        """Give predictions of the features."""
        raise NotImplementedError

    def tags(self) -> dict[str, Any]:
        """Give tags for the answer's meta."""
        return {}

    def metrics(self) -> list[dict[str, Any]]:
        """Give the model's own metrics."""
        return []

    def metadata(self) -> dict[str, Any]:
        """Give what the model says of itself."""
        return {}

    def feedback(self, asked: Asked, reward: float, truth: Any) -> None:
        """Take feedback."""


class SeldonModel(Model):
    """A class as Seldon's Python wrapper takes it."""

    def __init__(self, user: Any) -> None:
        self._user = user
        if hasattr(user, "load"):
            user.load()

    def raw(self, message: dict[str, Any]) -> Any:
        """Give the whole answer, if the class makes it itself; else None."""
        make = getattr(self._user, "predict_raw", None)
        return None if make is None else make(message)

    def predict(self, asked: Asked) -> Any:
        """Call ``predict``; a class without one transforms."""
        user = self._user
        for name in ("predict", "transform_input", "transform_output"):
            method = getattr(user, name, None)
            if method is not None:
                return _called(method, asked.features, asked.names, meta=asked.meta)
        raise AskedError("The model's class has neither predict nor predict_raw.", 501)

    def class_names(self) -> list[str]:
        """Name the columns of the predictions; empty if the class does not."""
        said = getattr(self._user, "class_names", None)
        return [str(name) for name in (said() if callable(said) else said or ())]

    def tags(self) -> dict[str, Any]:
        """Give the class' tags."""
        made = getattr(self._user, "tags", None)
        return dict(made()) if made is not None else {}

    def metrics(self) -> list[dict[str, Any]]:
        """Give the class' metrics, checked: a wrong one is left out and told in the log."""
        made = getattr(self._user, "metrics", None)
        return _checked_metrics(made()) if made is not None else []

    def metadata(self) -> dict[str, Any]:
        """Give what ``init_metadata`` says."""
        made = getattr(self._user, "init_metadata", None)
        return dict(made()) if made is not None else {}

    def feedback(self, asked: Asked, reward: float, truth: Any) -> None:
        """Hand feedback to ``send_feedback``, if there is one."""
        taken = getattr(self._user, "send_feedback", None)
        if taken is not None:
            _called(taken, asked.features, asked.names, reward, truth, routing=None)


class PyfuncModel(Model):
    """An MLflow pyfunc model; it gets a DataFrame where columns have names."""

    def __init__(self, source: Path) -> None:
        self._model = importlib.import_module("mlflow.pyfunc").load_model(str(source))

    def predict(self, asked: Asked) -> Any:
        """Call the model."""
        features = asked.features
        if asked.names and not isinstance(features, (str, bytes, dict)):
            pandas = importlib.import_module("pandas")
            features = pandas.DataFrame(features, columns=asked.names).infer_objects()
        return self._model.predict(features)


def _called(method: Callable[..., Any], *said: Any, **optional: Any) -> Any:
    """Call a method of the model's class with what its signature takes."""
    parameters = inspect.signature(method).parameters.values()
    kinds = [parameter.kind for parameter in parameters]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        known = {parameter.name for parameter in parameters}
        optional = {name: value for name, value in optional.items() if name in known}
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        takes = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        said = said[: sum(kind in takes for kind in kinds)]
    return method(*said, **optional)


def _checked_metrics(said: Any) -> list[dict[str, Any]]:
    kept = []
    for metric in said or ():
        checked = _checked_metric(metric)
        if checked is None:
            _log("metrics() gave one without type, key and finite number; it was left out")
        else:
            kept.append(checked)
    return kept


def _checked_metric(metric: Any) -> dict[str, Any] | None:
    """Give what the gateway can count; what is no JSON would break the stream."""
    try:
        kind, key, value = metric["type"], metric["key"], float(metric["value"])
        tags = {_text(name): _text(tag) for name, tag in (metric.get("tags") or {}).items()}
        if kind not in _METRICS or not isinstance(key, str) or not math.isfinite(value):
            return None
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None
    said = metric["value"]
    if isinstance(said, (str, bytes)):
        return None
    # A whole number stays one: the answer shows it as the class said it.
    exact = int(said) if isinstance(said, int) and abs(said) < 1 << 53 else value
    return {"type": kind, "key": _text(key), "value": exact, **({"tags": tags} if tags else {})}


def _text(said: Any) -> str:
    return str(said).encode("utf-8", "replace").decode()


# Reading requests.


def read(call: Call) -> Asked:
    """Read a request of any protocol.

    Raises
    ------
    AskedError
        Whatever is wrong with it: nothing of the model runs here.
    """
    try:
        if call.protocol == SELDON:
            return read_seldon(_object(call.body))
        if call.protocol == OPEN_INFERENCE:
            return _read_open_inference(_object(call.body))
        return _read_mlflow(call)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise AskedError("The request has not the form that its protocol gives it.") from error


def read_seldon(message: dict[str, Any]) -> Asked:
    """Read a Seldon message."""
    meta = message.get("meta") or {}
    parts = [meta, *((meta.get(name) or {}) for name in ("tags", "routing", "requestPath"))]
    if not all(isinstance(part, dict) for part in parts):
        raise AskedError("meta, and its tags, routing and requestPath, must be objects.")
    found = [name for name in ("data", "jsonData", "strData", "binData") if name in message]
    if len(found) != 1:
        raise AskedError(
            f"The message has {len(found)} of data, jsonData, strData, binData; expected one."
        )
    kind = found[0]
    if kind == "binData":
        try:
            return Asked(base64.b64decode(message[kind], validate=True), [], kind, meta, message)
        except ValueError as error:
            raise AskedError("binData is no base64.") from error
    if kind != "data":
        return Asked(message[kind], [], kind, meta, message)
    data = message["data"]
    if not isinstance(data, dict):
        raise AskedError("data must be an object with ndarray or tensor.")
    names = [str(name) for name in data.get("names") or []]
    if "tensor" in data:
        return Asked(_tensor(data["tensor"]), names, "tensor", meta, message)
    if "ndarray" not in data:
        raise AskedError("data has neither ndarray nor tensor.")
    return Asked(_array(data["ndarray"]), names, "ndarray", meta, message)


def _tensor(said: Any) -> Any:
    try:
        values, shape = list(said["values"]), [int(size) for size in said["shape"]]
        size = 1
        for part in shape:
            size *= part
        if size != len(values):
            raise AskedError(f"data.tensor has {len(values)} values, its shape says {size}.")
        return _shaped(values, shape)
    except (TypeError, KeyError, ValueError) as error:
        raise AskedError("data.tensor must have shape and values.") from error


def _read_open_inference(message: dict[str, Any]) -> Asked:
    inputs = message.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise AskedError("The request has no inputs.")
    meta = {"puid": str(message.get("id") or "")}
    columns = []
    for place, tensor in enumerate(inputs):
        try:
            columns.append((str(tensor["name"]), list(tensor["shape"]), _flat(tensor["data"])))
        except (TypeError, KeyError) as error:
            raise AskedError(
                f"inputs[{place}] must have name, shape and data; raw bytes are not taken by "
                "models of other kinds."
            ) from error
    name, shape, values = columns[0]
    if len(columns) == 1:
        wide = len(shape) > 1 and shape[-1] > 1
        return Asked(_shaped(values, shape), [] if wide else [name], OPEN_INFERENCE, meta, message)
    n_rows = len(values)
    if any(len(column) != n_rows for _, _, column in columns):
        raise AskedError("The inputs have different numbers of rows.")
    rows = [list(row) for row in zip(*(column for _, _, column in columns), strict=True)]
    names = [column for column, _, _ in columns]
    return Asked(_array(rows), names, OPEN_INFERENCE, meta, message)


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list):
        return [one for value in values for one in _flat(value)]
    return [values]


def _read_mlflow(call: Call) -> Asked:
    if call.content_type.split(";")[0].strip() == "text/csv":
        import csv
        import io

        head, *rows = list(csv.reader(io.StringIO(call.body.decode("utf-8")))) or [[]]
        return Asked(_array([[_number(c) for c in row] for row in rows]), head, MLFLOW, {}, {})
    message = _object(call.body)
    kinds = ("dataframe_split", "dataframe_records", "instances", "inputs")
    found = [kind for kind in kinds if kind in message]
    if len(found) != 1:
        raise AskedError(f"Expected exactly one of {', '.join(kinds)}; found {len(found)}.")
    said = message[found[0]]
    try:
        if found[0] == "dataframe_split":
            names = [str(name) for name in said.get("columns") or []]
            return Asked(_array(said["data"]), names, MLFLOW, {}, message)
        if found[0] == "dataframe_records" or (said and isinstance(said[0], dict)):
            names = list(dict.fromkeys(name for record in said for name in record))
            _check_filled(len(said) * len(names), sum(map(len, said)))
            rows = [[record.get(name) for name in names] for record in said]
            return Asked(_array(rows), names, MLFLOW, {}, message)
        return Asked(_array(said), [], MLFLOW, {}, message)
    except (TypeError, KeyError, AttributeError) as error:
        raise AskedError(f"{found[0]} has not the form that MLflow gives it.") from error


def _check_filled(n_cells: int, n_said: int) -> None:
    """Refuse objects that have hardly a name in common: their table would fill the memory."""
    if n_cells > _MOST_EMPTY + 16 * n_said:
        raise AskedError("The objects name different columns; expected the same in each.")


def _read_feedback(message: dict[str, Any]) -> tuple[Asked, float | None, Any, Any]:
    """Give the rows that were asked about, the reward, what was true, and the answer's name."""
    try:
        request, truth = message.get("request") or {}, message.get("truth") or {}
        features = read_seldon(request) if request else Asked(None, [], "", {}, {})
        known = read_seldon(truth).features if truth else None
        reward = None if message.get("reward") is None else float(message["reward"])
        if reward is not None and not math.isfinite(reward):
            raise AskedError("reward must be a number.")
        puid = ((message.get("response") or {}).get("meta") or {}).get("puid")
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise AskedError("The feedback has not the form that its protocol gives it.") from error
    return features, reward, known, puid


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text or None


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AskedError("The request is no JSON.") from error
    if not isinstance(said, dict):
        raise AskedError("The request must be a JSON object.")
    return said


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def _array(rows: Any) -> Any:
    numpy = _numpy()
    if numpy is None:
        return rows
    try:
        made = numpy.array(rows)
    except ValueError:
        return numpy.array(rows, dtype=object)
    # Numbers beside texts would all become texts.
    return numpy.array(rows, dtype=object) if made.dtype.kind in "US" else made


def _shaped(values: list[Any], shape: list[int]) -> Any:
    numpy = _numpy()
    if numpy is not None:
        return _array(values).reshape(shape)
    if len(shape) < 2:
        return values
    width = shape[1]
    return [values[start : start + width] for start in range(0, len(values), width)]


# Writing answers.


def plain(said: Any) -> Any:
    """Give predictions as JSON can hold them."""
    for name in ("to_dict", "tolist"):
        if name == "to_dict" and hasattr(said, "columns") and hasattr(said, name):
            return said.to_dict(orient="records")
        if name == "tolist" and hasattr(said, name):
            return said.tolist()
    if isinstance(said, dict):
        return {str(key): plain(value) for key, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [plain(value) for value in said]
    return said


def n_rows_of(said: Any) -> int:
    """Count the rows of predictions."""
    return len(said) if isinstance(said, list) else 1


class Answers:
    """Answers calls with one model.

    Parameters
    ----------
    sessions : Sessions, optional
        Of a stateful model.
    limit_s : float
        Seconds after which nobody waits for an answer, and no state follows from it any more.
    """

    def __init__(
        self,
        model: Model,
        *,
        shows_metrics: bool = True,
        sessions: Sessions | None = None,
        limit_s: float = math.inf,
    ) -> None:
        self._model = model
        self._shows_metrics = shows_metrics
        self._sessions = sessions
        self._limit_s = limit_s

    def is_late(self, since_s: float) -> bool:
        """Tell whether nobody waits any more for what was asked at a time of the steady clock."""
        return time.monotonic() - since_s > self._limit_s

    def answer(self, call: Call, since_s: float = math.inf) -> list[Any]:
        """Give the fields of ``frames.Answer``; no failure of the model ends the process.

        Parameters
        ----------
        since_s : float
            When the call came, by the steady clock.

        Raises
        ------
        BusyError
            If another worker has its session: to be tried again.
        """
        try:
            return self._answer(call, since_s)
        except BusyError:
            raise
        except AskedError as error:
            return _refusal(call, error.status, str(error))
        except Exception as error:  # noqa: BLE001 - no request may end the process
            # What the error says may hold values of rows, and is left out.
            _log(f"request {call.puid} of {call.service} failed: {type(error).__name__}")
            traceback.print_tb(error.__traceback__)
            text = f"The model failed ({type(error).__name__}); the service's log says where."
            return _refusal(call, 500, text)

    def _answer(self, call: Call, since_s: float) -> list[Any]:
        if call.protocol == FEEDBACK:
            return self._take_feedback(call)
        if call.protocol in (SELDON_METADATA, OPEN_INFERENCE_METADATA):
            name = call.service or call.image.partition(":")[0]
            said = {"name": name, "versions": [call.image.partition(":")[2]], "inputs": []}
            return _done({**said, "outputs": [], **self._model.metadata()}, 0)
        asked = read(call)
        if self._sessions is not None:
            return self._answer_in_session(call, asked, since_s, self._sessions)
        if call.protocol == SELDON:
            return _done(*self._predict(call, asked))
        said = plain(self._model.predict(asked))
        metrics = self._model.metrics()
        if call.protocol == OPEN_INFERENCE:
            return _done(_open_inference(call, asked, said), n_rows_of(said), metrics)
        return _done({"predictions": said}, n_rows_of(said), metrics)

    def _predict(
        self, call: Call, asked: Asked
    ) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
        """Answer a Seldon message: the body, its rows, the model's metrics."""
        if isinstance(self._model, SeldonModel):
            whole = self._model.raw(asked.message)
            if whole is not None:
                body = self._with_meta(plain(whole), call, asked)
                # Those that the answer itself brings count as what metrics() gives does.
                own = whole.get("meta") if isinstance(whole, dict) else None
                return body, 1, _checked_metrics((own or {}).get("metrics"))
        said = plain(self._model.predict(asked))
        metrics = self._model.metrics()
        body = self._with_meta(self._payload(asked, said), call, asked, metrics)
        return body, n_rows_of(said), metrics

    def _answer_in_session(
        self, call: Call, asked: Asked, since_s: float, sessions: Sessions
    ) -> list[Any]:
        """Answer with a stateful model; a session's requests are answered one at a time."""
        if call.protocol != SELDON or asked.encoding != "jsonData":
            raise AskedError("The model is stateful and takes Seldon's jsonData only.")
        name = sessions.name_of(asked.features)
        if name is None or call.shadow:
            state = None if name is None else sessions.peek(name)
            body, n_rows, metrics = self._predict(call, _with_state(asked, sessions, name, state))
            sessions.take_state(body.get("jsonData"))
            sessions.put_name(body.get("jsonData"), asked.features)
            return _done(body, n_rows, metrics)
        with sessions.held(name) as held:
            if self.is_late(since_s):
                raise AskedError("Its turn came too late, and the session's state stays.", 504)
            if held is None:
                raise BusyError(name)
            earlier = held.answered(_digest_of(call)) if call.again else None
            if earlier is not None:
                body, n_rows, metrics = _answered_before(earlier)
            else:
                asked = _with_state(asked, sessions, name, held.state())
                body, n_rows, metrics = self._predict_held(call, asked, since_s, sessions, held)
        sessions.put_name(body.get("jsonData"), asked.features)
        return _done(body, n_rows, metrics)

    def _predict_held(
        self, call: Call, asked: Asked, since_s: float, sessions: Sessions, held: Held
    ) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
        """Predict, and keep the state that follows unless nobody waits for the answer any more."""
        body, n_rows, metrics = self._predict(call, asked)
        state = sessions.take_state(body.get("jsonData"))
        # What is no JSON is found before the state is kept.
        kept = _text_of([body, n_rows, metrics])
        if self.is_late(since_s):
            raise AskedError("The model answered too late, and the session's state stays.", 504)
        if state is None:
            held.touch()
        else:
            held.keep(state, _digest_of(call), kept)
        return body, n_rows, metrics

    def _payload(self, asked: Asked, said: Any) -> dict[str, Any]:
        """Give predictions in the request's encoding, or in the one that they need."""
        if isinstance(said, bytes):
            return {"binData": base64.b64encode(said).decode()}
        if isinstance(said, str):
            return {"strData": said}
        if asked.encoding == "jsonData" or isinstance(said, dict):
            return {"jsonData": said}
        rows = said if isinstance(said, list) else [said]
        wide = len(rows[0]) if rows and isinstance(rows[0], list) else None
        names = self._model.class_names() if isinstance(self._model, SeldonModel) else []
        names = names or [f"t:{place}" for place in range(wide or 0)]
        if asked.encoding == "tensor":
            shape = [len(rows), wide] if wide is not None else [len(rows)]
            return {"data": {"names": names, "tensor": {"shape": shape, "values": _flat(rows)}}}
        return {"data": {"names": names, "ndarray": rows}}

    def _with_meta(
        self,
        body: Any,
        call: Call,
        asked: Asked,
        metrics: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        said = body if isinstance(body, dict) else {"jsonData": body}
        own = said.get("meta") or {}
        model = call.image.partition(":")[0] or call.service
        number = ord(call.branch) - ord("a") if len(call.branch) == 1 else 0
        meta = {
            "puid": asked.meta.get("puid") or call.puid,
            "tags": {
                **(asked.meta.get("tags") or {}),
                **(own.get("tags") or {}),
                **self._model.tags(),
            },
            "routing": {**(asked.meta.get("routing") or {}), call.service: number},
            "requestPath": {**(asked.meta.get("requestPath") or {}), model: call.image},
            "metrics": (metrics or own.get("metrics") or []) if self._shows_metrics else [],
        }
        return {"meta": meta, **{name: part for name, part in said.items() if name != "meta"}}

    def _take_feedback(self, call: Call) -> list[Any]:
        features, reward, known, puid = _read_feedback(_object(call.body))
        self._model.feedback(features, 0.0 if reward is None else reward, known)
        metrics: list[dict[str, Any]] = [{"type": "COUNTER", "key": "feedback", "value": 1}]
        if reward is not None:
            metrics.append({"type": "GAUGE", "key": "feedback_reward", "value": reward})
        status = {"code": 200, "info": "", "reason": "", "status": "SUCCESS"}
        return _done({"status": status, "meta": {"puid": puid or call.puid}}, 0, metrics)


def _with_state(asked: Asked, sessions: Sessions, name: str | None, state: str | None) -> Asked:
    features = sessions.passing(asked.features, name, state)
    return asked._replace(features=features, message={**asked.message, "jsonData": features})


def _digest_of(call: Call) -> bytes:
    """Name a request; callers may give several the same puid."""
    return hashlib.sha256(call.puid.encode("utf-8", "replace") + b"\0" + call.body).digest()


def _answered_before(earlier: str) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
    """Give the answer of a worker that ended after it had kept the state."""
    if not earlier:
        raise AskedError(
            "The worker ended after it had kept the session's state, and its answer was too "
            "large to be kept beside it.",
            500,
        )
    body, n_rows, metrics = json.loads(earlier)
    return body, n_rows, metrics


def _open_inference(call: Call, asked: Asked, said: Any) -> dict[str, Any]:
    rows = said if isinstance(said, list) else [said]
    if rows and isinstance(rows[0], dict):
        columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    else:
        columns = {"prediction": rows}
    outputs = []
    for name, column in columns.items():
        values = _flat(column)
        shape = [len(rows), len(values) // len(rows)] if rows else [0, 1]
        is_text = any(isinstance(value, str) for value in values)
        kind = "BYTES" if is_text else "FP64"
        outputs.append({"name": name, "shape": shape, "datatype": kind, "data": values})
    return {
        "model_name": call.service or call.image.partition(":")[0],
        "model_version": call.image.partition(":")[2],
        "id": asked.meta.get("puid") or call.puid,
        "outputs": outputs,
    }


def _done(
    body: Mapping[str, Any], n_rows: int, metrics: list[dict[str, Any]] | None = None
) -> list[Any]:
    return [200, _text_of(body).encode(), "application/json", n_rows, {}, metrics or []]


def _text_of(said: Any) -> str:
    return json.dumps(said, allow_nan=False, default=str)


def _refusal(call: Call, status: int, text: str) -> list[Any]:
    body: dict[str, Any] = {"error": text}
    if call.protocol in (SELDON, FEEDBACK, SELDON_METADATA):
        reason = "MICROSERVICE_BAD_DATA" if status < 500 else "MICROSERVICE_INTERNAL_ERROR"
        body = {"status": {"code": status, "info": text, "reason": reason, "status": "FAILURE"}}
    elif call.protocol == MLFLOW:
        code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
        body = {"error_code": code, "message": text}
    return [status, json.dumps(body).encode(), "application/json", 0, {}, []]


# The bundle.


def check_bundle(bundle: Path) -> dict[str, Any]:
    """Give what ``PACKAGE.json`` says, after every file was found to be as it says."""
    try:
        said: dict[str, Any] = json.loads((bundle / "PACKAGE.json").read_bytes())
        files = dict(said["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{bundle} holds no packaged model: onboard it again.") from error
    source = bundle / "source"
    there = {}
    for path in source.rglob("*"):
        if path.is_symlink():
            raise RefusedError(f"{path} is a link, which no package may hold.")
        if path.is_file():
            there[path.relative_to(source).as_posix()] = path
    odd = sorted(set(files) ^ set(there))
    odd += [name for name, path in there.items() if name in files and _sha(path) != files[name]]
    if odd:
        raise RefusedError(
            f"{bundle} is not what was packaged: {', '.join(odd[:3])}. Onboard the model again."
        )
    return said


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pickles_of(source: Path) -> list[str]:
    """Name what an MLflow model would unpickle."""
    found = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.suffix.lower() in PICKLES
    ]
    if _may_unpickle((source / "MLmodel").read_bytes()):
        found.append("MLmodel")
    return sorted(found)


def _may_unpickle(described: bytes) -> bool:
    """Tell whether a description lets MLflow unpickle; read as MLflow reads it, not as it looks."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise RefusedError(
            "The model's own environment has no MLflow: add mlflow to its requirements.txt."
        ) from error
    try:
        flavors = yaml.safe_load(described)["flavors"]
        loader = flavors["python_function"]["loader_module"]
        of_lightgbm = (flavors.get("lightgbm") or {}).get("model_class", _BOOSTER)
        of_xgboost = (flavors.get("xgboost") or {}).get("model_class", "xgboost.")
        return (
            loader not in PLAIN_LOADERS
            or of_lightgbm != _BOOSTER
            or not of_xgboost.startswith("xgboost.")
            or any(_UNPICKLED & set(flavor) for flavor in flavors.values() if flavor)
        )
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError, RecursionError):
        # What cannot be read here is not handed to MLflow either.
        return True


def _refuse_pickles(source: Path) -> None:
    pickles = pickles_of(source)
    if pickles:
        raise RefusedError(
            f"The model holds or may load pickles ({', '.join(pickles[:3])}), which can do "
            "anything when they are loaded. Save it in a form without, or allow it for this "
            "service: set CT_SERVE_ALLOW_PICKLE=1 where 'ct serve' is started."
        )


def load(bundle: Path, runtime: str, *, allow_pickle: bool) -> Model:
    """Load the model of a bundle, after it was checked."""
    said = check_bundle(bundle)
    source = bundle / "source"
    # No bytecode that lies beside the source is taken for it, and none is written there.
    sys.dont_write_bytecode = True
    sys.pycache_prefix = str(bundle / "no-bytecode")
    if runtime == "pyfunc" and not allow_pickle:
        # Before the source is on the path, where it could hide the library that reads MLmodel.
        _refuse_pickles(source)
    sys.path.insert(0, str(source))
    os.chdir(source)
    if runtime == "pyfunc":
        return PyfuncModel(source)
    name = os.environ.get("MODEL_NAME") or str(said.get("model_name") or "")
    module, _, inner = name.partition(".")
    found = getattr(importlib.import_module(module), inner or module, None)
    if found is None:
        raise RefusedError(f"The module {module} has no class {inner or module}.")
    return SeldonModel(found())


# The stream.


def frames(
    stream: socket.socket, wait_s: Callable[[], float | None] = lambda: None
) -> Iterator[list[tuple[int, int, bytes]]]:
    """Give the frames of one read after the other, until the stream ends.

    Parameters
    ----------
    wait_s : callable
        Says how long the next read may wait; then no frames are given. None: until some are there.
    """
    buffer = bytearray()
    while True:
        pause_s = wait_s()
        try:
            data = stream.recv(_READ) if pause_s is None else _recv_within(stream, pause_s)
        except ConnectionResetError:
            return
        if data is None:
            yield []
            continue
        if not data:
            return
        buffer += data
        found, at = [], 0
        while len(buffer) - at >= HEADER.size:
            length, request_id, kind = HEADER.unpack_from(buffer, at)
            end = at + HEADER.size + length
            if end > len(buffer):
                break
            found.append((kind, request_id, bytes(buffer[at + HEADER.size : end])))
            at = end
        del buffer[:at]
        if found:
            yield found


def _recv_within(stream: socket.socket, pause_s: float) -> bytes | None:
    """Read, if there is something within a time; else None."""
    stream.settimeout(pause_s)
    try:
        return stream.recv(_READ)
    except TimeoutError:
        return None
    finally:
        stream.settimeout(None)


def framed(kind: int, request_id: int, fields: list[Any]) -> bytes:
    """Make a frame; bytes become base64."""
    plain_fields = [base64.b64encode(f).decode() if isinstance(f, bytes) else f for f in fields]
    payload = json.dumps(plain_fields).encode()
    return HEADER.pack(len(payload), request_id, kind | JSON) + payload


def call_of(payload: bytes) -> Call:
    """Read a call; fields that a later release adds are passed over."""
    fields = json.loads(payload)
    fields[2] = base64.b64decode(fields[2])
    return Call(*fields[: len(Call._fields)])


class _Asking(NamedTuple):
    """A call to be answered, when it came, and the session that it waits for."""

    request_id: int
    call: Call
    since_s: float
    session: str | None = None


def serve(stream: socket.socket, answers: Answers) -> None:
    """Answer calls in their order until the stream ends or is drained.

    Only those wait whose session another worker has.
    """
    stream.sendall(framed(HELLO, 0, [os.getpid()]))
    waiting: list[_Asking] = []
    for found in frames(stream, lambda: _BUSY_S if waiting else None):
        now_s = time.monotonic()
        is_drained = False
        for kind, request_id, payload in found:
            if kind & ~JSON == CALL:
                waiting.append(_Asking(request_id, call_of(payload), now_s))
            elif kind & ~JSON == DRAIN:
                is_drained = True
                break
        waiting[:] = _answer_those_that_can(stream, answers, waiting)
        while is_drained and waiting:
            time.sleep(_BUSY_S)
            waiting[:] = _answer_those_that_can(stream, answers, waiting)
        if is_drained:
            return


def _answer_those_that_can(
    stream: socket.socket, answers: Answers, waiting: list[_Asking]
) -> list[_Asking]:
    """Answer each call as soon as it can be; gives those whose sessions others have."""
    busy: set[str] = set()
    rest = []
    for asking in waiting:
        if asking.session in busy and not answers.is_late(asking.since_s):
            rest.append(asking)
            continue
        try:
            done = answers.answer(asking.call, asking.since_s)
        except BusyError as error:
            busy.add(error.session)
            rest.append(asking._replace(session=error.session))
        else:
            stream.sendall(framed(ANSWER, asking.request_id, done))
    return rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(prog="foreign_worker", description="Serves one model.")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--runtime", choices=["seldon", "pyfunc"], required=True)
    parser.add_argument("--allow-pickle", action="store_true")
    parser.add_argument("--sessions", type=Path)
    parser.add_argument("--session-kb", type=int, default=64)
    parser.add_argument("--session-count", type=int, default=10_000)
    parser.add_argument("--session-idle-s", type=float, default=86_400.0)
    parser.add_argument("--limit-s", type=float, default=math.inf)
    asked = parser.parse_args(arguments)
    # Our own folder, where this file lies, holds nothing that is for the model.
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sessions = None if asked.sessions is None else _open_sessions(asked)
        model = load(asked.bundle.resolve(), asked.runtime, allow_pickle=asked.allow_pickle)
    except (RefusedError, AskedError) as error:
        _log(str(error))
        return REFUSED
    shows = os.environ.get("INCLUDE_METRICS_IN_CLIENT_RESPONSE", "true").lower() != "false"
    answers = Answers(model, shows_metrics=shows, sessions=sessions, limit_s=asked.limit_s)
    serve(socket.socket(fileno=asked.fd), answers)
    return OK


def _load_sessions() -> Any:
    """Load the module beside this file, under a name that no model's module has."""
    name = "_ct_foreign_sessions"
    spec = spec_from_file_location(name, Path(__file__).with_name("foreign_sessions.py"))
    if spec is None or spec.loader is None:
        raise RefusedError("The module foreign_sessions.py is missing: install the product anew.")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise RefusedError(
            f"The model is stateful, and its Python cannot keep states: {error}."
        ) from error
    return module


def _open_sessions(asked: argparse.Namespace) -> Sessions:
    opened: Sessions = _load_sessions().Sessions(
        # The model's own folder becomes the working one.
        asked.sessions.resolve(),
        max_bytes=asked.session_kb << 10,
        max_sessions=asked.session_count,
        idle_s=asked.session_idle_s,
        refuse=AskedError,
    )
    return opened


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
