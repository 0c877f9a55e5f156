"""Encoded training rows with a known rule: seed in, table out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from iris_ct.adapters.training.snapshot_table import encode_target
from iris_ct.core.dataset.batch import POSITION, ROW
from iris_ct.core.dataset.split import Split, assign_roles
from iris_ct.core.specification import Specification, Task, parse_specification
from iris_ct.core.training.encoding import learn_encoding
from iris_ct.core.training.table import TrainingTable

HOUR = 3_600_000_000
DAY = 24 * HOUR
COLOURS = ["blue", "green", "red"]


def specification(task: Task = "regression", **said: Any) -> Specification:
    """Give a small specification: size (numeric), heavy (boolean), colour, seen (datetime)."""
    training = {"threads": 1, "rounds": 20, **said.pop("training", {})}
    return parse_specification(
        {
            "name": "parcels",
            "task": task,
            "target": "cost",
            "event_time": "seen",
            "features": {
                "size": "numeric",
                "heavy": "boolean",
                "colour": "categorical",
                "sent": {"kind": "datetime", "parts": ["hour", "weekday"]},
            },
            "training": training,
            **said,
        },
        source="a test",
    )


def parcels(
    n_rows: int, *, task: Task = "regression", seed: int = 1, turn: int | None = None
) -> pl.DataFrame:
    """Make hourly rows, typed as in a snapshot; from row ``turn`` on the rule is reversed."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n_rows)
    heavy = rng.random(n_rows) < 0.5
    colour = rng.choice(COLOURS, n_rows)
    slope = np.where(np.arange(n_rows) < (n_rows if turn is None else turn), 3.0, -3.0)
    cost = slope * size + heavy + 2.0 * (colour == "red") + rng.normal(0, 0.3, n_rows)
    positions = np.arange(n_rows, dtype=np.int64) * HOUR
    return pl.DataFrame(
        {
            ROW: np.arange(n_rows, dtype=np.int64),
            POSITION: positions,
            "size": size,
            "heavy": heavy,
            "colour": colour,
            "sent": pl.Series(positions).cast(pl.Datetime("us", "UTC")),
            "cost": _target(cost, task),
        }
    )


def _target(cost: Any, task: Task) -> Any:
    if task == "regression":
        return cost
    if task == "binary":
        return np.where(cost > 0.0, "yes", "no")
    return np.where(cost > 1.5, "high", np.where(cost < -1.0, "low", "middle"))


def first_split(frame: pl.DataFrame, said: Specification) -> Split:
    """Split rows as for a first model."""
    return assign_roles(frame[POSITION].to_numpy(), fresh_after=None, policy=said.gate, first=True)


def table_of(
    frame: pl.DataFrame,
    said: Specification,
    roles: Any,
    *,
    training: tuple[int, ...] = (1, 2),
) -> TrainingTable:
    """Encode rows in memory."""
    learning = frame.filter(pl.Series(np.isin(roles, training)))
    encoding = learn_encoding(said, [learning])
    return TrainingTable(
        encoding,
        encoding.encode(frame),
        encode_target(frame[said.target], encoding).copy(),
        frame[POSITION].to_numpy(),
        frame[ROW].to_numpy(),
        np.asarray(roles, dtype=np.int8),
    )
