"""How many instances each branch of a service gets, from what its processes really use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from iris_ct.control.measure import Use
from iris_ct.core.scaling import STABILISATION_S, Recommendation, recommended, stabilised
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

    def instances(
        self, branch: str, current: int, uses: Sequence[Use], rule: Autoscaling, *, now_s: float
    ) -> int:
        """Give the instances that a branch should have.

        Parameters
        ----------
        branch : str
            Names the branch; each model of a service scales on its own.
        current : int
            Instances that it has.
        uses : sequence of Use
            Of its processes; none changes nothing but the bounds.
        rule : Autoscaling
            Bounds, metric and target.
        """
        if not uses:
            return max(rule.minimum, min(rule.maximum, current))
        measured = [use.cpu if rule.metric == "cpu" else use.memory for use in uses]
        newest = Recommendation(
            now_s,
            recommended(
                len(uses),
                sum(measured) / len(measured),
                rule.target,
                minimum=rule.minimum,
                maximum=rule.maximum,
            ),
        )
        recent = self._recent.setdefault(branch, [])
        wanted = stabilised(current, recent, newest, window_s=self.window_s)
        recent[:] = [one for one in recent if one.at_s > now_s - self.window_s] + [newest]
        return wanted

    def forget(self, branches: Sequence[str]) -> None:
        """Forget every branch but these."""
        self._recent = {name: self._recent[name] for name in branches if name in self._recent}
