"""Load a model by its run id, and say where the time goes. A script, not a test.

    python dur/sandbox/test_load.py [RUN_ID]

Without a run id the newest run with a model is taken. The model's files are kept in
dur/sandbox/models/<run id>; if they are there, MLflow is neither imported nor asked, and if they
are missing or damaged, they are fetched again.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Before MLflow is imported: no usage reports, no progress bars, and a dead server says so at once.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

PROJECT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("CT_HOME") or PROJECT / "dur").resolve()
COPIES = HOME / "sandbox" / "models"
URI = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{HOME}/sandbox/mlflow/mlflow.db"
# LightGBM's own text; a model of the scikit-learn interface is another file.
MODEL_TEXT = "model.lgb"

seconds: dict[str, float] = {}


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Add the time of a block to a part."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - started


def main() -> None:
    """Load, predict once, and print the parts."""
    run_id = sys.argv[1] if len(sys.argv) > 1 else newest_run()
    kept = COPIES / run_id
    source = "the local copy"
    if not is_whole(kept):
        source = "MLflow"
        fetch(run_id, kept)
    model = parse(kept)
    rows = example_rows(model)
    with timed("first prediction"):
        predicted = model.predict(rows)
    print(f"run {run_id}, from {source}: {len(predicted)} rows predicted")
    total = sum(seconds.values())
    for part, spent in seconds.items():
        print(f"  {part:<24} {spent * 1000:8.1f} ms {spent / total:6.1%}")
    print(f"  {'together':<24} {total * 1000:8.1f} ms")


def newest_run() -> str:
    """Ask MLflow for the newest run with a model; if it is away, take the newest local copy."""
    with timed("import mlflow"):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    try:
        with timed("round trips to MLflow"):
            client = MlflowClient(URI)
            experiments = [found.experiment_id for found in client.search_experiments()]
            runs = client.search_runs(
                experiments, order_by=["attributes.start_time DESC"], max_results=50
            )
        with_model = [run for run in runs if run.outputs and run.outputs.model_outputs]
        if with_model:
            return str(with_model[0].info.run_id)
        sys.exit(f"{URI} has no run with a model: start with dur/sandbox/test_train.py")
    except MlflowException as error:
        copies = sorted(COPIES.glob("*"), key=lambda kept: kept.stat().st_mtime)
        if not copies:
            sys.exit(f"{URI} does not answer, and there is no local copy: {error}")
        print(f"{URI} does not answer; taking the newest local copy")
        return copies[-1].name


def is_whole(kept: Path) -> bool:
    """Tell whether a local copy is there and its text ends as LightGBM ends it."""
    if not (kept / "MLmodel").is_file():
        return False
    text = kept / MODEL_TEXT
    return not text.exists() or b"end of parameters" in text.read_bytes()


def fetch(run_id: str, kept: Path) -> None:
    """Fetch the run's model and keep it; the copy appears whole or not at all."""
    with timed("import mlflow"):
        from mlflow import MlflowClient
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException
    part = kept.with_name(f"{run_id}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with timed("round trips to MLflow"):
            client = MlflowClient(URI)
            run = client.get_run(run_id)
            logged = run.outputs.model_outputs if run.outputs else []
            if not logged:
                sys.exit(f"run {run_id} has no model")
            location = client.get_logged_model(logged[-1].model_id).artifact_location
            download_artifacts(artifact_uri=location, dst_path=str(part), tracking_uri=URI)
    except MlflowException as error:
        sys.exit(f"run {run_id} cannot be fetched from {URI}: {error}")
    [directory] = [found.parent for found in part.rglob("MLmodel")]
    shutil.rmtree(kept, ignore_errors=True)
    directory.rename(kept)
    shutil.rmtree(part, ignore_errors=True)


def parse(kept: Path) -> Any:
    """Load the model from the local copy."""
    text = kept / MODEL_TEXT
    if text.is_file():
        # LightGBM's library alone, as the product serves: `import lightgbm` would take a second
        # or more for pandas and scikit-learn.
        with timed("import the predictor"):
            from iris_ct.core.training.native import NativeBooster
        with timed("parse the model"):
            return NativeBooster(text.read_text(encoding="utf-8"))
    with timed("import mlflow"):
        import mlflow.lightgbm
    with timed("parse the model"):
        return mlflow.lightgbm.load_model(str(kept))


def example_rows(model: Any) -> Any:
    """Give five rows of zeros: what is measured is the call, not the model."""
    import numpy as np

    n_columns = getattr(model, "n_columns", None) or model.n_features_in_
    return np.zeros((5, n_columns))


if __name__ == "__main__":
    main()
