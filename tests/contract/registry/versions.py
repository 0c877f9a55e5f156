"""Versions to register, each of a cycle and a model of its own unless told otherwise."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iris_ct.adapters.registry.mlflow_registry import MlflowRegistry
from iris_ct.core.model_version import ModelVersion, Recipe
from iris_ct.core.specification import Specification, parse_specification

_numbers = itertools.count(1)

DETAILS: dict[str, Any] = {
    "parameters": {"num_leaves": 7, "objective": "regression_l1", "categorical": [1, 2]},
    "metrics": {"mae": 0.5, "rmse": 0.75, "r2": None, "slices": {"colour=sentinel-slice": 3.0}},
    "curve": [4.0, 2.0, 1.0],
    "importances": {"opened.month": 1.5, "size": 10.0},
    "window": "90d",
    "rounds": 20,
    "snapshot": {"digest": "5" * 64, "rows": 500, "from": 0, "until": 499},
    "verdict": {"outcome": "promote", "reason": "the gain is shown", "decision_id": "gate-1"},
}


def new_model_name() -> str:
    return f"loans_{next(_numbers)}"


def specification(model: str) -> Specification:
    return parse_specification(
        {
            "name": model,
            "task": "regression",
            "target": "amount",
            "features": {
                "size": {"kind": "numeric", "min": -987654.5},
                "colour": {"kind": "categorical", "allowed": ["sentinel-colour"]},
                "opened": {"kind": "datetime", "parts": ["month"]},
            },
        },
        source="a test",
    )


def version(model: str, number: int = 1) -> ModelVersion:
    return ModelVersion(
        model=model,
        version=number,
        cycle_id=f"cycle-{model}-{number}",
        spec_digest="5bec" * 16,
        recipe=Recipe("4ec1" * 16, "90d", 20),
        artifact=f"artifacts/{model}/{number}",
        artifact_digest="a47e" * 16,
        refitted=True,
        fit_from=0,
        fit_until=499,
        n_rows=500,
        snapshot_digest="5" * 64,
        metrics={"mae": 0.5},
        holdout_loss=0.5,
        trained_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    )


def register(registry: MlflowRegistry, made: ModelVersion, artefact: Path) -> tuple[str, str]:
    return registry.register(
        made,
        specification(made.model),
        files=artefact,
        details=DETAILS,
        tags={"ct.previous_champion": "3", "ct.nothing": ""},
    )
