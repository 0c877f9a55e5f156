"""Seeded rows in any number: 15 numeric and 5 categorical features, some missing, and a target.

With an event time in front and the target at the end a file has 22 columns; a million rows are
about 200 MB of CSV.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

NUMERIC = tuple(f"n{i:02}" for i in range(15))
CATEGORICAL = tuple(f"c{i}" for i in range(5))
TIME, TARGET = "at", "outcome"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 30

_MISSING_SHARE = 0.03
_LEVELS = (3, 8, 20, 60, 200)
_CHUNK_ROWS = 250_000

MODEL_FILE = """
task = "regression"
target = "outcome"
event_time = "at"

[features]
{features}

[drift]
cell = "1d"

[training]
{training}
"""


def model_file(training: str = "") -> str:
    """Give the model file; ``training`` is the content of that table."""
    kinds = [*((n, "numeric") for n in NUMERIC), *((n, "categorical") for n in CATEGORICAL)]
    features = "\n".join(f'{name} = "{kind}"' for name, kind in kinds)
    return MODEL_FILE.format(features=features, training=training)


def rows(
    n: int, *, seed: int = 1, start: datetime = START, days: float = DAYS, shift: float = 0.0
) -> pl.DataFrame:
    """Make rows that follow each other evenly in time.

    ``shift`` moves the first numeric feature by so many of its deviations.
    """
    chunks = [
        _chunk(first, min(_CHUNK_ROWS, n - first), n, seed, start, days, shift)
        for first in range(0, n, _CHUNK_ROWS)
    ]
    return pl.concat(chunks)


def _chunk(
    first: int, n: int, total: int, seed: int, start: datetime, days: float, shift: float
) -> pl.DataFrame:
    rng = np.random.default_rng([seed, first])
    columns: dict[str, pl.Series] = {}
    seconds = np.arange(first, first + n) * (days * 86_400 / total)
    at = np.datetime64(start.replace(tzinfo=None), "ms") + (seconds * 1e3).astype(
        "timedelta64[ms]"
    )
    columns[TIME] = pl.Series(at).dt.strftime("%Y-%m-%d %H:%M:%S")
    signal = np.zeros(n)
    for place, name in enumerate(NUMERIC):
        values = _numbers(place, n, rng) + (shift if place == 0 else 0.0)
        signal += values * (0.5 if place % 3 == 0 else 0.05)
        columns[name] = _with_missing(pl.Series(values.round(5)), rng)
    for levels, name in zip(_LEVELS, CATEGORICAL, strict=True):
        # Some levels are frequent, most are rare.
        codes = (levels * rng.random(n) ** 2).astype(np.int64)
        names = pl.Series([f"level_{code}" for code in range(levels)])
        signal += codes / levels
        columns[name] = _with_missing(names.gather(codes), rng)
    columns[TARGET] = pl.Series((signal + rng.normal(0.0, 0.3, n)).round(5))
    return pl.DataFrame(columns)


def _numbers(
    place: int, n: int, rng: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Draw a feature: in turn a bell, long-tailed, even."""
    if place % 3 == 0:
        return rng.normal(0.0, 1.0, n)
    return rng.lognormal(0.0, 1.0, n) if place % 3 == 1 else rng.random(n) * 100.0


def _with_missing(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    return values.set(pl.Series(rng.random(len(values)) < _MISSING_SHARE), None)


def later(days: float) -> datetime:
    """Give the moment so many days after `START`."""
    return START + timedelta(days=days)


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Write CSV or Parquet, by the name's ending; give the path."""
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path
