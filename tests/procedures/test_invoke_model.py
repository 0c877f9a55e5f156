"""The item InvokeModel: six formats, the same predictions, each answered as it was asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.cli.running import MODEL
from tests.instance.fake_iris import FakeIris

from iris_ct import procedures
from iris_ct.bootstrap import Parts
from iris_ct.components.operations.invoke_model import InvokeModelOperation
from iris_ct.core.errors import ConfigError, DataError
from iris_ct.flow.fold import fold_journal
from iris_ct.flow.invoke import FORMATS, Invoked, invoke
from iris_ct.host import Host, HostClient, RequestFailedError
from iris_ct.instance import native
from iris_ct.messages import InvocationAnswered, InvocationRequested

ROWS: list[list[Any]] = [[5, 14.25, "rain", False], [9, 20.5, None, True]]
NUMBERS = [[5, 14.25], [9, 20.5]]
NUMERIC = ("hour", "temperature")
PATIENCE_S = 120.0


def asked(parts: Parts, content: Any, input_format: str, **said: Any) -> Invoked:
    text = content if isinstance(content, str) else json.dumps(content)
    return invoke(
        parts.champions.require(MODEL),
        text,
        input_format=input_format,
        store=parts.store,
        clock=parts.clock,
        **said,
    )


def expected(parts: Parts, names: tuple[str, ...], rows: list[list[Any]]) -> list[float]:
    said = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    return [procedures.predict_row(parts, MODEL, row)["prediction"] for row in said]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


TENSOR = {"shape": [2, 2], "values": [5, 14.25, 9, 20.5]}
TFTENSOR = {
    "dtype": "DT_DOUBLE",
    "tensorShape": {"dim": [{"size": "2"}, {"size": "2"}]},
    "doubleVal": TENSOR["values"],
}
CSV = "hour,temperature\n5,14.25\n9,20.5\n"


@pytest.mark.parametrize(
    ("input_format", "content"),
    [
        ("ndarray", NUMBERS),
        ("tensor", TENSOR),
        ("tftensor", TFTENSOR),
        ("jsonData", [dict(zip(NUMERIC, row, strict=True)) for row in NUMBERS]),
        ("jsonData", NUMBERS),
        ("strData", CSV),
        ("strData", json.dumps(NUMBERS)),
        ("binData", base64_of(CSV)),
    ],
)
def test_each_format_is_scored_alike_and_answered_alike(
    parts: Parts, input_format: str, content: Any
) -> None:
    made = asked(parts, content, input_format, feature_names=NUMERIC)
    meant = expected(parts, NUMERIC, NUMBERS)
    if input_format in ("ndarray", "tensor", "tftensor"):
        assert made.names == ("hires",)
    said = base64.b64decode(made.content).decode() if input_format == "binData" else made.content
    if said.startswith("hires\n"):
        found = [float(line) for line in said.split()[1:]]
    elif input_format == "tensor":
        assert json.loads(said)["shape"] == [2, 1]
        found = json.loads(said)["values"]
    elif input_format == "tftensor":
        found = json.loads(said)["doubleVal"]
    else:
        found = [
            row["prediction"] if isinstance(row, dict) else row[0] for row in json.loads(said)
        ]
    assert np.array_equal(found, meant)
    message = json.loads(made.message)
    assert message["meta"]["requestPath"] == {MODEL: f"{MODEL}:2"}
    assert message["meta"]["puid"] == made.request_id


def test_rows_without_names_are_the_features_in_their_order(parts: Parts) -> None:
    found = json.loads(asked(parts, ROWS, "ndarray").content)
    names = ("hour", "temperature", "weather", "holiday")
    assert [row[0] for row in found] == expected(parts, names, ROWS)


def test_an_invocation_is_logged_once_under_its_name(parts: Parts) -> None:
    fold_journal(parts.store, parts.clock)
    before = sum(parts.store.predictions.counts(MODEL).values())
    for _ in range(2):
        assert asked(parts, ROWS, "ndarray", request_id="a").request_id == "invoke:a"
    fold_journal(parts.store, parts.clock)
    assert sum(parts.store.predictions.counts(MODEL).values()) == before + 2


@pytest.mark.parametrize(
    ("content", "input_format", "reason"),
    [
        ("[[1", "ndarray", "no JSON"),
        ('[[1]], "tensor": {}', "ndarray", "no JSON"),
        ([[1, 2]], "tensor", "tensor"),
        ([["secret"]], "ndarray", "Row 1 has 1 cells"),
        ([["secret", 1, "rain", True]], "ndarray", "not_a_number in column 'hour'"),
        ("no base64!", "binData", "binData"),
        ("\ud800", "strData", "no Unicode"),
    ],
)
def test_what_the_model_does_not_take_is_told_and_never_shown(
    parts: Parts, content: Any, input_format: str, reason: str
) -> None:
    with pytest.raises(DataError) as refused:
        asked(parts, content, input_format)
    assert reason in str(refused.value)
    assert "secret" not in str(refused.value)


def test_there_are_six_formats(parts: Parts) -> None:
    assert len(FORMATS) == 6
    with pytest.raises(ConfigError, match="no input format 'xml'"):
        asked(parts, "", "xml")


@pytest.fixture
def client(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostClient]:
    monkeypatch.setenv("CT_HOME", str(lived))
    place = {"store_url": f"sqlite:///{tmp_path}/other.db", "lock_path": tmp_path / "other.lock"}
    with (
        Host("tests.procedures.invokers:production", **place),  # type: ignore[arg-type]
        HostClient(**place) as opened,  # type: ignore[arg-type]
    ):
        yield opened


def test_the_message_wins_over_the_settings_of_the_item(parts: Parts, client: HostClient) -> None:
    [meant] = expected(parts, NUMERIC, [[5, 14.25]])
    by_setting = client.call("Rows", InvocationRequested("[[14.25, 5]]"), PATIENCE_S)
    assert isinstance(by_setting, InvocationAnswered)
    assert (by_setting.model, by_setting.output_format, by_setting.names) == (
        MODEL,
        "ndarray",
        "hires",
    )
    assert json.loads(by_setting.content) == [[meant]]
    said = InvocationRequested("[[5, 14.25]]", feature_names="hour,temperature")
    assert json.loads(client.call("Rows", said, PATIENCE_S).content) == [[meant]]
    text = InvocationRequested("hour,temperature\n5,14.25\n", model=MODEL)
    assert client.call("Csv", text, PATIENCE_S).content == f"hires\n{meant!r}\n"
    with pytest.raises(RequestFailedError, match="names a model"):
        client.call("Csv", InvocationRequested("1,2"), PATIENCE_S)
    assert [event for event in client.events(100) if event.severity == 6] == []


def test_native_messages_are_read_and_answered_by_their_classes() -> None:
    asked = SimpleNamespace(Model=None, FeatureNames="a,b", Content="[[1, 2]]")
    assert native.invocation_requested(asked) == InvocationRequested("[[1, 2]]", "", "a,b")
    answered = InvocationAnswered(MODEL, 2, "ndarray", "[[1.5]]", "hires", "{}", "invoke:1")
    made = native.invoke_response(answered, FakeIris())
    assert (made.class_name, made.properties) == (
        "CT.Msg.InvokeResponse",
        {
            "Model": MODEL,
            "ModelVersion": 2,
            "OutputFormat": "ndarray",
            "Content": "[[1.5]]",
            "ColumnNames": "hires",
            "Detail": "{}",
        },
    )
    long = InvocationAnswered(MODEL, 2, "ndarray", "x" * 32_001, "hires", "{}", "invoke:1")
    with pytest.raises(DataError, match="32001 characters"):
        native.invoke_response(long, FakeIris())


def test_iop_leads_each_class_to_its_handler() -> None:
    from iop.messages.dispatch import create_dispatch

    component = InvokeModelOperation.__new__(InvokeModelOperation)
    create_dispatch(component)
    assert dict(component.DISPATCH) == {
        "CT.Msg.InvokeRequest": "invoke_native",
        "iris_ct.messages.InvocationRequested": "invoke",
    }
