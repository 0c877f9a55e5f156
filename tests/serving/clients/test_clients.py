"""Clients that others wrote get the answers that LightGBM gives for the same rows."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from tests.cli.running import MODEL, csv, ct
from tests.serving.real import PATIENCE_S, Serving
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.integration
HOURS = [8.0, 17.0, 3.0]
WARMTH = [12.5, 20.0, -3.25]
WEATHER = ["dry", "rain", "snow"]
HOLIDAY = [False, True, False]


@pytest.fixture(scope="module")
def expected(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """What ``ct predict`` says of the same rows as a file."""
    folder = tmp_path_factory.mktemp("expected")
    rows = pl.DataFrame(
        {
            "slot": ["2026-01-01 08:00:00", "2026-01-01 17:00:00", "2026-01-01 03:00:00"],
            "hour": HOURS,
            "temperature": WARMTH,
            "weather": WEATHER,
            "holiday": HOLIDAY,
        }
    )
    out = folder / "out.csv"
    said = ct(served.home, "predict", MODEL, "--in", csv(folder / "in.csv", rows), "--out", out)
    assert said.code == 0, said.err
    return pl.read_csv(out)["prediction"].to_list()


@pytest.fixture(scope="module")
def client(served: Serving) -> triton.InferenceServerClient:
    """NVIDIA's client of the open inference protocol."""
    return triton.InferenceServerClient(served.netloc)


def _inputs(*, binary: bool) -> list[triton.InferInput]:
    columns = {
        "hour": (np.array(HOURS), "FP64"),
        "temperature": (np.array(WARMTH), "FP64"),
        "weather": (np.array(WEATHER, dtype=np.object_), "BYTES"),
        "holiday": (np.array(HOLIDAY), "BOOL"),
    }
    inputs = []
    for name, (values, kind) in columns.items():
        given = triton.InferInput(name, [len(values)], kind)
        given.set_data_from_numpy(values, binary_data=binary)
        inputs.append(given)
    return inputs


@pytest.mark.parametrize("asks_binary", [False, True])
@pytest.mark.parametrize("says_binary", [False, True])
def test_tritonclient_infers_by_json_and_by_raw_tensors(
    client: triton.InferenceServerClient,
    expected: list[float],
    asks_binary: bool,
    says_binary: bool,
) -> None:
    wanted = [triton.InferRequestedOutput("prediction", binary_data=says_binary)]
    result = client.infer(
        MODEL, _inputs(binary=asks_binary), outputs=wanted, request_id="triton-1"
    )
    assert result.as_numpy("prediction").ravel().tolist() == expected
    assert result.get_response()["id"] == "triton-1"
    assert result.get_response()["model_version"] == "2"


def test_tritonclient_asks_for_compression_and_a_version(
    client: triton.InferenceServerClient, expected: list[float]
) -> None:
    result = client.infer(
        MODEL,
        _inputs(binary=True),
        model_version="2",
        request_compression_algorithm="gzip",
    )
    assert result.as_numpy("prediction").ravel().tolist() == expected


def test_tritonclient_finds_servers_and_models(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "2")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata(MODEL)
    assert (told["name"], told["versions"]) == (MODEL, ["2"])
    assert [one["name"] for one in told["inputs"]] == ["hour", "temperature", "weather", "holiday"]
    assert [one["name"] for one in client.get_model_repository_index()] == [MODEL]


def test_tritonclient_is_told_why_it_is_refused(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="nobody"):
        client.infer("nobody", _inputs(binary=False))
    with pytest.raises(InferenceServerException, match="no version '9'"):
        client.infer(MODEL, _inputs(binary=False), model_version="9")
    cold = triton.InferInput("temperature", [1], "FP64")
    cold.set_data_from_numpy(np.array([-99.0]))
    with pytest.raises(InferenceServerException, match="temperature") as refused:
        client.infer(MODEL, [cold])
    assert "-99" not in str(refused.value)


MLFLOW = """
import json, sys
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

columns, port = json.loads(sys.argv[1]), int(sys.argv[2])
client = ScoringServerClient("127.0.0.1", port)
client.wait_server_ready(timeout=60)
client.get_version()
print(client.invoke(pd.DataFrame(columns)).to_json())
"""


def test_mlflows_scoring_client_predicts(served: Serving, expected: list[float]) -> None:
    """In a process of its own: MLflow warns while it is imported."""
    columns = {"hour": HOURS, "temperature": WARMTH, "weather": WEATHER, "holiday": HOLIDAY}
    port = served.netloc.partition(":")[2]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MLFLOW, json.dumps(columns), port],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["predictions"] == expected
