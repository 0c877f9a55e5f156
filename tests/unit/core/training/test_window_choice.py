from __future__ import annotations

from typing import Any

import numpy as np
from tests.training_tables import parcels, specification, table_of

from iris_ct.core.training.window_choice import WindowChoice, choose_window

N = 2000


def choose(
    windows: list[str], *, turn: int | None = None, preferred: str | None = None, **training: Any
) -> WindowChoice:
    """Choose on hourly rows: 1600 train, 400 compare; the rule may turn at a row."""
    said = specification(training={"windows": windows, **training})
    roles = np.r_[np.ones(1600), np.full(400, 2)]
    table = table_of(parcels(N, turn=turn), said, roles)
    return choose_window(table, said, preferred=preferred, on_progress=lambda stage, share: None)


def chosen(choice: WindowChoice) -> list[str]:
    return [c["window"] for c in choice.candidates if c["chosen"]]


def test_after_a_change_the_short_window_wins() -> None:
    found = choose(["20d", "all"], turn=1000, preferred="all")
    assert found.window == "20d"
    assert chosen(found) == ["20d"]
    short = next(c for c in found.candidates if c["window"] == "20d")
    assert short["high"] < 0
    assert short["n_rows"] == 480


def test_without_a_clear_difference_the_champions_window_stays() -> None:
    for preferred in ("60d", "all"):
        assert choose(["60d", "all"], preferred=preferred).window == preferred


def test_windows_with_the_same_rows_are_fitted_once() -> None:
    found = choose(["20d", "365d", "730d", "all"], preferred="365d")
    assert [c["window"] for c in found.candidates] == ["365d", "20d"]
    assert found.candidates[0]["same_as"] == ["all", "730d"]


def test_a_single_window_is_fitted_for_its_rounds() -> None:
    found = choose(["all"])
    assert found.window == "all"
    assert 1 <= found.rounds <= 20
    assert len(found.curve) >= found.rounds


def test_long_windows_are_thinned() -> None:
    found = choose(["all"], window_rows=500)
    assert found.candidates[0]["n_rows"] == 500


def test_a_window_that_the_specification_no_longer_names_is_not_kept() -> None:
    assert choose(["20d", "60d"], preferred="all").window in ("20d", "60d")


def test_without_a_block_the_preferred_or_the_longest_window_is_taken() -> None:
    said = specification(training={"windows": ["20d", "60d"]})
    table = table_of(parcels(N), said, np.ones(N))
    for preferred, expected in (("20d", "20d"), (None, "60d"), ("all", "60d")):
        found = choose_window(
            table, said, preferred=preferred, on_progress=lambda stage, share: None
        )
        assert (found.window, found.rounds) == (expected, 20)
        assert chosen(found) == [expected]
