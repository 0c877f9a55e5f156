"""The WSGI application answers with the champions of a home, as CT.Predict does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from tests.cli.running import MODEL, copy_home

from iris_ct import procedures
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.flow.fold import fold_journal
from iris_ct.serving.wsgi import MAX_BODY, Application

pytestmark = pytest.mark.integration

ROW = {"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False}
NAMED = ROW | {"slot": "2030-01-05 10:00:00"}


@pytest.fixture
def parts(lived: Path, tmp_path: Path) -> Iterator[Parts]:
    opened = build(load_settings(copy_home(lived, tmp_path / "home")))
    yield opened
    opened.store.close()


@pytest.fixture
def application(parts: Parts) -> Application:
    return Application(lambda: parts)


def ask(
    application: Application, path: str, body: Any = None, **environ: str
) -> tuple[int, dict[str, Any]]:
    """Ask as a strict server would."""
    content = b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    said: dict[str, Any] = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(content),
        **environ,
    }
    setup_testing_defaults(said)
    heard: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        heard.append(status)
        return lambda _data: None

    response = validator(application)(said, start)
    text = b"".join(response)
    response.close()  # type: ignore[attr-defined] # the validator's iterator has it
    return int(heard[0][:3]), json.loads(text) if text[:1] == b"{" else {"text": text.decode()}


def test_every_protocol_answers_as_the_procedure_does(
    application: Application, parts: Parts
) -> None:
    expected = procedures.predict_row(parts, MODEL, json.dumps(ROW))["prediction"]
    record = {"dataframe_records": [ROW]}
    assert ask(application, "/invocations", record) == (200, {"predictions": [expected]})
    message = {"data": {"names": [*ROW], "ndarray": [[*ROW.values()]]}}
    for path in (f"/model-endpoints/{MODEL}", "/api/v1.0/predictions"):
        status, said = ask(application, path, message)
        assert (status, said["data"]["ndarray"]) == (200, [[expected]])
        assert said["meta"]["requestPath"] == {MODEL: f"{MODEL}:2"}
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
        for name, kind in zip(ROW, ["FP64", "FP64", "BYTES", "BOOL"], strict=True)
    ]
    for path in (f"/v2/models/{MODEL}/infer", f"/v2/models/{MODEL}/versions/2/infer"):
        status, said = ask(application, path, {"inputs": inputs})
        assert said["outputs"][0]["data"] == [expected]
    status, said = ask(application, f"/invocations?service={MODEL}&explain=true", record)
    assert sum(said["contributions"]["data"][0]) == pytest.approx(expected)


def test_what_is_answered_is_logged_and_feedback_becomes_labels(
    application: Application, parts: Parts
) -> None:
    # What other tests asked of this home.
    fold_journal(parts.store, parts.clock)
    status, said = ask(application, f"/model-endpoints/{MODEL}", {"jsonData": NAMED})
    assert status == 200
    feedback = {"response": {"meta": said["meta"]}, "truth": {"data": {"ndarray": [[42.0]]}}}
    assert ask(application, f"/model-endpoints/{MODEL}/feedback", feedback)[0] == 200
    folded = fold_journal(parts.store, parts.clock)
    assert (folded.n_rows, folded.n_labels) == (1, 1)
    [labels] = (parts.home / "inbox" / MODEL / "labels").glob("feedback-*.csv")
    assert labels.read_text() == "slot,hires\n2030-01-05T10:00:00Z,42.0\n"


@pytest.mark.parametrize(
    ("path", "body", "status", "key"),
    [
        ("/invocations", {"nonsense": 1}, 400, "error_code"),
        ("/invocations?service=nobody", {"inputs": [[1]]}, 404, "error_code"),
        ("/invocations", None, 405, "error_code"),
        ("/model-endpoints/nobody", {"strData": "1"}, 404, "status"),
        (f"/v2/models/{MODEL}/versions/9/infer", {"inputs": []}, 404, "error"),
        ("/v2/models/nobody", None, 404, "error"),
        ("/elsewhere", None, 404, "error"),
    ],
)
def test_refusals_are_said_in_the_protocols_words(
    application: Application, path: str, body: Any, status: int, key: str
) -> None:
    told, said = ask(application, path, body)
    assert (told, key in said) == (status, True)


def test_it_says_that_it_lives_and_what_it_serves(application: Application) -> None:
    assert ask(application, "/ping")[0] == 200
    assert ask(application, "/health/ping") == (200, {"text": "pong"})
    assert ask(application, "/v2")[1]["name"] == "iris-ct"
    assert ask(application, f"/v2/models/{MODEL}")[1]["versions"] == ["2"]
    assert ask(application, f"/v2/models/{MODEL}/ready") == (200, {"name": MODEL, "ready": True})


def test_a_name_that_cannot_stand_in_the_log_is_not_taken(application: Application) -> None:
    message = {"data": {"names": [*ROW], "ndarray": [[*ROW.values()]]}}
    path = f"/model-endpoints/{MODEL}"
    for said, is_taken in (("mine", True), ("x" * 300, False), ("a\tb", False)):
        _, told = ask(application, path, message, HTTP_SELDON_PUID=said)
        assert (told["meta"]["puid"] == said) == is_taken


def test_a_body_that_is_too_large_is_not_read(application: Application) -> None:
    status, _ = ask(application, "/invocations", {}, CONTENT_LENGTH=str(MAX_BODY + 1))
    assert status == 413
