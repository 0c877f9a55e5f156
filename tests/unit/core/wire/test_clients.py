"""Real clients' own code writes the requests and reads the answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
from mlflow.deployments import PredictionsResponse
from mlflow.utils.proto_json_utils import dump_input_data
from tests.unit.core.wire import exchanges

from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.wire import mlflow_scoring, open_inference
from iris_ct.core.wire.exchange import Served
from iris_ct.core.wire.refusal import WireError

SERVED = Served("loans", "7", "loans:7", "default")
OUTPUTS = Outputs(["no", "yes"], np.array([[0.75, 0.25], [0.125, 0.875]]), ("no", "yes"))


@pytest.mark.parametrize("binary", [True, False])
def test_triton_client_is_understood_and_understands(binary: bool) -> None:
    numbers = triton.InferInput("income", [2, 1], "FP32")
    numbers.set_data_from_numpy(np.array([[1000.5], [2500]], dtype=np.float32), binary)
    texts = triton.InferInput("kind", [2, 1], "BYTES")
    texts.set_data_from_numpy(np.array([["car"], ["höuse"]], dtype=object), binary)
    wanted = [
        triton.InferRequestedOutput(name, binary_data=binary)
        for name in ("prediction", "probabilities")
    ]
    body, length = triton.InferenceServerClient.generate_request_body(
        [numbers, texts], outputs=wanted, request_id="42"
    )
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    raw = body if isinstance(body, bytes) else body.encode()
    asked = open_inference.decode(raw, headers)
    assert exchanges.cells_of(asked.inputs) == {
        "names": ["income", "kind"],
        "cells": [[1000.5, "car"], [2500.0, "höuse"]],
    }
    reply = open_inference.encode(asked, OUTPUTS, SERVED, puid="made")
    told = dict(reply.headers).get("inference-header-content-length")
    result = triton.InferenceServerClient.parse_response_body(
        reply.body, header_length=None if told is None else int(told)
    )
    assert result.get_response()["id"] == "42"
    labels = result.as_numpy("prediction").ravel().tolist()
    assert [v.decode() if isinstance(v, bytes) else v for v in labels] == ["no", "yes"]
    assert result.as_numpy("probabilities").tolist() == [[0.75, 0.25], [0.125, 0.875]]


def test_mlflow_client_is_understood_and_understands() -> None:
    frame = pd.DataFrame({"income": [1000.5, None], "kind": ["car", "höuse"]}, dtype=object)
    cells = {"names": ["income", "kind"], "cells": [[1000.5, "car"], [None, "höuse"]]}
    asked = mlflow_scoring.decode(dump_input_data(frame).encode(), "application/json")
    assert exchanges.cells_of(asked.inputs) == cells
    by_csv = mlflow_scoring.decode(frame.to_csv().encode(), "text/csv; charset=utf-8")
    assert exchanges.cells_of(by_csv.inputs)["cells"] == [["1000.5", "car"], [None, "höuse"]]
    body = mlflow_scoring.encode(OUTPUTS).body.decode()
    answer: Any = PredictionsResponse.from_json(body)  # type: ignore[no-untyped-call]  # MLflow's
    assert answer.get_predictions("ndarray").ravel().tolist() == ["no", "yes"]


def test_mlflow_client_sends_arrays() -> None:
    asked = mlflow_scoring.decode(dump_input_data(np.array([[1.5, 2], [3, 4]])).encode())
    assert exchanges.cells_of(asked.inputs) == {"names": None, "cells": [[1.5, 2], [3, 4]]}


@pytest.mark.parametrize("n_rows", [2, 500])
def test_mlflow_client_sends_missing_numbers_as_no_json_has_them(n_rows: int) -> None:
    frame = pd.DataFrame({"income": [1000.5, None] * n_rows, "kind": ["car", "NaN"] * n_rows})
    body = dump_input_data(frame)
    assert "NaN," in body
    asked = mlflow_scoring.decode(body.encode())
    assert exchanges.cells_of(asked.inputs) == {
        "names": ["income", "kind"],
        "cells": [[1000.5, "car"], [None, "NaN"]] * n_rows,
    }


@pytest.mark.parametrize("body", [b'{"inputs":[[NaN,Infinity]]}', b'{"inputs":[[NaN,]]}', b"NaN"])
def test_what_else_is_no_json_stays_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="The body is no") as refused:
        mlflow_scoring.decode(body)
    assert refused.value.status == 400
