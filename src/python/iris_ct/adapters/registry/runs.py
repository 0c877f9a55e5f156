"""Reading a data scientist's run, so that an experiment can become a model of the pipeline."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from iris_ct.adapters.registry.connection import connect, error_code, translated
from iris_ct.adapters.registry.run_parameters import TARGET_NAMES, RunParameters, read_parameters
from iris_ct.core.errors import RegistryError
from iris_ct.core.specification import DatetimePart, Feature, FeatureKind, Task

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, Run
    from mlflow.models import Model

_KINDS: Mapping[str, FeatureKind] = {
    "double": "numeric",
    "float": "numeric",
    "long": "numeric",
    "integer": "numeric",
    "boolean": "boolean",
    "string": "categorical",
    "datetime": "datetime",
}
_PARTS: tuple[DatetimePart, ...] = ("month", "weekday", "hour")


@dataclass(frozen=True)
class ImportedRun:
    """What one run says about a model.

    Attributes
    ----------
    parameters : mapping
        LightGBM's parameters that differ from its defaults; empty for a run of another library.
    rounds, seed : int or None
        Boosting rounds and seed, if the run says them.
    features : tuple of Feature
        Input columns in the run's order; integers count as numeric.
    target, task : str or None
        None if the run does not show them.
    lineage : mapping
        Where it comes from: ``run_id``, ``experiment``, ``run_name``, ``started_at``, ``source``,
        ``commit``, ``model_id``, ``dataset``, ``dataset_digest``; what is unknown is left out.
    notes : tuple of str
        What was guessed or left out, a sentence each.
    """

    parameters: Mapping[str, Any]
    rounds: int | None
    seed: int | None
    features: tuple[Feature, ...]
    target: str | None
    task: Task | None
    lineage: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Columns:
    """Column names and MLflow's types."""

    types: Mapping[str, str]
    target: str | None = None


def read_run(tracking_uri: str, run_id: str, *, timeout_s: float = 5.0) -> ImportedRun:
    """Read parameters, features, target, task and lineage of a run.

    Columns come from the run's dataset and from its model's signature, as ``autolog`` or
    ``log_input`` and ``log_model(signature=...)`` leave them; a run of the product itself also
    holds its specification.

    Raises
    ------
    RegistryError
        If there is no such run, or if it does not name its input columns.
    RegistryUnavailableError
        If MLflow is away.
    """
    client = connect(tracking_uri, timeout_s=timeout_s)
    with translated(tracking_uri):
        run = _find(client, run_id, tracking_uri)
        dataset = _training_dataset(run)
        model = _read_model(client, run, tracking_uri)
        ours = _read_ours(client, run, tracking_uri)
        experiment = client.get_experiment(run.info.experiment_id).name
    said = _said_by(run, model)
    notes: list[str] = []
    columns = _columns(run_id, dataset, model, ours)
    features = _features(columns, said.categorical, ours, notes)
    if not features:
        raise RegistryError(
            f"Run {run_id} has {len(columns.types)} input columns and none of a type that a "
            f"feature can have ({', '.join(sorted(_KINDS))}). Log a table with such columns."
        )
    target = columns.target or next(
        (run.data.params[name] for name in TARGET_NAMES if name in run.data.params), None
    )
    task = _task(run, said, ours, notes)
    if said.ignored:
        notes.append(f"Parameters unknown to LightGBM are left out: {', '.join(said.ignored)}.")
    if target is None:
        notes.append("The run does not name its target; give it with --target.")
    return ImportedRun(
        parameters=said.parameters,
        rounds=said.rounds,
        seed=said.seed,
        features=features,
        target=target,
        task=task,
        lineage=_lineage(run, experiment, dataset),
        notes=tuple(notes),
    )


def _find(client: MlflowClient, run_id: str, tracking_uri: str) -> Run:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error_code(error) not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(
            f"MLflow at {tracking_uri} has no run '{run_id}': expected the 32 characters that the "
            "page of a run shows. Set MLFLOW_TRACKING_URI if the run is on another server."
        ) from error


def _training_dataset(run: Run) -> Dataset | None:
    """Give the dataset logged for training, else the first one that has a schema of columns."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    ranked = sorted(
        inputs,
        key=lambda given: (
            not any(
                tag.key == "mlflow.data.context" and tag.value.startswith("train")
                for tag in given.tags
            )
        ),
    )
    return next((given.dataset for given in ranked if _schema_of(given.dataset)), None)


def _schema_of(dataset: Dataset | None) -> dict[str, str]:
    content = json.loads(dataset.schema) if dataset is not None and dataset.schema else {}
    columns = content.get("mlflow_colspec") or []
    return {column["name"]: column["type"] for column in columns if column.get("name")}


def _read_model(client: MlflowClient, run: Run, tracking_uri: str) -> Model | None:
    """Read the ``MLmodel`` of the run's newest model, without its data; None if it has none."""
    from mlflow.models import Model

    for location in _model_locations(client, run):
        text = _download(f"{location}/MLmodel", tracking_uri)
        if text is not None:
            with tempfile.TemporaryDirectory(prefix="ct-") as directory:
                path = Path(directory) / "MLmodel"
                path.write_text(text, encoding="utf-8")
                return Model.load(str(path))
    return None


def _model_locations(client: MlflowClient, run: Run) -> list[str]:
    outputs = run.outputs.model_outputs if run.outputs else []
    newest_first = sorted(outputs, key=lambda logged: logged.step, reverse=True)
    locations = [
        client.get_logged_model(logged.model_id).artifact_location for logged in newest_first
    ]
    if not locations:  # as MLflow 2 kept them
        folders = [found.path for found in client.list_artifacts(run.info.run_id) if found.is_dir]
        locations = [f"{run.info.artifact_uri}/{folder}" for folder in folders]
    return locations


def _read_ours(client: MlflowClient, run: Run, tracking_uri: str) -> Mapping[str, Any]:
    """Give the specification that a run of the product holds; empty for anyone else's."""
    if "ct.cycle_id" not in run.data.tags:
        return {}
    text = _download(f"{run.info.artifact_uri}/specification.json", tracking_uri)
    found: Mapping[str, Any] = json.loads(text) if text else {}
    return found


def _download(uri: str, tracking_uri: str) -> str | None:
    """Read a small artefact; None if it is not there."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="ct-") as directory:
        try:
            path = download_artifacts(
                artifact_uri=uri, dst_path=directory, tracking_uri=tracking_uri
            )
        except MlflowException as error:
            if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                return None
            raise
        except FileNotFoundError:
            return None
        return Path(path).read_text(encoding="utf-8")


def _said_by(run: Run, model: Model | None) -> RunParameters:
    """Read the parameters, unless another library made the model."""
    maker = run.data.tags.get("estimator_class", "")
    is_other = (maker and "lightgbm" not in maker) or (
        model is not None and model.flavors and "lightgbm" not in model.flavors
    )
    said = read_parameters(run.data.params)
    if not is_other:
        return said
    return RunParameters({}, None, said.seed, said.task, (), tuple(sorted(run.data.params)))


def _columns(
    run_id: str, dataset: Dataset | None, model: Model | None, ours: Mapping[str, Any]
) -> _Columns:
    """Name the input columns, and the target where the dataset has one column more."""
    shown = _schema_of(dataset)
    inputs = model.signature.inputs if model is not None and model.signature else None
    taken = dict(zip(inputs.input_names(), _types(inputs), strict=False)) if inputs else {}
    if ours:
        target = ours["target"]
        return _Columns({key: kind for key, kind in shown.items() if key != target}, target)
    if taken and all(isinstance(name, str) for name in taken):
        more = [name for name in shown if name not in taken]
        return _Columns(taken, more[0] if shown and len(more) == 1 else None)
    if shown:
        return _Columns(shown)
    raise RegistryError(
        f"Run {run_id} does not name its input columns: it has "
        f"{'a model without a signature of named columns' if model else 'no model'} and no dataset "
        "of named columns. Train on a DataFrame under mlflow.lightgbm.autolog(), or log the model "
        "with signature=infer_signature(frame.head(100)); or start from a file: "
        "ct init NAME --from FILE --target COLUMN."
    )


def _types(inputs: Any) -> Sequence[str]:
    return [getattr(kind, "name", str(kind)) for kind in inputs.input_types()]


def _features(
    columns: _Columns,
    categorical: Sequence[str | int],
    ours: Mapping[str, Any],
    notes: list[str],
) -> tuple[Feature, ...]:
    if ours:
        return tuple(Feature.model_validate(said) for said in ours["features"])
    names = list(columns.types)
    codes = {names[at] if isinstance(at, int) and at < len(names) else at for at in categorical}
    features, unusable = [], []
    for name, type_name in columns.types.items():
        kind = "categorical" if name in codes else _KINDS.get(type_name)
        if kind is None:
            unusable.append(name)
        elif kind == "datetime":
            features.append(Feature(name=name, kind=kind, parts=_PARTS))
            notes.append(f"Of the time {name} the parts {', '.join(_PARTS)} are taken.")
        else:
            features.append(Feature(name=name, kind=kind))
    if unusable:
        notes.append(f"Columns of types that no feature has are left out: {', '.join(unusable)}.")
    return tuple(features)


def _task(run: Run, said: RunParameters, ours: Mapping[str, Any], notes: list[str]) -> Task | None:
    if ours.get("task") in get_args(Task):
        task: Task = ours["task"]
        return task
    if said.task is not None:
        return said.task
    if run.data.tags.get("estimator_class", "").endswith("Regressor"):
        return "regression"
    notes.append("The run does not show its task; give it with --task.")
    return None


def _lineage(run: Run, experiment: str, dataset: Dataset | None) -> dict[str, str]:
    outputs = run.outputs.model_outputs if run.outputs else []
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    said = {
        "run_id": run.info.run_id,
        "experiment": experiment,
        "run_name": run.info.run_name,
        "started_at": started.isoformat(timespec="milliseconds"),
        "source": run.data.tags.get("mlflow.source.name"),
        "commit": run.data.tags.get("mlflow.source.git.commit"),
        "model_id": outputs[-1].model_id if outputs else None,
        "dataset": dataset.name if dataset is not None else None,
        "dataset_digest": dataset.digest if dataset is not None else None,
    }
    return {key: str(found) for key, found in said.items() if found}
