"""Seeded data sets with known behaviour: seed in, rows out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

RENTALS = """
name = "rentals"
task = "regression"
target = "hires"
key = "slot"
event_time = "slot"

[features]
hour = "numeric"
temperature = {{ kind = "numeric", min = -40, max = 60 }}
weather = "categorical"
holiday = "boolean"

[training]
min_rows = 300
rounds = 30
windows = ["30d", "all"]
threads = 1

[gate]
min_holdout_rows = 60
{extra}
"""
"""A model file for `rentals`; format it with ``extra`` lines."""


def rentals(
    start: datetime, days: int, *, seed: int = 1, level: float = 1.0, warmth: float = 0.0
) -> pl.DataFrame:
    """Make hourly rows whose target is known up to noise.

    ``level`` multiplies the target (concept drift), ``warmth`` is added to the temperature
    (data drift). Columns: slot, hour, temperature, weather, holiday, hires.
    """
    rng = np.random.default_rng([seed, start.toordinal(), days])
    n = days * 24
    hour = np.arange(n) % 24
    temperature = 12 + warmth + 8 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 3, n)
    weather = rng.choice(["dry", "rain", "snow"], n, p=[0.7, 0.25, 0.05])
    holiday = rng.random(n) < 0.05
    dry = np.where(weather == "dry", 1.0, 0.6)
    hires = level * dry * (40 + 30 * np.sin((hour - 6) / 24 * 2 * np.pi) + temperature)
    return pl.DataFrame(
        {
            "slot": [(start + timedelta(hours=i)).strftime("%Y-%m-%d %H:%M:%S") for i in range(n)],
            "hour": hour,
            "temperature": temperature.round(2),
            "weather": weather,
            "holiday": holiday,
            "hires": (hires + rng.normal(0, 3, n)).round(1),
        }
    )


def day(number: int) -> datetime:
    """Give the n-th day of the tests' calendar, which begins on 2024-01-01."""
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
