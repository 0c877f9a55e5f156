"""The loop against the MLflow of docker-compose.yml, and the end of each of its servers.

One long test on purpose: the servers start once, and each step finds what the step before left.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.contract.registry.versions import new_model_name, register, version
from tests.e2e.homes import MODEL, Home
from tests.factories import day, rentals
from tests.integration.test_mlflow_registry import ending_after
from tests.stack.stack import Stack

from iris_ct import procedures
from iris_ct.adapters.registry.connection import connect
from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.core.errors import RegistryUnavailableError

# A minute on an idle machine, and four beside other work on two cores.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

# Generous: it is waited for conditions, never for time.
_WAIT_S = 240

# Who is killed, in the middle of which step of a registration, and at which level of the target
# a challenger then wins.
ENDS = [
    ("postgres", "create_run", 1.6),
    ("storage", "create_logged_model", 2.4),
    ("mlflow", "log_model_artifacts", 3.6),
]


@pytest.fixture
def stack() -> Iterator[Stack]:
    """PostgreSQL, the S3 server and MLflow, started once for the one test."""
    with Stack() as servers:
        yield servers


@pytest.fixture
def home(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A running home that knows the address of MLflow and no key of the S3 server."""
    for name in os.environ:
        if name.startswith(("AWS_", "MLFLOW_S3_")):
            monkeypatch.delenv(name)
    with Home(
        tmp_path / "dur",
        monkeypatch,
        MLFLOW_TRACKING_URI=stack.address,
        CT_MLFLOW_TIMEOUT_S="3",
    ) as running:
        yield running


def test_the_loop_goes_on_without_each_server_and_mlflow_is_brought_up_to_date_afterwards(
    stack: Stack, home: Home, tmp_path: Path
) -> None:
    only_the_names_of_the_compose_file_are_let_in(stack)
    assert stack.run_bucket_job() == 0, "a second start of the bucket job changes nothing"
    home.first_model()
    everything_is_registered(stack, home, n_versions=1)
    artefact = tmp_path / "artefact"
    artefact.mkdir()
    (artefact / "model.txt").write_text("tree\nversion=v4\n")

    for number, (server, step, level) in enumerate(ENDS, start=2):
        other = new_model_name()
        a_registration_breaks_off(stack, server, step, other, artefact)
        the_health_check_says_so(stack, server)
        decisions_and_predictions_go_on(home, number, level)
        restart(stack, server)
        registry = MlflowRegistry(stack.address, timeout_s=60)
        run_id, name = register(registry, version(other), artefact)
        assert name == "1"
        exactly_one_of_each(stack, other, [run_id])
        everything_is_registered(stack, home, n_versions=number)

    for server, _, _ in ENDS:
        getattr(stack, server).kill()
    for server, _, _ in ENDS:
        restart(stack, server)
    everything_is_registered(stack, home, n_versions=len(ENDS) + 1)


def only_the_names_of_the_compose_file_are_let_in(stack: Stack) -> None:
    """The trap: to a container that calls by another name /health stays green, the API does not."""
    assert stack.run_healthcheck() == 0
    assert stack.status(host="mlflow:5000") == 200
    assert stack.status(host="localhost:5000") == 200
    assert stack.status(host="mlflow.example.org") == 403
    assert stack.status("/health", host="mlflow.example.org") == 200


def the_health_check_says_so(stack: Stack, server: str) -> None:
    """Artefacts are not asked for by the check: without S3 it stays green."""
    assert stack.run_healthcheck() == (0 if server == "storage" else 1)


def a_registration_breaks_off(
    stack: Stack, server: str, step: str, model: str, artefact: Path
) -> None:
    kill = getattr(stack, server).kill
    registry = MlflowRegistry(stack.address, timeout_s=3, open_client=ending_after(step, kill))
    with pytest.raises(RegistryUnavailableError, match="does not answer"):
        register(registry, version(model), artefact)


def restart(stack: Stack, server: str) -> None:
    start: Callable[[], None] = getattr(stack, f"start_{server}")
    start()


def decisions_and_predictions_go_on(home: Home, number: int, level: float) -> None:
    """A cycle is decided and its version serves while the server is down."""
    rows = rentals(day(30 + 20 * (number - 2)), 20, level=level)
    list(procedures.ingest(home.parts, home.door, MODEL, [home.file(rows)], wait=False))
    wait_until(lambda: champion(home)["version"] == number, home)
    out = home.path.parent / f"predicted{number}.csv"
    procedures.predict(home.parts, MODEL, home.file(rows.drop("hires")), out)
    assert set(pl.read_csv(out)["model_version"]) == {number}
    later = f"MLflow is away; version {number} will be registered later"
    events = home.parts.store.audit.events
    wait_until(lambda: later in {event.text for event in events(MODEL)}, home)
    assert champion(home)["mlflow_version"] is None, "MLflow cannot know it yet"


def everything_is_registered(stack: Stack, home: Home, *, n_versions: int) -> None:
    store = home.parts.store.models
    wait_until(lambda: not store.unregistered() and not store.alias_pending(), home)
    versions = store.versions(MODEL)
    assert [made.registry_version for made in versions] == [
        str(number) for number in range(1, n_versions + 1)
    ]
    exactly_one_of_each(stack, MODEL, [str(made.run_id) for made in versions])
    aliased = connect(stack.address, timeout_s=60).get_model_version_by_alias(MODEL, "champion")
    assert str(aliased.version) == champion(home)["mlflow_version"] == str(n_versions)
    stored = {sha256(path) for path in stack.objects.rglob("model.lgb")}
    for made in versions:
        assert sha256(store.files(made) / "model.txt") in stored
    serving = store.files(versions[-1]) / "model.txt"
    assert sha256(read_back(stack, f"models:/{MODEL}@champion")) == sha256(serving)


def read_back(stack: Stack, model_uri: str) -> Path:
    """Fetch a model as a client does, who has the server's address and nothing else."""
    from mlflow.artifacts import download_artifacts

    folder = download_artifacts(
        artifact_uri=model_uri, tracking_uri=stack.address, registry_uri=stack.address
    )
    return Path(folder) / "model.lgb"


def exactly_one_of_each(stack: Stack, model: str, run_ids: list[str]) -> None:
    """One finished run, one logged model and one version for each cycle, whatever broke off."""
    client = connect(stack.address, timeout_s=60)
    experiment = client.get_experiment_by_name(f"ct.{model}")
    assert experiment is not None
    assert experiment.artifact_location.startswith("mlflow-artifacts:/"), "else clients need keys"
    runs = client.search_runs([experiment.experiment_id])
    logged = client.search_logged_models([experiment.experiment_id])
    made = client.search_model_versions(f"name = '{model}'")
    assert sorted(run.info.run_id for run in runs) == sorted(run_ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(str(found.source_run_id) for found in logged) == sorted(run_ids)
    assert {str(found.status) for found in logged} == {"READY"}
    assert sorted(str(found.run_id) for found in made) == sorted(run_ids)


def champion(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = home.status()["champion"]
    return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_until(holds: Callable[[], bool], home: Home) -> None:
    until = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < until, home.status()
        time.sleep(0.1)
