"""Small histories of arrivals, written into a store row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from iris_ct.adapters.store import SqlStore
from iris_ct.core.cycle import Trigger
from iris_ct.core.dataset.batch import Batch
from iris_ct.core.decision import Decision
from iris_ct.core.model_version import ModelVersion, Recipe
from iris_ct.core.specification import Specification, parse_specification

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HORIZON = 10**9


def specification(**changes: Any) -> Specification:
    """Make a keyed regression model with the numeric feature ``x``."""
    content: dict[str, Any] = {
        "name": "bikes",
        "task": "regression",
        "target": "y",
        "key": ["k"],
        "event_time": "t",
        "features": {"x": "numeric"},
    }
    return parse_specification({**content, **changes}, source="models/bikes.toml")


def unkeyed(**changes: Any) -> Specification:
    """Make the same model without key columns."""
    return specification(**{"key": [], **changes})


@dataclass(frozen=True)
class Row:
    """One row: key, event position, target, and features by name."""

    key: str
    position: int
    y: Any = None
    features: Mapping[str, Any] | None = None


def frame_of(spec: Specification, rows: Sequence[Row], first_row: int) -> pl.DataFrame:
    """Make the frame that the ingest step would write."""
    types: dict[str, Any] = {
        "numeric": pl.Float64,
        "categorical": pl.String,
        "boolean": pl.Boolean,
        "datetime": pl.Datetime("us", "UTC"),
    }
    columns: dict[str, pl.Series] = {
        "_row": pl.Series(range(first_row, first_row + len(rows)), dtype=pl.Int64),
        "_position": pl.Series([row.position for row in rows], dtype=pl.Int64),
        "_key": pl.Series([row.key for row in rows], dtype=pl.String),
    }
    for feature in spec.features:
        said = [(row.features or {}).get(feature.name) for row in rows]
        columns[feature.name] = pl.Series(said, dtype=types[feature.kind])
    if spec.group is not None and spec.group not in columns:
        said = [(row.features or {}).get(spec.group) for row in rows]
        columns[spec.group] = pl.Series(said, dtype=pl.String)
    target = pl.Float64 if spec.task == "regression" else pl.String
    columns[spec.target] = pl.Series([row.y for row in rows], dtype=target)
    return pl.DataFrame(columns)


def add_rows(
    store: SqlStore,
    spec: Specification,
    rows: Sequence[Row],
    *,
    at: datetime = NOON,
    summary: bytes | None = None,
) -> Batch:
    """Let rows arrive as one batch."""
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame_of(spec, rows, writer.first_row))
        return writer.commit(
            fingerprint=f"rows-{writer.seq}",
            source=f"{writer.seq}.csv",
            state="stored",
            n_labelled=sum(row.y is not None for row in rows),
            arrived_at=at,
            summary=summary,
        )


def add_labels(
    store: SqlStore, spec: Specification, labels: Sequence[tuple[str, Any]], *, at: datetime = NOON
) -> Batch:
    """Let labels arrive as one file."""
    target = pl.Float64 if spec.task == "regression" else pl.String
    with store.batches.writer(spec, "labels") as writer:
        writer.write_rows(
            pl.DataFrame(
                {
                    "_key": pl.Series([key for key, _ in labels], dtype=pl.String),
                    spec.target: pl.Series([y for _, y in labels], dtype=target),
                }
            )
        )
        return writer.commit(
            fingerprint=f"labels-{writer.seq}",
            source=f"{writer.seq}.csv",
            state="stored",
            n_labelled=len(labels),
            arrived_at=at,
        )


def add_quarantined(
    store: SqlStore, spec: Specification, reasons: Sequence[Sequence[str]], *, at: datetime = NOON
) -> Batch:
    """Let a batch arrive that is held back as a whole."""
    with store.batches.writer(spec, "rows") as writer:
        writer.write_quarantined(held_frame(reasons))
        return writer.commit(
            fingerprint=f"held-{writer.seq}",
            source="bad.csv",
            state="quarantined",
            n_labelled=0,
            arrived_at=at,
        )


def held_frame(reasons: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Make a frame of rows held back."""
    return pl.DataFrame(
        {
            "_place": pl.Series(range(1, len(reasons) + 1), dtype=pl.Int64),
            "_reasons": pl.Series([list(said) for said in reasons], dtype=pl.List(pl.String)),
            "x": pl.Series(["?"] * len(reasons), dtype=pl.String),
        }
    )


def trigger(identifier: str = "t1", *, model: str = "bikes", **changes: Any) -> Trigger:
    """Make a trigger."""
    content: dict[str, Any] = {
        "trigger_id": identifier,
        "model": model,
        "reason": "manual",
        "actor": "anna",
        "event_now": 7,
        "asked_at": NOON,
        "facts": {"rows": 3},
    }
    return Trigger(**{**content, **changes})


def decision(identifier: str, *, model: str = "bikes", **changes: Any) -> Decision:
    """Make a decision."""
    content: dict[str, Any] = {
        "decision_id": identifier,
        "model": model,
        "kind": "gate",
        "outcome": "promote",
        "reason": "better by 3 percent",
        "cycle_id": "bikes-cycle-00001",
        "actor": "anna",
        "rule": "loss change at most",
        "event_now": 7,
        "decided_at": NOON,
        "inputs": {"snapshot": "abc"},
        "numbers": {"loss": 0.1},
        "thresholds": {"margin": 0.02},
        "versions": {"python": "3.11"},
    }
    return Decision(**{**content, **changes})


def version(cycle_id: str = "c1", *, model: str = "bikes", **changes: Any) -> ModelVersion:
    """Make a model version whose number is still open."""
    content: dict[str, Any] = {
        "model": model,
        "version": 0,
        "cycle_id": cycle_id,
        "spec_digest": "s" * 64,
        "recipe": Recipe(digest="r" * 64, window="90d", rounds=120),
        "artifact": "artifacts/bikes/0123",
        "artifact_digest": "a" * 64,
        "refitted": True,
        "fit_from": 100,
        "fit_until": 200,
        "n_rows": 50,
        "snapshot_digest": "d" * 64,
        "metrics": {"mae": 1.5, "rmse": None},
        "holdout_loss": 1.5,
        "trained_at": NOON,
    }
    return ModelVersion(**{**content, **changes})
