"""The data scientist's scripts, run as a person runs them, and the way of their run to `ct init`."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from iris_ct.adapters.registry.runs import read_run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def run_script(name: str, *arguments: str, home: Path, uri: str = "") -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "dur" / "sandbox" / name), *arguments],
        cwd=home,
        env={
            **{key: said for key, said in os.environ.items() if not key.startswith("MLFLOW_")},
            **({"MLFLOW_TRACKING_URI": uri} if uri else {}),
            "CT_HOME": str(home),
            "PYTHONPATH": str(ROOT / "src" / "python"),
        },
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run_id(home: Path) -> str:
    said = run_script("test_train.py", home=home)
    found = re.match(r"run ([0-9a-f]{32})\n", said)
    assert found, said
    return found[1]


def test_training_keeps_everything_under_the_home(home: Path, run_id: str) -> None:
    assert {path.name for path in home.iterdir()} == {"sandbox"}
    assert {path.name for path in (home / "sandbox" / "mlflow").iterdir()} >= {
        "mlflow.db",
        "artifacts",
    }


def test_the_newest_run_is_loaded_and_its_files_are_kept(home: Path, run_id: str) -> None:
    said = run_script("test_load.py", home=home)
    assert f"run {run_id}, from MLflow: 5 rows predicted" in said
    assert (home / "sandbox" / "models" / run_id / "model.lgb").is_file()


def test_a_kept_model_is_loaded_without_mlflow(home: Path, run_id: str) -> None:
    run_script("test_load.py", run_id, home=home)
    said = run_script("test_load.py", run_id, home=home, uri="http://127.0.0.1:9")
    assert "from the local copy" in said
    assert "mlflow" not in said
    assert re.search(r"parse the model +\d+\.\d ms", said)


@pytest.mark.parametrize("loss", ["deleted", "damaged"])
def test_a_lost_copy_is_fetched_again(loss: str, home: Path, run_id: str) -> None:
    run_script("test_load.py", run_id, home=home)
    kept = home / "sandbox" / "models" / run_id
    whole = (kept / "model.lgb").read_bytes()
    if loss == "deleted":
        shutil.rmtree(kept)
    else:
        (kept / "model.lgb").write_bytes(whole[:1000])
    assert "from MLflow" in run_script("test_load.py", run_id, home=home)
    assert (kept / "model.lgb").read_bytes() == whole


def test_the_run_becomes_features_target_task_and_parameters(home: Path, run_id: str) -> None:
    uri = f"sqlite:///{home / 'sandbox' / 'mlflow' / 'mlflow.db'}"
    read = read_run(uri, run_id, timeout_s=60)
    assert (read.target, read.task, read.rounds, read.seed) == (
        "MedHouseVal",
        "regression",
        200,
        7,
    )
    assert read.parameters == {"min_data_in_leaf": 30, "objective": "regression"}
    assert [(feature.name, feature.kind) for feature in read.features] == [
        (name, "numeric")
        for name in (
            *("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup"),
            *("Latitude", "Longitude"),
        )
    ]
    assert read.lineage["experiment"] == "california_housing"
    assert Path(read.lineage["source"]).name == "test_train.py"
    assert read.lineage["dataset_digest"]
    assert read.notes == ()


def test_the_scripts_are_no_tests() -> None:
    """The customer named them ``test_*.py``."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not any(
        path.startswith("dur") for path in settings["tool"]["pytest"]["ini_options"]["testpaths"]
    )
