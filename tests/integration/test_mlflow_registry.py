"""MLflow when things go wrong: killed between two steps, away, refusing, damaged; and quiet."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.registry.versions import new_model_name, register, version

from iris_ct.adapters.registry.connection import connect
from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.core.errors import RegistryError, RegistryUnavailableError

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]

# Every call that changes something, in its order.
STEPS = (
    "create_experiment",
    "create_run",
    "log_batch",
    "log_inputs",
    "log_artifacts",
    "create_logged_model",
    "log_outputs",
    "log_model_artifacts",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
    "set_terminated",
)


class StoppedError(Exception):
    """The process ended here."""


class StoppingClient:
    """MLflow's client, ending right after one of its calls."""

    def __init__(self, client: Any, last: str, end: Callable[[], None]) -> None:
        self._client, self._last, self._end = client, last, end

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name != self._last:
            return call

        def call_and_end(*args: Any, **kwargs: Any) -> Any:
            made = call(*args, **kwargs)
            self._end()
            return made

        return call_and_end


def ending_after(step: str, end: Callable[[], None]) -> Callable[..., Any]:
    return lambda *args, **named: StoppingClient(connect(*args, **named), step, end)


def stop() -> None:
    raise StoppedError


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test here loads the model."""
    directory = tmp_path_factory.mktemp("artefact")
    (directory / "model.txt").write_text("tree\nversion=v4\n")
    return directory


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('home') / 'sandbox' / 'mlflow' / 'mlflow.db'}"


def assert_one_of_each(uri: str, model: str, run_id: str) -> None:
    client = connect(uri, timeout_s=60)
    run = client.get_run(run_id)
    experiments = [run.info.experiment_id]
    [logged] = client.search_logged_models(experiments)
    [made] = client.search_model_versions(f"name = '{model}'")
    assert [found.info.run_id for found in client.search_runs(experiments)] == [run_id]
    assert (str(logged.status), made.run_id, str(made.version)) == ("READY", run_id, "1")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["mae"] == 0.5
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 1
    assert len(client.get_metric_history(run_id, "validation_loss")) == 3
    files = {found.path for found in client.list_artifacts(run_id)}
    assert files == {"importances.json", "specification.json"}


@pytest.mark.parametrize("step", STEPS)
def test_registration_that_ended_after_any_step_is_finished_by_the_next(
    step: str, embedded: str, artefact: Path
) -> None:
    model = new_model_name()
    stopping = MlflowRegistry(embedded, open_client=ending_after(step, stop))
    with pytest.raises(StoppedError):
        register(stopping, version(model), artefact)
    run_id, name = register(MlflowRegistry(embedded), version(model), artefact)
    assert name == "1"
    assert_one_of_each(embedded, model, run_id)


KILLED = """
import os, signal, sys
from pathlib import Path
from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from tests.contract.registry.versions import register, version
from tests.integration.test_mlflow_registry import ending_after
uri, artefact, model, step = sys.argv[1:]
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
registry = MlflowRegistry(uri, open_client=ending_after(step, kill))
print(*register(registry, version(model), Path(artefact)))
"""


def run_child(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "src" / "python"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("step", ["create_run", "log_model_artifacts", "create_model_version"])
def test_a_killed_registration_is_finished_by_the_next(
    step: str, embedded: str, artefact: Path
) -> None:
    model = new_model_name()
    child = run_child(KILLED, embedded, str(artefact), model, step)
    assert child.returncode == -9, child.stderr
    run_id, name = register(MlflowRegistry(embedded), version(model), artefact)
    assert name == "1"
    assert_one_of_each(embedded, model, run_id)


def test_a_first_registration_prints_nothing_and_leaves_no_directory_behind(
    tmp_path: Path, artefact: Path
) -> None:
    """No banner, no progress bar, no ``mlruns`` where the process happens to run."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    uri = f"sqlite:///{tmp_path / 'sandbox' / 'mlflow' / 'mlflow.db'}"
    child = run_child(KILLED, uri, str(artefact), "quiet", "never", cwd=elsewhere)
    assert (child.returncode, child.stderr) == (0, "")
    run_id, name = child.stdout.split()
    assert (len(run_id), name) == (32, "1")
    assert list(elsewhere.iterdir()) == []
    default = connect(uri, timeout_s=60).get_experiment("0")
    assert default.artifact_location.startswith(str(tmp_path / "sandbox" / "mlflow" / "artifacts"))


def test_a_refusing_port_counts_as_away(artefact: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    registry = MlflowRegistry(f"http://127.0.0.1:{port}", timeout_s=1)
    with pytest.raises(RegistryUnavailableError, match=f"127.0.0.1:{port} does not answer"):
        register(registry, version("loans"), artefact)


def test_a_silent_server_counts_as_away_after_the_timeout(artefact: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        registry = MlflowRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=1)
        with pytest.raises(RegistryUnavailableError, match="does not answer"):
            registry.get_alias("loans", "champion")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives everyone the same answer."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_forbids_refuses() -> None:
    body = b"Invalid Host header - possible DNS rebinding attack detected"
    with answering(403, body) as address, pytest.raises(RegistryError, match=r"403.*Invalid Host"):
        MlflowRegistry(address, timeout_s=5).get_alias("loans", "champion")


def test_a_server_without_its_database_counts_as_away() -> None:
    with (
        answering(503, b"no database") as address,
        pytest.raises(RegistryUnavailableError, match="503"),
    ):
        MlflowRegistry(address, timeout_s=5).get_alias("loans", "champion")


def test_a_damaged_embedded_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(RegistryUnavailableError, match="file is not a database"):
        MlflowRegistry(f"sqlite:///{path}").get_alias("loans", "champion")


@pytest.mark.parametrize("uri", ["postgresql://u:secret@db/mlflow", "/srv/mlruns", "ftp://x"])
def test_an_address_that_is_none_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(RegistryError, match=r"expected http://host:port") as refused:
        MlflowRegistry(uri).get_alias("loans", "champion")
    assert "secret" not in str(refused.value)


def test_a_deleted_experiment_is_told_with_the_way_back(embedded: str, artefact: Path) -> None:
    model = new_model_name()
    registry = MlflowRegistry(embedded)
    run_id, _ = register(registry, version(model), artefact)
    client = connect(embedded, timeout_s=60)
    client.delete_experiment(client.get_run(run_id).info.experiment_id)
    with pytest.raises(RegistryError, match="mlflow experiments restore --experiment-id"):
        register(registry, version(model, 2), artefact)


def test_the_process_keeps_its_own_default_store(
    embedded: str, artefact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children of the process would take the embedded store for a server of the operator's."""
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    register(MlflowRegistry(embedded), version(new_model_name()), artefact)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert mlflow.get_tracking_uri() != embedded
