"""The registry's suite runs against an embedded store and against a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mlflow_server import mlflow_server

from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry


@pytest.fixture(scope="session")
def embedded_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("embedded")
    return f"sqlite:///{home / 'sandbox' / 'mlflow' / 'mlflow.db'}"


@pytest.fixture(scope="session")
def server_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(
    params=[
        pytest.param("embedded_uri", id="embedded", marks=pytest.mark.integration),
        pytest.param("server_uri", id="server", marks=[pytest.mark.integration, pytest.mark.slow]),
    ]
)
def registry(request: pytest.FixtureRequest) -> MlflowRegistry:
    return MlflowRegistry(request.getfixturevalue(request.param), timeout_s=60)


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact directory whose model has learned ``amount = 2 * size`` roughly."""
    import lightgbm
    import numpy as np

    size = np.random.default_rng(7).random((500, 2))
    booster = lightgbm.train(
        {"verbosity": -1, "num_leaves": 7, "num_threads": 1},
        lightgbm.Dataset(size, 2.0 * size[:, 0], feature_name=["size", "opened.month"]),
        20,
    )
    directory = tmp_path_factory.mktemp("artefact")
    booster.save_model(directory / "model.txt")
    (directory / "encoding.json").write_text('{"categories": ["sentinel-of-a-row"]}')
    return directory
