from __future__ import annotations

import numpy as np

from iris_ct.core.dataset.windows import longest_first, rows_in_window, thin_evenly, window_start

DAY = 86_400_000_000


def test_a_row_window_holds_exactly_that_many_neighbouring_rows() -> None:
    rows = rows_in_window(np.arange(100), np.arange(100) < 80, "30 rows")
    assert rows.tolist() == list(range(50, 80))


def test_a_duration_reaches_back_from_the_newest_allowed_row() -> None:
    positions = np.arange(10) * DAY
    rows = rows_in_window(positions, np.arange(10) < 8, "3d")
    assert rows.tolist() == [5, 6, 7]


def test_all_reaches_back_to_the_oldest_row() -> None:
    assert window_start("all", 5) is None
    assert rows_in_window(np.arange(4), np.array([1, 0, 1, 1], bool), "all").tolist() == [0, 2, 3]


def test_no_allowed_row_gives_an_empty_window() -> None:
    assert rows_in_window(np.arange(4), np.zeros(4, bool), "2 rows").size == 0


def test_thinning_keeps_the_first_row_and_even_steps() -> None:
    assert thin_evenly(np.arange(100), 5).tolist() == [0, 20, 40, 60, 80]
    assert thin_evenly(np.arange(3), 5).tolist() == [0, 1, 2]


def test_windows_are_ordered_from_all_to_the_shortest() -> None:
    assert longest_first(("1d", "all", "2w", "20h")) == ["all", "2w", "1d", "20h"]
