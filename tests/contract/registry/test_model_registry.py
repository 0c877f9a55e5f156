"""What `ModelRegistry` promises, on an embedded store and on a server."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.registry.versions import new_model_name, register, version

from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.adapters.registry.runs import read_run
from iris_ct.core.errors import IntegrityError, ModelVersionNotFoundError


def client_of(registry: MlflowRegistry) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(registry.tracking_uri, registry_uri=registry.tracking_uri)


def logged_model(registry: MlflowRegistry, run_id: str) -> Any:
    [made] = client_of(registry).get_run(run_id).outputs.model_outputs
    return client_of(registry).get_logged_model(made.model_id)


def read_artefact(registry: MlflowRegistry, uri: str, directory: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    return Path(
        download_artifacts(
            artifact_uri=uri, dst_path=str(directory), tracking_uri=registry.tracking_uri
        )
    )


def test_a_version_gets_a_run_and_the_first_version_name(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    run_id, name = register(registry, version(model), artefact)
    run = client_of(registry).get_run(run_id)
    assert name == "1"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{model}-1"
    assert client_of(registry).get_experiment(run.info.experiment_id).name == f"ct.{model}"


def test_registering_a_cycle_again_changes_nothing(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    first = register(registry, version(model), artefact)
    assert register(registry, version(model), artefact) == first
    client = client_of(registry)
    run = client.get_run(first[0])
    assert len(client.search_runs([run.info.experiment_id])) == 1
    assert len(client.search_logged_models([run.info.experiment_id])) == 1
    assert len(client.search_model_versions(f"name = '{model}'")) == 1


def test_another_cycle_gets_the_next_version(registry: MlflowRegistry, artefact: Path) -> None:
    model = new_model_name()
    assert register(registry, version(model, 1), artefact)[1] == "1"
    assert register(registry, version(model, 2), artefact)[1] == "2"


def test_the_run_shows_parameters_metrics_and_the_curve(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    run_id, _ = register(registry, version(model), artefact)
    data = client_of(registry).get_run(run_id).data
    assert data.params == {
        "num_leaves": "7",
        "objective": "regression_l1",
        "categorical": "[1,2]",
        "window": "90d",
        "rounds": "20",
        "refitted": "true",
        "task": "regression",
    }
    assert data.metrics == {
        "mae": 0.5,
        "rmse": 0.75,
        "holdout_loss": 0.5,
        "training_rows": 500.0,
        "validation_loss": 1.0,
    }
    curve = client_of(registry).get_metric_history(run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 4.0), (2, 2.0), (3, 1.0)]


def test_run_and_version_carry_verdict_and_digests(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    run_id, name = register(registry, version(model), artefact)
    expected = {
        "ct.cycle_id": f"cycle-{model}-1",
        "ct.version": "1",
        "ct.spec_digest": "5bec" * 16,
        "ct.snapshot_digest": "5" * 64,
        "ct.artifact_digest": "a47e" * 16,
        "ct.artifact": f"artifacts/{model}/1",
        "ct.recipe_digest": "4ec1" * 16,
        "ct.verdict": "promote",
        "ct.verdict_reason": "the gain is shown",
        "ct.decision_id": "gate-1",
        "ct.previous_champion": "3",
    }
    client = client_of(registry)
    tags = client.get_run(run_id).data.tags
    assert {key: tags.get(key) for key in expected} == expected
    assert not any("git" in key for key in tags)
    made = client.get_model_version(model, name)
    assert made.tags == expected
    assert made.source == f"models:/{logged_model(registry, run_id).model_id}"


def test_the_run_shows_which_snapshot_was_learned_from(
    registry: MlflowRegistry, artefact: Path
) -> None:
    run_id, _ = register(registry, version(new_model_name()), artefact)
    [given] = client_of(registry).get_run(run_id).inputs.dataset_inputs
    assert given.dataset.digest == "5" * 36
    assert json.loads(given.dataset.source)["tags"]["snapshot"] == "5" * 64
    assert json.loads(given.dataset.profile)["num_rows"] == 500
    columns = json.loads(given.dataset.schema)["mlflow_colspec"]
    assert {column["name"]: column["type"] for column in columns} == {
        "size": "double",
        "colour": "string",
        "opened": "datetime",
        "amount": "double",
    }


def test_importances_are_ranked(registry: MlflowRegistry, artefact: Path, tmp_path: Path) -> None:
    run_id, _ = register(registry, version(new_model_name()), artefact)
    uri = client_of(registry).get_run(run_id).info.artifact_uri
    ranked = json.loads(read_artefact(registry, f"{uri}/importances.json", tmp_path).read_text())
    assert ranked == [
        {"feature": "size", "gain": 10.0},
        {"feature": "opened.month", "gain": 1.5},
    ]


def test_the_model_is_the_artefacts_own_text_with_a_given_environment(
    registry: MlflowRegistry, artefact: Path, tmp_path: Path
) -> None:
    model = new_model_name()
    run_id, _ = register(registry, version(model), artefact)
    location = logged_model(registry, run_id).artifact_location
    directory = read_artefact(registry, location, tmp_path)
    names = sorted(path.name for path in directory.rglob("*") if path.is_file())
    assert names == ["MLmodel", "conda.yaml", "model.lgb", "python_env.yaml", "requirements.txt"]
    assert (directory / "model.lgb").read_bytes() == (artefact / "model.txt").read_bytes()
    assert "lightgbm==" in (directory / "requirements.txt").read_text()
    signature = read_signature(directory)
    assert signature.inputs.input_names() == ["size", "colour", "opened.month"]
    assert {str(kind) for kind in signature.inputs.input_types()} == {"DataType.double"}


def read_signature(directory: Path) -> Any:
    from mlflow.models import Model

    return Model.load(str(directory)).signature


def test_the_registered_model_predicts_what_the_artefact_predicts(
    monkeypatch: pytest.MonkeyPatch, registry: MlflowRegistry, artefact: Path
) -> None:
    """By MLflow's own flavour, so that everyone can load it."""
    import lightgbm
    import mlflow.lightgbm
    import numpy as np

    model = new_model_name()
    _, name = register(registry, version(model), artefact)
    registry.set_alias(model, "champion", name)
    rows = np.array([[0.1, 0.5], [0.9, 0.5]])
    expected = lightgbm.Booster(model_file=str(artefact / "model.txt")).predict(rows)
    # `mlflow.set_tracking_uri` would leave its own default in the environment.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    loaded = mlflow.lightgbm.load_model(f"models:/{model}@champion")
    np.testing.assert_array_equal(loaded.predict(rows), expected)


def test_nothing_taken_from_rows_reaches_mlflow(
    registry: MlflowRegistry, artefact: Path, tmp_path: Path
) -> None:
    """Categories, allowed values, bounds and slices stay in the store."""
    model = new_model_name()
    run_id, _ = register(registry, version(model), artefact)
    client = client_of(registry)
    run = client.get_run(run_id)
    [made] = client.search_model_versions(f"name = '{model}'")
    logged = logged_model(registry, run_id)
    (tmp_path / "run").mkdir()
    (tmp_path / "model").mkdir()
    read_artefact(registry, run.info.artifact_uri, tmp_path / "run")
    read_artefact(registry, logged.artifact_location, tmp_path / "model")
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    texts += [str(run.to_dictionary()), str(made), str(logged.to_dictionary())]
    assert len(texts) >= 10
    for taken in ("sentinel", "987654"):
        assert not any(taken in text for text in texts), taken


def test_an_alias_moves(registry: MlflowRegistry, artefact: Path) -> None:
    model = new_model_name()
    register(registry, version(model, 1), artefact)
    register(registry, version(model, 2), artefact)
    registry.set_alias(model, "champion", "1")
    registry.set_alias(model, "challenger", "2")
    assert registry.get_alias(model, "champion") == "1"
    registry.set_alias(model, "champion", "2")
    registry.set_alias(model, "champion", "2")
    assert registry.get_alias(model, "champion") == "2"
    assert registry.get_alias(model, "challenger") == "2"


def test_there_is_no_alias_of_an_unknown_name_or_model(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    assert registry.get_alias(model, "champion") is None
    register(registry, version(model), artefact)
    assert registry.get_alias(model, "champion") is None


def test_an_alias_cannot_point_at_a_version_that_was_never_made(
    registry: MlflowRegistry, artefact: Path
) -> None:
    model = new_model_name()
    register(registry, version(model), artefact)
    with pytest.raises(ModelVersionNotFoundError, match=f"no version 9 of {model}"):
        registry.set_alias(model, "champion", "9")


def test_a_lost_model_file_is_told_before_mlflow_is_asked(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match=r"no model\.txt"):
        register(registry, version(new_model_name()), tmp_path)


def test_a_run_of_the_product_can_be_read_back(registry: MlflowRegistry, artefact: Path) -> None:
    model = new_model_name()
    run_id, _ = register(registry, version(model), artefact)
    read = read_run(registry.tracking_uri, run_id, timeout_s=60)
    assert read.parameters == {"num_leaves": 7, "objective": "regression_l1"}
    assert (read.rounds, read.target, read.task) == (20, "amount", "regression")
    assert [(f.name, f.kind, f.parts) for f in read.features] == [
        ("size", "numeric", ()),
        ("colour", "categorical", ()),
        ("opened", "datetime", ("month",)),
    ]
    assert read.lineage["run_id"] == run_id
    assert read.lineage["dataset"] == f"{model}-snapshot"
