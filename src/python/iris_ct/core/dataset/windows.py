"""Training windows: which rows a span reaches back to from its anchor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.span import span_length

ALL = "all"
"""The window that reaches back to the oldest row."""


def window_start(window: str, newest: int) -> int | None:
    """Give the smallest event position inside a window that ends at ``newest``.

    Parameters
    ----------
    window : str
        A canonical span, for example ``"90d"`` or ``"5000 rows"``, or ``"all"``.
    newest : int
        Event position of the newest row that belongs to it.

    Returns
    -------
    int or None
        None for ``"all"``.

    Examples
    --------
    >>> window_start("5000 rows", 9_999), window_start("all", 9_999)
    (5000, None)
    """
    return None if window == ALL else newest - span_length(window) + 1


def rows_in_window(
    positions: NDArray[np.int64], allowed: NDArray[np.bool_], window: str
) -> NDArray[np.intp]:
    """Select the allowed rows of a window that is anchored at the newest allowed row.

    Parameters
    ----------
    positions : ndarray of shape (n_rows,)
        Event positions, ascending.
    allowed : ndarray of shape (n_rows,)
        Rows that may train; the newest of them is the anchor.
    window : str
        A canonical span or ``"all"``.

    Returns
    -------
    ndarray of shape (n_selected,)
        Ascending row indices; empty when no row is allowed.
    """
    rows = np.flatnonzero(allowed)
    if rows.size == 0:
        return rows
    start = window_start(window, int(positions[rows[-1]]))
    return rows if start is None else rows[positions[rows] >= start]


def thin_evenly(rows: NDArray[np.intp], at_most: int) -> NDArray[np.intp]:
    """Keep at most so many rows, evenly spaced, always the same ones.

    Examples
    --------
    >>> thin_evenly(np.arange(10), 4).tolist()
    [0, 2, 5, 7]
    """
    if rows.size <= at_most:
        return rows
    return rows[np.arange(at_most) * rows.size // at_most]


def longest_first(windows: tuple[str, ...]) -> list[str]:
    """Order windows from the longest to the shortest."""

    def length(window: str) -> Any:
        return float("inf") if window == ALL else span_length(window)

    return sorted(windows, key=length, reverse=True)
