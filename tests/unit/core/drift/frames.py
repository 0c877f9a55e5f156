"""Small frames of rows and the specification they belong to; seed in, rows out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from iris_ct.core.drift.grid import Grid, learn_grid
from iris_ct.core.drift.summary import Summary, SummaryBuilder
from iris_ct.core.specification import Specification, parse_specification

DAY = 86_400_000_000


def specification(**features: str) -> Specification:
    """A regression on ``y`` with event times; one numeric feature ``x`` unless told otherwise."""
    said = {
        name: {"kind": kind, "parts": ["month"]} if kind == "datetime" else kind
        for name, kind in (features or {"x": "numeric"}).items()
    }
    return parse_specification(
        {"name": "m", "task": "regression", "target": "y", "event_time": "t", "features": said},
        source="models/m.toml",
    )


def rows(
    n: int, *, seed: int = 0, days: int = 30, first_row: int = 0, **columns: Any
) -> pl.DataFrame:
    """Rows in the order of their times, evenly over some days, with standard normal targets."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "_row": np.arange(first_row, first_row + n),
            "_position": np.arange(n) * (days * DAY // max(1, n)),
            **(columns or {"x": rng.normal(size=n)}),
            "y": rng.normal(size=n),
        }
    )


def summarise(
    frame: pl.DataFrame, grid: Grid, *, cell_length: int = DAY, chunk: int | None = None
) -> Summary:
    builder = SummaryBuilder(grid, cell_length=cell_length, seed=7)
    size = chunk or max(1, frame.height)
    for start in range(0, frame.height, size):
        builder.add(frame[start : start + size])
    return builder.build()


def grid_of(frame: pl.DataFrame, **features: str) -> Grid:
    return learn_grid(frame, specification(**features))
