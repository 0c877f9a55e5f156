"""What an MLflow run of ours says: parameters, metrics, tags, lineage; numbers, never a row.

Only names, numbers and digests are taken over. Nested metrics (slices, for example, are named by
the values of a column), the allowed values and the bounds of features stay in the store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iris_ct.core.canonical import canonical_json
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.specification import Feature, FeatureKind, Specification

CYCLE_TAG = "ct.cycle_id"

# Lengths that every store and server of MLflow 3 takes.
_PARAMETER_LENGTH = 6000
_TAG_LENGTH = 5000
_DATASET_DIGEST_LENGTH = 36

_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")

_DATASET_TYPES: Mapping[FeatureKind, str] = {
    "numeric": "double",
    "categorical": "string",
    "boolean": "boolean",
    "datetime": "datetime",
}


@dataclass(frozen=True)
class LoggedDataset:
    """The snapshot as MLflow's dataset lineage shows it; JSON texts without a row."""

    name: str
    digest: str
    source: str
    schema: str
    profile: str


@dataclass(frozen=True)
class RunContent:
    """Everything one run holds, apart from the model itself.

    Attributes
    ----------
    metrics : tuple of (name, number, step)
        The curve counts its boosting rounds as steps; everything else is at step 0.
    files : mapping
        JSON texts by file name.
    """

    name: str
    parameters: Mapping[str, str]
    metrics: tuple[tuple[str, float, int], ...]
    tags: Mapping[str, str]
    dataset: LoggedDataset
    files: Mapping[str, str]


def run_content(
    version: ModelVersion,
    specification: Specification,
    *,
    details: Mapping[str, Any],
    tags: Mapping[str, str],
) -> RunContent:
    """Gather what the run of a version says.

    Parameters
    ----------
    details : mapping
        As `iris_ct.adapters.registry.mlflow_registry.MlflowRegistry.register` documents.
    """
    return RunContent(
        name=f"{version.model}-{version.version}",
        parameters=_parameters(version, specification, details),
        metrics=_metrics(version, details),
        tags=_tags(version, details.get("verdict") or {}, tags),
        dataset=_dataset(version, specification, details.get("snapshot") or {}),
        files={
            "importances.json": _importances(details.get("importances") or {}),
            "specification.json": canonical_json(_declared(specification)),
        },
    )


def _parameters(
    version: ModelVersion, specification: Specification, details: Mapping[str, Any]
) -> dict[str, str]:
    said = {
        **(details.get("parameters") or {}),
        "window": details.get("window", version.recipe.window),
        "rounds": details.get("rounds", version.recipe.rounds),
        "refitted": version.refitted,
        "task": specification.task,
    }
    return {_name(key): _text(value)[:_PARAMETER_LENGTH] for key, value in sorted(said.items())}


def _metrics(
    version: ModelVersion, details: Mapping[str, Any]
) -> tuple[tuple[str, float, int], ...]:
    metrics = details.get("metrics") or version.metrics
    numbers = [(_name(key), value, 0) for key, value in sorted(metrics.items())]
    numbers += [("training_rows", version.n_rows, 0), ("holdout_loss", version.holdout_loss, 0)]
    numbers += [
        ("validation_loss", loss, step) for step, loss in enumerate(details.get("curve") or (), 1)
    ]
    unique = {(key, step): number for key, number, step in numbers if _is_number(number)}
    return tuple((key, float(number), step) for (key, step), number in unique.items())


def _tags(
    version: ModelVersion, verdict: Mapping[str, Any], tags: Mapping[str, str]
) -> dict[str, str]:
    ours = {
        CYCLE_TAG: version.cycle_id,
        "ct.version": version.version,
        "ct.spec_digest": version.spec_digest,
        "ct.snapshot_digest": version.snapshot_digest,
        "ct.artifact_digest": version.artifact_digest,
        "ct.artifact": version.artifact,
        "ct.recipe_digest": version.recipe.digest,
        "ct.verdict": verdict.get("outcome", ""),
        "ct.verdict_reason": verdict.get("reason", ""),
        "ct.decision_id": verdict.get("decision_id", ""),
    }
    said = {**ours, **tags, "mlflow.source.name": "iris-ct", "mlflow.source.type": "JOB"}
    return {_name(key): str(value)[:_TAG_LENGTH] for key, value in said.items() if value != ""}


def _dataset(
    version: ModelVersion, specification: Specification, snapshot: Mapping[str, Any]
) -> LoggedDataset:
    digest = str(snapshot.get("digest", version.snapshot_digest))
    columns = [
        {"type": _DATASET_TYPES[f.kind], "name": f.name, "required": not f.nullable}
        for f in specification.features
    ]
    is_number = specification.task == "regression"
    columns.append(
        {
            "type": "double" if is_number else "string",
            "name": specification.target,
            "required": True,
        }
    )
    profile = {
        "num_rows": snapshot.get("rows", version.n_rows),
        "from_position": snapshot.get("from", version.fit_from),
        "until_position": snapshot.get("until", version.fit_until),
    }
    return LoggedDataset(
        name=f"{version.model}-snapshot",
        digest=digest[:_DATASET_DIGEST_LENGTH],
        source=canonical_json({"tags": {"mlflow.source.name": "iris-ct", "snapshot": digest}}),
        schema=canonical_json({"mlflow_colspec": columns}),
        profile=canonical_json(profile),
    )


def _importances(importances: Mapping[str, float]) -> str:
    ranked = sorted(importances.items(), key=lambda item: (-item[1], item[0]))
    return canonical_json([{"feature": name, "gain": float(gain)} for name, gain in ranked])


def _declared(specification: Specification) -> dict[str, Any]:
    """Give the specification without the values and bounds it may have taken from rows."""
    return {
        "name": specification.name,
        "digest": specification.digest,
        "task": specification.task,
        "target": specification.target,
        "key": list(specification.key),
        "event_time": specification.event_time,
        "time_zone": specification.time_zone,
        "group": specification.group,
        "label_delay": specification.label_delay,
        "features": [_declared_feature(feature) for feature in specification.features],
        "training": specification.training.model_dump(mode="json"),
    }


def _declared_feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "kind": feature.kind,
        "nullable": feature.nullable,
        "parts": list(feature.parts),
    }


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def _name(text: str) -> str:
    return _NOT_IN_NAMES.sub("_", str(text))[:250]


def _text(said: Any) -> str:
    return said if isinstance(said, str) else canonical_json(said)
