"""An MLflow model directory made of the artefact's own bytes: no pickle, nothing inferred.

`mlflow.lightgbm.log_model` would parse the model, write it again and import LightGBM for that;
here the file that serves is copied as it is, so its digest holds in MLflow too.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

MODEL_FILE = "model.lgb"
_REQUIRED = ("mlflow", "lightgbm", "numpy", "pandas", "scipy")


def write_model_directory(
    directory: Path,
    model_text: Path,
    specification: Specification,
    *,
    logged: LoggedModel,
    metadata: Mapping[str, str],
) -> None:
    """Write ``MLmodel``, the model text and its environment into an empty directory.

    Parameters
    ----------
    model_text : Path
        LightGBM's native text; copied byte by byte.
    logged : mlflow.entities.LoggedModel
        The model as MLflow has begun to log it.
    """
    from mlflow.models import Model

    shutil.copyfile(model_text, directory / MODEL_FILE)
    model = Model(
        artifact_path=logged.artifact_location,
        run_id=logged.source_run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=signature_of(specification),
        metadata=dict(metadata),
        model_size_bytes=model_text.stat().st_size,
    )
    model.add_flavor(
        "python_function",
        loader_module="mlflow.lightgbm",
        python_version=platform.python_version(),
        data=MODEL_FILE,
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    )
    model.add_flavor(
        "lightgbm",
        lgb_version=installed_version("lightgbm"),
        data=MODEL_FILE,
        model_class="lightgbm.basic.Booster",
    )
    model.save(str(directory / "MLmodel"))
    for name, text in environment_files().items():
        (directory / name).write_text(text, encoding="utf-8")


def environment_files() -> dict[str, str]:
    """Give the files that say what the model needs: the versions here, given and not inferred.

    The YAML files are written as JSON, which YAML includes.
    """
    pinned = [f"{name}=={installed_version(name)}" for name in _REQUIRED]
    python = platform.python_version()
    virtual = {
        "python": python,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": pinned}],
    }
    return {
        "requirements.txt": "\n".join(pinned) + "\n",
        "python_env.yaml": json.dumps(virtual, indent=2) + "\n",
        "conda.yaml": json.dumps(conda, indent=2) + "\n",
    }


def signature_of(specification: Specification) -> ModelSignature:
    """Give what the logged model takes and gives, from the specification alone.

    The text model sees encoded columns, all float64 with NaN for missing values: a category as
    its code, a boolean as 0 or 1, one column ``<feature>.<part>`` for each part of a datetime.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    columns = [
        column
        for feature in specification.features
        for column in (
            [f"{feature.name}.{part}" for part in feature.parts]
            if feature.parts
            else [feature.name]
        )
    ]
    n_outputs = {"multiclass": (-1, -1)}.get(specification.task, (-1,))
    return ModelSignature(
        inputs=Schema([ColSpec("double", column) for column in columns]),
        outputs=Schema([TensorSpec(np.dtype("float64"), n_outputs)]),
    )
