"""Facts that lie in files, shown once more as rows of SQL tables."""

from __future__ import annotations

from typing import Protocol


class Projections(Protocol):
    """Copies of facts as SQL rows, as far as the model's newest specification wants them.

    A copy follows its files and can be made again from them at any time: nothing reads it but
    people and programs that ask in SQL.
    """

    def behind(self) -> list[str]:
        """Name the models whose tables are not yet what files and specification say, sorted."""
        ...

    def bring_up(self, model: str, *, most_rows: int | None = None) -> bool:
        """Add what is missing, remove what is no longer wanted; tell whether nothing is left.

        Works in small transactions and goes on where it was left, by whoever. ``most_rows`` ends
        it after about so many rows.
        """
        ...
