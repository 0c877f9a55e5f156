"""The sample of a summary: row ordinals drawn by seed, whatever order the rows come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iris_ct.core.drift.binning import Ints

SAMPLE_ROWS = 256
"""Row ordinals that a summary keeps."""


def draw_numbers(rows: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """Give each row ordinal its number in the draw: splitmix64 of ordinal and seed.

    The rows with the smallest numbers are the sample, whatever the order they come in.
    Source: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
    """
    start = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = rows.astype(np.uint64) + np.uint64(start)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


@dataclass(frozen=True)
class Draw:
    """The `SAMPLE_ROWS` rows with the smallest numbers so far, smallest first."""

    numbers: npt.NDArray[np.uint64]
    rows: Ints
    positions: Ints

    @staticmethod
    def empty() -> Draw:
        """Start without rows."""
        none = np.empty(0, dtype=np.int64)
        return Draw(none.astype(np.uint64), none, none)

    def with_rows(self, rows: Ints, positions: Ints, seed: int) -> Draw:
        """Draw again, with more rows to draw from."""
        numbers = draw_numbers(rows, seed)
        if len(self.numbers) == SAMPLE_ROWS:
            chosen = np.flatnonzero(numbers < self.numbers[-1])
            numbers, rows, positions = numbers[chosen], rows[chosen], positions[chosen]
        elif len(numbers) > SAMPLE_ROWS:
            chosen = np.argpartition(numbers, SAMPLE_ROWS)[:SAMPLE_ROWS]
            numbers, rows, positions = numbers[chosen], rows[chosen], positions[chosen]
        numbers = np.concatenate([self.numbers, numbers])
        # No two ordinals have one number, so the order is the same however they came.
        order = np.argsort(numbers)[:SAMPLE_ROWS]
        rows = np.concatenate([self.rows, rows])
        positions = np.concatenate([self.positions, positions])
        return Draw(numbers[order], rows[order], positions[order])


def smallest_rows(rows: Ints, seed: int) -> Ints:
    """Draw the sample of a window from the samples of its batches, whose rows all differ."""
    numbers = draw_numbers(rows, seed)
    if len(rows) > SAMPLE_ROWS:
        chosen = np.argpartition(numbers, SAMPLE_ROWS)[:SAMPLE_ROWS]
        rows, numbers = rows[chosen], numbers[chosen]
    return rows[np.argsort(numbers)]
