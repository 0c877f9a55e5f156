"""`ModelRegistry` on MLflow: one run, one logged model and one version per training cycle."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_ct.adapters.registry.connection import (
    artifact_root,
    as_default,
    connect,
    error_code,
    translated,
)
from iris_ct.adapters.registry.model_files import write_model_directory
from iris_ct.adapters.registry.run_content import CYCLE_TAG, RunContent, run_content
from iris_ct.core.errors import IntegrityError, ModelVersionNotFoundError, RegistryError
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion as RegistryVersion

_EXISTS = {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}

# MLflow takes 1000 metrics and 100 parameters in one call.
_METRICS_PER_CALL = 1000
_PARAMETERS_PER_CALL = 100


class MlflowRegistry:
    """MLflow behind an address: a server, or an embedded store.

    Nothing is opened before the first call. Threads may share one registry; callers see to it
    that one cycle is registered by one caller at a time.

    Parameters
    ----------
    tracking_uri : str
        ``http(s)://host:port``, or ``sqlite:////path/mlflow.db`` for a store that this process
        opens itself; its artefacts are kept beside it in ``artifacts/``.
    experiment_prefix : str, default "ct."
        Runs of the model ``bikes`` are in the experiment ``ct.bikes``, apart from the experiments
        that people make.
    timeout_s : float, default 5
        Seconds one request may take; asked twice before MLflow counts as away.
    open_client : callable
        Opens MLflow's client; tests pass one that breaks off between two steps.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        experiment_prefix: str = "ct.",
        timeout_s: float = 5.0,
        open_client: Callable[..., MlflowClient] = connect,
    ) -> None:
        self.tracking_uri = tracking_uri
        self.experiment_prefix = experiment_prefix
        self.timeout_s = timeout_s
        self._open_client = open_client
        self._opening = threading.Lock()
        self._client: MlflowClient | None = None

    def register(
        self,
        version: ModelVersion,
        specification: Specification,
        *,
        files: Path,
        details: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> tuple[str, str]:
        """Make run and model version once per cycle; give run id and version name.

        Each step looks for what an earlier, interrupted call has left and goes on from there.

        Parameters
        ----------
        files : Path
            Directory with ``model.txt``; nothing else in it is uploaded.
        details : mapping
            Each key may be absent. ``parameters`` (mapping: LightGBM's parameters), ``metrics``
            (mapping: numbers by name; what is no finite number is left out), ``curve`` (list of
            float: validation loss after each round), ``importances`` (mapping: gain by feature),
            ``window`` (str), ``rounds`` (int), ``snapshot`` (mapping: ``digest``, ``rows``,
            ``from``, ``until``), ``verdict`` (mapping: ``outcome``, ``reason``, ``decision_id``).
        tags : mapping
            Tags of run and version besides our own; empty ones are left out.

        Raises
        ------
        RegistryUnavailableError
            If MLflow is away; the same call may succeed later.
        RegistryError
            If MLflow refuses.
        IntegrityError
            If ``model.txt`` is not in ``files``.
        """
        model_text = files / "model.txt"
        if not model_text.is_file():
            raise IntegrityError(
                f"{version.model} version {version.version} has no model.txt in {files}: "
                "expected LightGBM's native text. Restore the artefact directory."
            )
        content = run_content(version, specification, details=details, tags=tags)
        with self._calling() as client:
            experiment_id = self._experiment(client, version.model)
            run_id = self._run(client, experiment_id, version, content)
            made = _find_version(client, version.model, run_id)
            if made is None:
                _log_content(client, run_id, version, content)
                logged = _log_model(
                    client, experiment_id, run_id, version, specification, content, model_text
                )
                with as_default(self.tracking_uri):
                    made = _make_version(client, run_id, version, content, logged)
            _finish_run(client, run_id, version)
            return run_id, str(made.version)

    def set_alias(self, model: str, alias: str, registry_version: str) -> None:
        """Move an alias.

        Raises
        ------
        ModelVersionNotFoundError
            If the registry has no such version.
        """
        with self._calling() as client:
            try:
                client.set_registered_model_alias(model, alias, registry_version)
            except client_error() as error:
                if error_code(error) in _ABSENT:
                    raise ModelVersionNotFoundError(
                        f"MLflow has no version {registry_version} of {model}: the alias {alias} "
                        "stays where it is. Was the version deleted there?"
                    ) from error
                raise

    def get_alias(self, model: str, alias: str) -> str | None:
        """Give the version an alias points at; None without that model or alias."""
        with self._calling() as client:
            try:
                aliases = client.get_registered_model(model).aliases
            except client_error() as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
            found = aliases.get(alias)
            return None if found is None else str(found)

    @contextmanager
    def _calling(self) -> Iterator[MlflowClient]:
        with self._opening:
            if self._client is None:
                self._client = self._open_client(self.tracking_uri, timeout_s=self.timeout_s)
        with translated(self.tracking_uri):
            yield self._client

    def _experiment(self, client: MlflowClient, model: str) -> str:
        name = f"{self.experiment_prefix}{model}"
        found = client.get_experiment_by_name(name)
        if found is None:
            root = artifact_root(self.tracking_uri)
            location = None if root is None else (root / name).as_uri()
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except client_error() as error:
                if error_code(error) not in _EXISTS:
                    raise
            found = client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise RegistryError(
                f"The MLflow experiment '{name}' is deleted. Restore it: "
                f"mlflow experiments restore --experiment-id "
                f"{'ID' if found is None else found.experiment_id}"
            )
        return str(found.experiment_id)

    def _run(
        self,
        client: MlflowClient,
        experiment_id: str,
        version: ModelVersion,
        content: RunContent,
    ) -> str:
        found = client.search_runs(
            [experiment_id],
            filter_string=f"tags.`{CYCLE_TAG}` = '{version.cycle_id}'",
            max_results=1,
            order_by=["attributes.start_time ASC"],
        )
        if found:
            return str(found[0].info.run_id)
        run = client.create_run(
            experiment_id,
            start_time=_milliseconds(version),
            tags=dict(content.tags),
            run_name=content.name,
        )
        return str(run.info.run_id)


def client_error() -> type[Exception]:
    """Give MLflow's error class; MLflow is imported by the first call only."""
    from mlflow.exceptions import MlflowException

    error: type[Exception] = MlflowException
    return error


def _log_content(
    client: MlflowClient, run_id: str, version: ModelVersion, content: RunContent
) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    at = _milliseconds(version)
    metrics = [Metric(key, number, at, step) for key, number, step in content.metrics]
    parameters = [Param(key, said) for key, said in content.parameters.items()]
    # Parameters and the first metrics go together: one call for most runs.
    for place in range(0, max(len(metrics), 1), _METRICS_PER_CALL - _PARAMETERS_PER_CALL):
        client.log_batch(
            run_id,
            metrics=metrics[place : place + _METRICS_PER_CALL - _PARAMETERS_PER_CALL],
            params=parameters[:_PARAMETERS_PER_CALL] if place == 0 else (),
        )
    for place in range(_PARAMETERS_PER_CALL, len(parameters), _PARAMETERS_PER_CALL):
        client.log_batch(run_id, params=parameters[place : place + _PARAMETERS_PER_CALL])
    shown = content.dataset
    dataset = Dataset(
        name=shown.name,
        digest=shown.digest,
        source_type="code",
        source=shown.source,
        schema=shown.schema,
        profile=shown.profile,
    )
    context = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags=[context])])
    with tempfile.TemporaryDirectory(prefix="ct-") as directory:
        for name, text in content.files.items():
            (Path(directory) / name).write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, directory)


def _log_model(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    version: ModelVersion,
    specification: Specification,
    content: RunContent,
    model_text: Path,
) -> LoggedModel:
    from mlflow.entities import LoggedModelOutput

    found = client.search_logged_models(
        [experiment_id], filter_string=f"source_run_id = '{run_id}'", max_results=1
    )
    if found and str(found[0].status) == "READY":
        return found[0]
    logged = (
        found[0]
        if found
        else client.create_logged_model(
            experiment_id,
            name=version.model,
            source_run_id=run_id,
            tags={"ct.artifact_digest": version.artifact_digest},
            params=dict(content.parameters),
            model_type="Booster",
        )
    )
    outputs = client.get_run(run_id).outputs
    if not (outputs and outputs.model_outputs):
        client.log_outputs(run_id, models=[LoggedModelOutput(logged.model_id, step=0)])
    with tempfile.TemporaryDirectory(prefix="ct-") as directory:
        write_model_directory(
            Path(directory),
            model_text,
            specification,
            logged=logged,
            metadata={"ct.artifact_digest": version.artifact_digest},
        )
        client.log_model_artifacts(logged.model_id, directory)
    return client.finalize_logged_model(logged.model_id, "READY")


def _make_version(
    client: MlflowClient,
    run_id: str,
    version: ModelVersion,
    content: RunContent,
    logged: LoggedModel,
) -> RegistryVersion:
    try:
        client.create_registered_model(version.model, tags={"ct.model": version.model})
    except client_error() as error:
        if error_code(error) not in _EXISTS:
            raise
    shown = {key: said for key, said in content.tags.items() if not key.startswith("mlflow.")}
    return client.create_model_version(
        version.model,
        source=f"models:/{logged.model_id}",
        run_id=run_id,
        tags=shown,
        await_creation_for=0,
        model_id=logged.model_id,
    )


def _find_version(client: MlflowClient, model: str, run_id: str) -> RegistryVersion | None:
    found = client.search_model_versions(f"name = '{model}' and run_id = '{run_id}'")
    return min(found, key=lambda made: int(made.version)) if found else None


def _finish_run(client: MlflowClient, run_id: str, version: ModelVersion) -> None:
    if client.get_run(run_id).info.status != "FINISHED":
        client.set_terminated(run_id, "FINISHED", end_time=_milliseconds(version))


def _milliseconds(version: ModelVersion) -> int:
    return int(version.trained_at.timestamp() * 1000)
