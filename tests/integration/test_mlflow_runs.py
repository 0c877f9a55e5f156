"""Runs that people logged in other ways than by LightGBM's autologging."""

import json
from pathlib import Path
from typing import Any

import pytest

from iris_ct.adapters.registry.connection import artifact_root, connect
from iris_ct.adapters.registry.runs import read_run
from iris_ct.core.errors import RegistryError

pytestmark = pytest.mark.integration

COLUMNS = {
    "age": "long",
    "income": "double",
    "job": "string",
    "student": "boolean",
    "seen": "datetime",
    "photo": "binary",
}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('home') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def client(uri: str) -> Any:
    return connect(uri, timeout_s=60)


@pytest.fixture(scope="module")
def experiment(client: Any, uri: str) -> str:
    root = artifact_root(uri)
    assert root is not None
    return str(client.create_experiment("loans", artifact_location=root.as_uri()))


def log_run(
    client: Any,
    experiment: str,
    *,
    parameters: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    columns: dict[str, str] | None = None,
) -> str:
    from mlflow.entities import Dataset, DatasetInput, Param

    run_id = str(client.create_run(experiment, tags=tags).info.run_id)
    client.log_batch(run_id, params=[Param(*said) for said in (parameters or {}).items()])
    if columns:
        schema = {
            "mlflow_colspec": [{"name": name, "type": kind} for name, kind in columns.items()]
        }
        # MLflow takes two datasets of one name and digest for the same.
        digest = run_id[:8]
        dataset = Dataset("loans.csv", digest, "local", '{"uri": "x"}', json.dumps(schema))
        client.log_inputs(run_id, datasets=[DatasetInput(dataset)])
    return run_id


def log_signature(client: Any, run_id: str, columns: list[str], directory: Path) -> None:
    """Log a model that is nothing but its signature, where MLflow 2 kept models."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec(COLUMNS[name], name) for name in columns])
    model = Model(signature=ModelSignature(inputs=inputs))
    model.add_flavor("lightgbm", data="model.lgb")
    model.save(str(directory / "MLmodel"))
    client.log_artifacts(run_id, str(directory), "model")


def test_columns_of_the_dataset_become_features(client: Any, uri: str, experiment: str) -> None:
    run_id = log_run(client, experiment, parameters={"objective": "binary"}, columns=COLUMNS)
    read = read_run(uri, run_id)
    assert [(feature.name, feature.kind) for feature in read.features] == [
        ("age", "numeric"),
        ("income", "numeric"),
        ("job", "categorical"),
        ("student", "boolean"),
        ("seen", "datetime"),
    ]
    assert read.task == "binary"
    assert "Of the time seen the parts month, weekday, hour are taken." in read.notes
    assert "Columns of types that no feature has are left out: photo." in read.notes
    assert "The run does not name its target; give it with --target." in read.notes
    assert (read.lineage["dataset"], read.lineage["dataset_digest"]) == ("loans.csv", run_id[:8])


def test_the_column_that_only_the_dataset_has_is_the_target(
    client: Any, uri: str, experiment: str, tmp_path: Path
) -> None:
    columns = {"age": "long", "job": "string", "income": "double"}
    run_id = log_run(client, experiment, columns=columns)
    log_signature(client, run_id, ["age", "job"], tmp_path)
    read = read_run(uri, run_id)
    assert [feature.name for feature in read.features] == ["age", "job"]
    assert read.target == "income"


def test_categorical_columns_of_the_training_call_are_categorical(
    client: Any, uri: str, experiment: str
) -> None:
    said = {"objective": "regression", "categorical_feature": "[1]", "target": "y"}
    run_id = log_run(client, experiment, parameters=said, columns={"a": "long", "b": "long"})
    read = read_run(uri, run_id)
    assert [feature.kind for feature in read.features] == ["numeric", "categorical"]
    assert read.target == "y"


def test_parameters_of_another_library_are_named_and_left_out(
    client: Any, uri: str, experiment: str
) -> None:
    run_id = log_run(
        client,
        experiment,
        parameters={"max_depth": "4", "n_estimators": "500"},
        tags={"estimator_class": "sklearn.ensemble._forest.RandomForestRegressor"},
        columns={"a": "double"},
    )
    read = read_run(uri, run_id)
    assert (dict(read.parameters), read.rounds, read.task) == ({}, None, "regression")
    assert any("max_depth, n_estimators" in note for note in read.notes)


def test_a_run_without_columns_is_refused_with_what_to_do(
    client: Any, uri: str, experiment: str
) -> None:
    run_id = log_run(client, experiment, parameters={"num_leaves": "7"})
    with pytest.raises(RegistryError, match=r"autolog\(\).*ct init NAME --from FILE"):
        read_run(uri, run_id)


@pytest.mark.parametrize("run_id", ["nothing", "0" * 32])
def test_a_run_that_is_not_there_is_told(uri: str, run_id: str) -> None:
    with pytest.raises(RegistryError, match=f"has no run '{run_id}'"):
        read_run(uri, run_id)
