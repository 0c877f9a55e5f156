"""The autoscaling arithmetic, against numbers of the Kubernetes documentation and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_ct.core.scaling import Recommendation, recommended, stabilised


@pytest.mark.parametrize(
    ("current", "average", "expected"),
    [
        (1, 200, 2),  # Kubernetes' documentation: 200m against 100m doubles,
        (4, 50, 2),  # 50m halves.
        (3, 109, 3),  # Within the tolerance of 0.1.
        (3, 91, 3),
        (3, 134, 5),  # ceil(4.02)
        (2, 0, 1),  # Down to the minimum.
        (5, 1000, 10),  # Up to the maximum.
    ],
)
def test_the_formula_gives_the_documented_numbers(
    current: int, average: float, expected: int
) -> None:
    assert recommended(current, average, 100, minimum=1, maximum=10) == expected


@given(
    current=st.integers(1, 50),
    average=st.floats(0, 1e6),
    target=st.floats(1, 1e4),
    bounds=st.tuples(st.integers(1, 20), st.integers(0, 30)),
)
def test_the_answer_is_the_formula_within_the_bounds(
    current: int, average: float, target: float, bounds: tuple[int, int]
) -> None:
    minimum, maximum = bounds[0], bounds[0] + bounds[1]
    answer = recommended(current, average, target, minimum=minimum, maximum=maximum)
    assert minimum <= answer <= maximum
    if abs(1 - average / target) > 0.1:
        assert answer == min(maximum, max(minimum, math.ceil(average / target * current)))


def test_a_bound_wins_over_the_tolerance() -> None:
    assert recommended(3, 100, 100, minimum=4, maximum=8) == 4
    assert recommended(9, 100, 100, minimum=4, maximum=8) == 8


def test_more_is_given_at_once() -> None:
    held = [Recommendation(0.0, 1)]
    assert stabilised(1, held, Recommendation(1.0, 5), window_s=300.0) == 5


def test_less_waits_for_the_window_of_the_highest_recommendation() -> None:
    held = [Recommendation(0.0, 5), Recommendation(100.0, 3)]
    assert stabilised(5, held, Recommendation(299.0, 1), window_s=300.0) == 5
    assert stabilised(5, held, Recommendation(300.0, 1), window_s=300.0) == 3
    assert stabilised(5, held, Recommendation(400.0, 1), window_s=300.0) == 1


def test_an_old_recommendation_never_adds_instances() -> None:
    held = [Recommendation(0.0, 9)]
    assert stabilised(4, held, Recommendation(1.0, 2), window_s=300.0) == 4


def test_without_a_window_every_recommendation_is_followed() -> None:
    held = [Recommendation(0.0, 5)]
    assert stabilised(5, held, Recommendation(0.5, 1), window_s=0.0) == 1
