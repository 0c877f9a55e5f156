"""How much of a longer work is done at once."""

from __future__ import annotations

# Rows of one transaction: some hundred milliseconds, so that other writers wait no longer.
CHUNK_ROWS = 20_000
# IRIS locks the whole table from the 1,001st changed row of a transaction on (LockThreshold).
IRIS_CHUNK_ROWS = 900


def chunk_rows(*, is_iris: bool) -> int:
    """Give the number of rows that one transaction writes."""
    return IRIS_CHUNK_ROWS if is_iris else CHUNK_ROWS


class Budget:
    """Rows that may still be written or removed; None is without an end."""

    def __init__(self, rows: int | None) -> None:
        self._left = rows

    def spend(self, rows: int) -> None:
        """Note that so many rows were written or removed."""
        if self._left is not None:
            self._left -= rows

    @property
    def is_spent(self) -> bool:
        """Tell whether it is time to stop."""
        return self._left is not None and self._left <= 0
