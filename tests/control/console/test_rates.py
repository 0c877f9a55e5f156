"""Live rates and quantiles against hand calculation."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.control.console.gateway import Gateway

from iris_ct.control.console.rates import Gauge, quantile
from iris_ct.control.counts import BranchState, Counts


def all_of(_state: BranchState) -> bool:
    return True


def test_nothing_is_known_before_two_looks(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    assert not Gauge(gateway.board.recent()).is_known
    gateway.second({"a": 5}, bucket=0)
    live = Gauge(gateway.board.recent()).read(all_of)
    assert (live.rate, live.p50_s, live.pids) == (None, None, (101, 102, 103))


def test_a_rate_is_of_the_last_ten_seconds(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for n in range(30):
        gateway.second({"a": 100 if n < 20 else 7}, bucket=1, errors={"a": 1})
    live = Gauge(gateway.board.recent()).read(lambda state: state.branch == "a")
    assert (live.rate, live.errors) == (7.0, 1.0)
    assert Gauge(gateway.board.recent()).read(lambda state: state.branch == "b").rate == 0.0


def test_quantiles_are_of_the_last_minute(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for _ in range(61):
        gateway.second({"a": 10}, bucket=4)
    assert Gauge(gateway.board.recent()).read(all_of).p50_s == float("inf")
    for _ in range(61):
        gateway.second({"a": 9}, bucket=0)
    # Evenly spread between 0 and 1 ms.
    live = Gauge(gateway.board.recent()).read(all_of)
    assert live.p50_s == pytest.approx(0.0005)
    assert live.p99_s == pytest.approx(0.00099)


def test_a_gateway_that_starts_anew_counts_from_nothing(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for _ in range(20):
        gateway.second({"a": 1000}, bucket=0)
    gateway.restart()
    for _ in range(5):
        gateway.second({"a": 4}, bucket=0)
    # What it counts since is all that is known of ten seconds.
    assert Gauge(gateway.board.recent()).read(all_of).rate == 2.0


def test_old_statistics_say_nothing_of_now(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for _ in range(20):
        gateway.second({"a": 1}, bucket=0)
    gateway.now_s += 9.0
    assert Gauge(gateway.board.recent()).read(all_of).rate == 1.0
    gateway.now_s += 2.0
    gauge = Gauge(gateway.board.recent())
    assert (gauge.is_known, gauge.read(all_of).rate) == (False, None)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ((0, 0, 0), 0.5, None),
        ((10, 0, 0), 0.5, 0.05),
        ((5, 5, 0), 0.5, 0.1),
        ((5, 5, 0), 0.9, 0.18),
        ((0, 0, 3), 0.5, float("inf")),
        ((98, 0, 2), 0.99, float("inf")),
    ],
)
def test_a_quantile_lies_inside_its_bucket(
    buckets: tuple[int, ...], share: float, expected: float | None
) -> None:
    """By hand: (0, 0.1] and (0.1, 0.2] seconds, and above."""
    found = quantile(Counts(sum(buckets), 0, (0.1, 0.2), buckets), share)
    assert found == (expected if expected is None else pytest.approx(expected))
