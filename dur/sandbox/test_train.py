"""Train on California housing, with MLflow keeping track by two lines. A script, not a test.

    python dur/sandbox/test_train.py

Parameters, metrics, the learning curve, importances and the model are in MLflow afterwards: the
server of MLFLOW_TRACKING_URI, or the embedded store in dur/sandbox/mlflow.
"""

import os
from pathlib import Path

# Before MLflow is imported: no usage reports, no progress bars.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
# Not ten seconds for a child process that guesses what LightGBM requires: MLflow's own list.
os.environ.setdefault("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")

import lightgbm
import mlflow
import pandas as pd

PROJECT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("CT_HOME") or PROJECT / "dur").resolve()
ROWS = PROJECT / "examples" / "california_housing" / "california_housing_8f.csv"
TARGET = "MedHouseVal"
EXPERIMENT = "california_housing"

PARAMETERS = {
    "objective": "regression",
    "metric": ["l1", "l2"],
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 30,
    "num_threads": 2,
    "seed": 7,
    "verbosity": -1,
}
ROUNDS = 200


def use_store() -> str:
    """Point MLflow at the server, or at the embedded store with its files beside it."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    store = HOME / "sandbox" / "mlflow"
    store.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{store / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        files = store / "artifacts" / EXPERIMENT
        mlflow.create_experiment(EXPERIMENT, artifact_location=files.as_uri())
    return uri


def main() -> None:
    """Train one model and say where it is."""
    uri = use_store()
    rows = pd.read_csv(ROWS)
    held_out = rows.sample(frac=0.2, random_state=7)
    rest = rows.drop(held_out.index)

    mlflow.set_experiment(EXPERIMENT)
    mlflow.lightgbm.autolog(silent=True)

    with mlflow.start_run() as run:
        # `ct init --from-run` reads the target here; MLflow itself does not keep its name.
        mlflow.log_param("target", TARGET)
        learn = lightgbm.Dataset(rest.drop(columns=TARGET), rest[TARGET])
        judge = lightgbm.Dataset(held_out.drop(columns=TARGET), held_out[TARGET], reference=learn)
        lightgbm.train(PARAMETERS, learn, ROUNDS, valid_sets=[judge], valid_names=["held_out"])
    error = mlflow.get_run(run.info.run_id).data.metrics["held_out-l1"]
    print(f"run {run.info.run_id}")
    print(f"mean absolute error on {len(held_out)} rows held out: {error:.4f} (100,000 USD)")
    print("next:")
    print(f"  python dur/sandbox/test_load.py {run.info.run_id}")
    print(f"  ct init california --from-run {run.info.run_id}")
    is_server = uri.startswith("http")
    print(f"  open {uri}" if is_server else f"  mlflow ui --backend-store-uri {uri}")


if __name__ == "__main__":
    main()
