"""Instances follow what workers use, and not how they start, end or work for a moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from iris_ct.control.measure import Meter, Use
from iris_ct.control.scaler import Scaler
from iris_ct.core.service import Autoscaling

RULE = Autoscaling(minimum=1, maximum=10, metric="cpu", target=100)


def cpu(*millicores: float) -> list[Use]:
    return [Use(one, 50.0) for one in millicores]


def after(scaler: Scaler, *looks: list[Use], start: int = 3) -> list[int]:
    """Give the instances after each look, half a second apart."""
    return [
        scaler.instances("bikes/a", start, uses, RULE, now_s=number / 2)
        for number, uses in enumerate(looks)
    ]


def test_a_worker_that_is_started_again_takes_no_instance_away() -> None:
    """Kubernetes counts on from the replicas that are wanted, not from those that are there."""
    steady, one_gone = cpu(100, 104, 96), cpu(100, 104)
    assert after(Scaler(), steady, one_gone, one_gone, steady) == [3, 3, 3, 3]
    # So it is without a window, too: the one that is missing counts as it should be used.
    assert after(Scaler(window_s=0), steady, one_gone) == [3, 3]


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        # By hand, as plain_metric_replicas of Kubernetes does it: (250 + 250 + 0) / 300 = 1.67.
        (cpu(250, 250), 5),
        # (115 + 115 + 0) / 300 = 0.77 would be fewer, though those that are there need more.
        (cpu(115, 115), 3),
        # (20 + 20 + 100) / 300 = 0.47
        (cpu(20, 20), 2),
        (cpu(80, 80), 3),
        (cpu(), 3),
    ],
)
def test_those_that_are_not_measured_count_neither_up_nor_down(
    uses: list[Use], expected: int
) -> None:
    assert after(Scaler(window_s=0), uses) == [expected]


def test_those_that_end_are_measured_and_not_counted_on() -> None:
    """After 4 became 2 by a wish, all four answer for a moment: that is no reason to have 4."""
    scaler = Scaler(window_s=0)
    assert after(scaler, cpu(50, 50, 50, 50), start=4) == [2]
    assert after(scaler, cpu(100, 100, 1, 1)) == [3]


def test_bounds_that_were_changed_hold_at_once() -> None:
    scaler = Scaler()
    assert after(scaler, cpu(100, 100, 100)) == [3]
    fewer = Autoscaling(minimum=1, maximum=2, metric="cpu", target=100)
    assert scaler.instances("bikes/a", 3, [], fewer, now_s=5.0) == 2


BUSY = """
import time
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def busy_start() -> Iterator[subprocess.Popen[str]]:
    """A process that needed 0.3 s of a processor to start, and needs no more."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as made:
        yield made
        made.kill()


def test_what_a_process_needs_to_start_is_not_measured(busy_start: subprocess.Popen[str]) -> None:
    meter, pid = Meter(settle_s=15.0, window_s=15.0), busy_start.pid
    assert meter.use([pid], now_s=0.0) == {}
    assert busy_start.stdout is not None
    busy_start.stdout.readline()
    # Averaged over the half second between two looks it would be 600 millicores.
    assert [meter.use([pid], now_s=at) for at in (0.5, 14.9, 15.0)] == [{}] * 3
    assert meter.use([pid], now_s=15.5)[pid].cpu < 100
    assert meter.use([], now_s=16.0) == {}
    assert meter.use([pid], now_s=30.0) == {}


def test_processor_time_is_averaged_over_the_window(busy_start: subprocess.Popen[str]) -> None:
    meter, pid = Meter(settle_s=0.0, window_s=10.0), busy_start.pid
    meter.use([pid], now_s=0.0)
    assert busy_start.stdout is not None
    busy_start.stdout.readline()
    # 0.3 s of work, some of it before the first look: at most 0.31 s in 0.5 s, then in 10 s.
    first = meter.use([pid], now_s=0.5)[pid].cpu
    whole = meter.use([pid], now_s=10.0)[pid].cpu
    assert whole == pytest.approx(first * 0.5 / 10.0, rel=0.2)
    # The window has left it behind.
    assert meter.use([pid], now_s=20.0)[pid].cpu < 10
