"""kill -9 at ten points of a cycle: one run, one version, one promotion, each event once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.factories import RENTALS, day, rentals

from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.adapters.store import SqlStore

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
STORE, FLOW = "iris_ct.adapters.store", "iris_ct.flow"
MLFLOW = "iris_ct.adapters.registry.mlflow_registry:MlflowRegistry"

POINTS = [
    f"{STORE}.batch_writer:FileBatchWriter.commit:before",
    "iris_ct.adapters.sources.inbox:Inbox.archive:before",
    f"{FLOW}.decide:decide_retraining:after",
    f"{FLOW}.snapshot:cut_snapshot:after",
    "iris_ct.adapters.training.process_trainer:ProcessTrainer.run:after",
    f"{FLOW}.evaluate:judge_challenger:after",
    f"{STORE}.models:SqlModels.appoint:after",
    f"{FLOW}.conclude:conclude:after",
    f"{MLFLOW}.register:after",
    "iris_ct.adapters.telemetry.console_log:MessagesLog.write:after",
]
MODES = {
    "replay": {"CT_REPLAY": "1"},
    "no replay": {"CT_REPLAY": "0"},
    "processes": {"CT_PROCESSES": "1"},
}


@pytest.fixture(scope="module")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one complete file in its inbox and an empty MLflow store."""
    home = tmp_path_factory.mktemp("fresh") / "dur"
    (home / "models").mkdir(parents=True)
    text = RENTALS.format(extra="").replace("rounds = 30", "rounds = 8")
    (home / "models" / "rentals.toml").write_text(text)
    inbox = home / "inbox" / "rentals"
    inbox.mkdir(parents=True)
    rentals(day(0), 20).write_csv(inbox / "rows.csv")
    (inbox / "rows.csv.done").touch()
    MlflowRegistry(tracking_uri(home)).get_alias("rentals", "champion")
    return home


@pytest.fixture(scope="module")
def undisturbed(fresh_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """The audit events of a cycle that nobody kills, by step."""
    home = tmp_path_factory.mktemp("undisturbed") / "dur"
    shutil.copytree(fresh_home, home)
    assert run(home).returncode == 0
    return Counter(str(event["step"]) for event in read(home)["events"])


def tracking_uri(home: Path) -> str:
    return f"sqlite:///{home / 'sandbox' / 'mlflow' / 'mlflow.db'}"


def run(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the host of a home in a process of its own."""
    path = os.pathsep.join(
        [str(ROOT / "tests" / "e2e" / "killer"), str(ROOT), str(ROOT / "src" / "python")]
    )
    return subprocess.run(
        [sys.executable, "-m", "tests.e2e.running_home"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("CT_")},
            "CT_HOME": str(home),
            "PYTHONPATH": path,
            **environment,
        },
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def read(home: Path) -> dict[str, Any]:
    """Read what a home holds after all."""
    store = SqlStore(f"sqlite:///{home / 'store' / 'ct.db'}", home)
    try:
        return {
            "events": [
                {"id": event.event_id, "step": event.step}
                for event in store.audit.events("rentals", newest=1000)
            ],
            "versions": store.models.versions("rentals"),
            "champions": store.models.champions("rentals"),
            "cycles": store.cycles.cycles("rentals"),
            "rows": store.batches.counts("rentals").rows,
            "broken": store.decisions.verify("rentals"),
        }
    finally:
        store.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_cycle_is_finished_once(
    point: str, mode: str, fresh_home: Path, undisturbed: Counter[str], tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    home, mark = tmp_path / "dur", tmp_path / "killed"
    shutil.copytree(fresh_home, home)
    # In strict mode, every other point kills the item's process alone: the host lives on, starts
    # it again and puts its message back.
    alone = mode == "processes" and POINTS.index(point) % 2 == 1
    killing = {
        "CT_TEST_KILL_AT": point,
        "CT_TEST_KILL_MARK": str(mark),
        "CT_TEST_KILL_HOST": str(int(mode == "processes" and not alone)),
        **MODES[mode],
    }
    first = run(home, **killing)
    assert mark.exists(), f"nobody reached {point}: {first.stderr[-2000:]}"
    assert first.returncode == (0 if alone else -signal.SIGKILL), first.stderr[-2000:]
    second = run(home, **killing)
    assert second.returncode == 0, second.stderr[-2000:]

    kept = read(home)
    assert kept["rows"] == 480
    assert [cycle.state for cycle in kept["cycles"]] == ["promoted"]
    assert [version.version for version in kept["versions"]] == [1]
    assert [champion.version for champion in kept["champions"]] == [1]
    assert kept["broken"] is None
    client = MlflowClient(tracking_uri(home))
    experiments = [client.get_experiment_by_name("ct.rentals")]
    assert experiments[0] is not None
    runs = client.search_runs([experiments[0].experiment_id])
    assert len(runs) == 1
    assert len(client.search_model_versions("name = 'rentals'")) == 1
    assert client.get_model_version_by_alias("rentals", "champion").version in {1, "1"}

    assert Counter(str(event["step"]) for event in kept["events"]) == undisturbed
    lines = (home / "log" / "ct.log").read_text().splitlines()
    written = [json.loads(json.loads(line)["text"])["id"] for line in lines]
    assert set(written) == {event["id"] for event in kept["events"]}
