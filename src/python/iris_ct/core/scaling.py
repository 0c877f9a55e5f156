"""Autoscaling: how many instances a model should have, as the Kubernetes autoscaler counts.

The arithmetic is that of the Horizontal Pod Autoscaler [1]_, in the same order of floating-point
operations, so that a recorded trace can be compared number by number. Measuring is not done here.

References
----------
.. [1] Kubernetes documentation, "Horizontal Pod Autoscaling: Algorithm details".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Kubernetes' own defaults.
TOLERANCE = 0.1
STABILISATION_S = 300.0


@dataclass(frozen=True)
class Recommendation:
    """What the formula asked for at one time; ``at_s`` counts on any steady clock."""

    at_s: float
    instances: int


def recommended(
    current: int,
    average: float,
    target: float,
    *,
    minimum: int,
    maximum: int,
    tolerance: float = TOLERANCE,
) -> int:
    """Give the number of instances that brings the average to its target.

    Parameters
    ----------
    current : int
        Instances that were measured, one or more.
    average, target : float
        Mean use of one instance and what it should be, both in millicores or both in MiB.
    minimum, maximum : int
        Bounds of the answer, ``1 <= minimum <= maximum``.
    tolerance : float
        How far the ratio may be from 1 before anything is changed.

    Returns
    -------
    int
        ``ceil(current * average / target)`` within the bounds; ``current`` within the bounds if
        the ratio is near 1.

    Examples
    --------
    >>> recommended(1, 200, 100, minimum=1, maximum=8), recommended(4, 50, 100, minimum=1, maximum=8)
    (2, 2)
    >>> recommended(3, 109, 100, minimum=1, maximum=8), recommended(3, 134, 100, minimum=1, maximum=8)
    (3, 5)
    """
    ratio = average / target
    wanted = current if abs(1.0 - ratio) <= tolerance else math.ceil(ratio * current)
    return max(minimum, min(maximum, wanted))


def stabilised(
    current: int, earlier: Sequence[Recommendation], newest: Recommendation, *, window_s: float
) -> int:
    """Give the number to scale to: up at once, down only to the most asked for of late.

    Parameters
    ----------
    current : int
        Instances now.
    earlier : sequence of Recommendation
        Those before ``newest``, in any order.
    window_s : float
        How long a higher recommendation holds; 0 follows every one.

    Examples
    --------
    >>> before = [Recommendation(0.0, 4), Recommendation(200.0, 2)]
    >>> stabilised(4, before, Recommendation(250.0, 1), window_s=300.0)
    4
    >>> stabilised(4, before, Recommendation(350.0, 1), window_s=300.0)
    2
    """
    if newest.instances >= current:
        return newest.instances
    since = newest.at_s - window_s
    held = max((one.instances for one in earlier if one.at_s > since), default=0)
    return min(current, max(newest.instances, held))
