from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.core.wire import exchanges

from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.wire import codec, seldon_feedback, tensors
from iris_ct.core.wire.exchange import Served
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON, WireError, error_body

PROTOCOLS = (SELDON, OPEN_INFERENCE, MLFLOW)
SERVED = Served("bikes", "3", "bikes:3", "count")
CONTENT_TYPES = (
    "application/json",
    "",
    "text/csv",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
)
GOLDEN = [exchanges.load(name)["request"] for name in exchanges.names()]
GOLDEN_BODIES = [exchanges.body_of(request) for request in GOLDEN]
# A word that no error text of ours holds.
HIDDEN = "Zebedee"

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
cells = st.none() | st.booleans() | numbers | st.text(max_size=5)


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[Any] = cells) -> list[list[Any]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=40))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Give a request that was right until some of its bytes changed."""
    body = bytearray(draw(st.sampled_from(GOLDEN_BODIES)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 8)))
        body[start:end] = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"[", b"]", b"null", b"-1", b"1e999", b"{}", b'"x"', b"9" * 30])
        )
    return bytes(body)


def refusal(call: Callable[[], Any]) -> WireError | None:
    """Give what a call is refused with; anything else that it raises fails the test."""
    try:
        call()
    except WireError as error:
        return error
    return None


def check_asking(protocol: str, body: bytes, content_type: str, length: str | None) -> None:
    headers = {} if length is None else {"inference-header-content-length": length}
    refused = refusal(lambda: codec.decode(protocol, body, content_type, headers))
    if refused is not None:
        assert 400 <= refused.status < 500
        assert refused.text.endswith((".", "?"))
        json.loads(error_body(protocol, refused.status, refused.text))
        return
    asked = codec.decode(protocol, body, content_type, headers)
    assert asked.n_rows == len(exchanges.cells_of(asked.inputs)["cells"]) > 0
    outputs = Outputs(np.zeros(asked.n_rows))
    refused = refusal(lambda: codec.encode(asked, outputs, SERVED, puid="made"))
    assert refused is None or refused.status == 400


@settings(max_examples=300)
@given(
    protocol=st.sampled_from(PROTOCOLS),
    body=st.binary(max_size=200) | damaged(),
    content_type=st.sampled_from(CONTENT_TYPES) | st.text(max_size=20),
    length=st.none() | st.sampled_from(["0", "-1", "3", "99999999999999999999", "٣", "x"]),
)
@example(SELDON, b"[" * 100_000, "", None)
@example(OPEN_INFERENCE, b'{"inputs":' + b"[" * 100_000, "", None)
@example(MLFLOW, b'{"inputs":' + b"[" * 100_000, "", None)
@example(SELDON, b'{"data":{"ndarray":[[' + b"9" * 5000 + b"]]}}", "", None)
@example(SELDON, b'{"data":{"tensor":{"shape":[-1,-1],"values":[1]}}}', "", None)
@example(SELDON, b'{"binData":"k05VTVBZ"}', "", None)
def test_any_bytes_are_answered_or_refused(
    protocol: str, body: bytes, content_type: str, length: str | None
) -> None:
    check_asking(protocol, body, content_type, length)


json_values = st.recursive(
    cells, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


@settings(max_examples=300)
@given(
    where=st.sampled_from(
        [
            (SELDON, ("data", "ndarray")),
            (SELDON, ("data", "names")),
            (SELDON, ("data", "tensor")),
            (SELDON, ("data", "tftensor")),
            (SELDON, ("jsonData",)),
            (SELDON, ("strData",)),
            (SELDON, ("binData",)),
            (SELDON, ("meta",)),
            (OPEN_INFERENCE, ("inputs",)),
            (OPEN_INFERENCE, ("parameters",)),
            (MLFLOW, ("dataframe_split", "data")),
            (MLFLOW, ("dataframe_records",)),
            (MLFLOW, ("inputs",)),
            (MLFLOW, ("instances",)),
        ]
    ),
    value=json_values,
)
def test_any_json_in_any_place_is_answered_or_refused(
    where: tuple[str, tuple[str, ...]], value: Any
) -> None:
    protocol, path = where
    for name in reversed(path):
        value = {name: value}
    check_asking(protocol, json.dumps(value).encode(), "application/json", None)


@settings(max_examples=200)
@given(body=st.binary(max_size=100) | damaged() | json_values.map(json.dumps).map(str.encode))
def test_any_feedback_is_read_or_refused(body: bytes) -> None:
    refused = refusal(lambda: seldon_feedback.decode(body))
    assert refused is None or refused.status in (400, 415)


@settings(max_examples=200)
@given(rows=tables())
def test_rows_arrive_as_they_were_sent(rows: list[list[Any]]) -> None:
    """Numbers may come as float64, which all of these fit."""
    names = [f"c{place}" for place in range(len(rows[0]))]
    by_name = [dict(zip(names, row, strict=True)) for row in rows]
    for protocol, body in (
        (SELDON, {"data": {"names": names, "ndarray": rows}}),
        (SELDON, {"jsonData": {"names": names, "ndarray": rows}}),
        (SELDON, {"jsonData": by_name}),
        (SELDON, {"strData": json.dumps(by_name)}),
        (SELDON, {"binData": base64.b64encode(json.dumps(by_name).encode()).decode()}),
        (MLFLOW, {"dataframe_split": {"columns": names, "data": rows}}),
        (MLFLOW, {"dataframe_records": by_name}),
        (MLFLOW, {"inputs": dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))}),
    ):
        asked = codec.decode(protocol, json.dumps(body).encode())
        assert exchanges.cells_of(asked.inputs) == {"names": names, "cells": rows}


@settings(max_examples=200)
@given(rows=tables(numbers))
def test_numbers_arrive_by_every_way_alike(rows: list[list[Any]]) -> None:
    n_rows, width = len(rows), len(rows[0])
    flat = [float(cell) for row in rows for cell in row]
    raw = struct.pack(f"<{len(flat)}d", *flat)
    shape = {"dim": [{"size": n_rows}, {"size": width}]}
    tensor = {"name": "rows", "shape": [n_rows, width], "datatype": "FP64"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        (SELDON, {"data": {"ndarray": rows}}),
        (SELDON, {"data": {"tensor": {"shape": [n_rows, width], "values": flat}}}),
        (
            SELDON,
            {"data": {"tftensor": {"dtype": 2, "tensorShape": shape, "doubleVal": flat}}},
        ),
        (
            SELDON,
            {
                "data": {
                    "tftensor": {
                        "dtype": "DT_DOUBLE",
                        "tensorShape": shape,
                        "tensorContent": base64.b64encode(raw).decode(),
                    }
                }
            },
        ),
        (MLFLOW, {"inputs": rows}),
        (MLFLOW, {"instances": rows}),
    ]
    if width > 1:
        bodies.append((OPEN_INFERENCE, {"inputs": [{**tensor, "data": rows}]}))
        bodies.append((OPEN_INFERENCE, {"inputs": [{**tensor, "data": flat}]}))
        head = json.dumps(
            {"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}]}
        ).encode()
        headers = {"inference-header-content-length": str(len(head))}
        asked = codec.decode(OPEN_INFERENCE, head + raw, "", headers)
        assert exchanges.cells_of(asked.inputs)["cells"] == rows
    for protocol, body in bodies:
        asked = codec.decode(protocol, json.dumps(body).encode())
        assert exchanges.cells_of(asked.inputs) == {"names": None, "cells": rows}


@settings(max_examples=100)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_predictions_come_back_to_the_last_bit(values: list[float]) -> None:
    n_rows = len(values)
    outputs = Outputs(np.array(values))
    rows = [[1.0]] * n_rows
    for protocol, body, read in (
        (SELDON, {"data": {"ndarray": rows}}, lambda a: [r[0] for r in a["data"]["ndarray"]]),
        (
            SELDON,
            {"jsonData": [{"a": 1}] * n_rows},
            lambda a: [r["prediction"] for r in a["jsonData"]],
        ),
        (
            SELDON,
            {"data": {"tensor": {"shape": [n_rows, 1], "values": [1] * n_rows}}},
            lambda a: a["data"]["tensor"]["values"],
        ),
        (
            OPEN_INFERENCE,
            {
                "inputs": [
                    {"name": "a", "shape": [n_rows], "datatype": "FP64", "data": [1] * n_rows}
                ]
            },
            lambda a: a["outputs"][0]["data"],
        ),
        (MLFLOW, {"inputs": rows}, lambda a: a["predictions"]),
    ):
        asked = codec.decode(protocol, json.dumps(body).encode())
        reply = codec.encode(asked, outputs, SERVED, puid="made")
        assert read(json.loads(reply.body)) == values


@given(texts=st.lists(st.text(), max_size=5))
def test_texts_survive_raw_bytes(texts: list[str]) -> None:
    raw = tensors.to_binary(texts)
    assert tensors.from_binary(raw, "BYTES", [len(texts)], "inputs[0]") == texts


@pytest.mark.parametrize("kind", [HIDDEN, [HIDDEN], {HIDDEN: HIDDEN}, math.pi * 1e5])
@settings(max_examples=60)
@given(data=st.data())
def test_no_refusal_tells_a_value_of_a_row(kind: Any, data: st.DataObject) -> None:
    """Whatever is wrong with a request, its error holds none of the cells."""
    cell = kind
    rows = data.draw(
        st.lists(st.lists(st.just(cell) | st.just(1), max_size=3), min_size=1, max_size=3)
    )
    flat = [cell for row in rows for cell in row]
    datatype = data.draw(st.sampled_from(sorted(tensors.DATATYPES)))
    text = "\n".join(",".join(map(str, row)) for row in rows)
    for protocol, content_type, body in (
        (SELDON, "", {"data": {"names": ["a", "b"], "ndarray": rows}}),
        (SELDON, "", {"data": {"names": ["a", "b"], "ndarray": flat}}),
        (SELDON, "", {"data": {"tensor": {"shape": [2, 2], "values": flat}}}),
        (SELDON, "", {"data": {"tftensor": {"dtype": "DT_INT8", "intVal": flat}}}),
        (SELDON, "", {"jsonData": rows}),
        (SELDON, "", {"jsonData": flat}),
        (SELDON, "", {"strData": text}),
        (SELDON, "", {"strData": '"' + text}),
        (SELDON, "", {"binData": text}),
        (MLFLOW, "", {"dataframe_split": {"columns": ["a", "b"], "data": rows}}),
        (MLFLOW, "", {"dataframe_records": flat}),
        (MLFLOW, "", {"inputs": rows}),
        (MLFLOW, "", {"inputs": {"a": flat, "b": rows}}),
        (MLFLOW, "text/csv", text),
        (MLFLOW, "", text),
        (
            OPEN_INFERENCE,
            "",
            {"inputs": [{"name": "a", "shape": [2, 2], "datatype": datatype, "data": rows}]},
        ),
        (
            OPEN_INFERENCE,
            "",
            {"inputs": [{"name": "a", "shape": [1], "datatype": datatype, "data": flat}]},
        ),
    ):
        sent = body if isinstance(body, str) else json.dumps(body)
        refused = refusal(partial(codec.decode, protocol, sent.encode(), content_type))
        text_told = "" if refused is None else refused.text
        assert HIDDEN not in text_told
        assert "314159" not in text_told
