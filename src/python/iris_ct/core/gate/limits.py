"""Absolute limits: what no promoted model may break, whatever the champion does."""

from __future__ import annotations

from collections.abc import Mapping

from iris_ct.core.decision import Check
from iris_ct.core.evaluation.metrics import HIGHER_IS_BETTER
from iris_ct.core.policy import GatePolicy


def check_limits(metrics: Mapping[str, float | None], policy: GatePolicy) -> list[Check]:
    """Check each limit of the policy: an upper one for losses, a lower one for scores.

    A limit on a metric that this task does not have, or that is not defined on this holdout,
    is not passed: a promise that cannot be checked is not kept.
    """
    return [
        _check(name, metrics.get(name), limit) for name, limit in sorted(policy.limits.items())
    ]


def _check(name: str, observed: float | None, limit: float) -> Check:
    lower = name in HIGHER_IS_BETTER
    passed = observed is not None and (observed >= limit if lower else observed <= limit)
    rule = f"{name} at least" if lower else f"{name} at most"
    return Check(f"limit_{name}", observed, limit, passed, rule)
