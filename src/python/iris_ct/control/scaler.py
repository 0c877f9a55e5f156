"""How many instances each branch of a service gets, from what its processes really use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from iris_ct.control.measure import Use
from iris_ct.core.scaling import (
    STABILISATION_S,
    TOLERANCE,
    Recommendation,
    recommended,
    stabilised,
)
from iris_ct.core.service import Autoscaling


@dataclass
class Scaler:
    """Remembers what was recommended of late, branch by branch; owned by one thread.

    Parameters
    ----------
    window_s : float
        How long a higher recommendation holds instances back from being taken away.
    """

    window_s: float = STABILISATION_S
    _recent: dict[str, list[Recommendation]] = field(default_factory=dict)
    # What each branch was given last: processes come and go beside that.
    _given: dict[str, int] = field(default_factory=dict)

    def instances(
        self, branch: str, current: int, uses: Sequence[Use], rule: Autoscaling, *, now_s: float
    ) -> int:
        """Give the instances that a branch should have.

        Parameters
        ----------
        branch : str
            Names the branch; each model of a service scales on its own.
        current : int
            Instances that it has, if it was given none before.
        uses : sequence of Use
            Of its processes; none changes nothing but the bounds.
        rule : Autoscaling
            Bounds, metric and target.
        """
        current = self._given.get(branch, current)
        if uses:
            measured = [use.cpu if rule.metric == "cpu" else use.memory for use in uses]
            newest = Recommendation(now_s, _asked_for(current, measured, rule))
            recent = self._recent.setdefault(branch, [])
            current = stabilised(current, recent, newest, window_s=self.window_s)
            recent[:] = [one for one in recent if one.at_s > now_s - self.window_s] + [newest]
        self._given[branch] = max(rule.minimum, min(rule.maximum, current))
        return self._given[branch]

    def forget(self, branches: Sequence[str]) -> None:
        """Forget every branch but these."""
        self._recent = {name: self._recent[name] for name in branches if name in self._recent}
        self._given = {name: self._given[name] for name in branches if name in self._given}


def _asked_for(current: int, measured: Sequence[float], rule: Autoscaling) -> int:
    """Give what the formula asks for, when some instances are not measured.

    They are being started, or have just ended. As in Kubernetes they count as using nothing where
    more are asked for and exactly the target where fewer are, and never turn one into the other.
    """
    ratio = sum(measured) / len(measured) / rule.target
    missing = max(0, current - len(measured))
    values = [*measured, *[rule.target if ratio < 1 else 0.0] * missing]
    average = sum(values) / len(values)
    nearly = abs(1.0 - average / rule.target) <= TOLERANCE
    if nearly or (missing and (ratio < 1) != (average < rule.target)):
        wanted = current
    else:
        wanted = recommended(
            len(values), average, rule.target, minimum=rule.minimum, maximum=rule.maximum
        )
    return max(rule.minimum, min(rule.maximum, wanted))
