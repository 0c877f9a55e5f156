"""A decision: one canonical JSON record that can be explained and recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from iris_ct.core.canonical import canonical_json, digest

DecisionKind = Literal[
    "specification",
    "ingest",
    "retrain",
    "window",
    "gate",
    "promotion",
    "rollback",
    "appointment",
    "rollout",
]


@dataclass(frozen=True)
class Check:
    """One question of a rule and its answer.

    ``observed`` and ``required`` are numbers or short words; ``rule`` says in words how the two
    are compared, for example ``"relative loss change at most"``.
    """

    name: str
    observed: float | int | str | None
    required: float | int | str | None
    passed: bool
    rule: str = ""

    def content(self) -> dict[str, Any]:
        """Give the check as plain JSON values."""
        return {
            "name": self.name,
            "observed": self.observed,
            "required": self.required,
            "passed": self.passed,
            "rule": self.rule,
        }


@dataclass(frozen=True)
class Decision:
    """What was decided about a model, by whom, on which inputs, by which rule.

    Attributes
    ----------
    decision_id : str
        Deterministic: the same step of the same cycle always has the same id.
    outcome : str
        One word: retrain, skip, join, promote, hold, reject, ... in the words of its kind.
    reason : str
        One short sentence for people; holds no row value.
    inputs : mapping
        What was looked at, by digest or identifier.
    numbers, thresholds : mapping
        What was measured; what was required.
    event_now : int or None
        Newest event position known when it was decided.
    decided_at : datetime
        Wall clock, UTC.
    """

    decision_id: str
    model: str
    kind: DecisionKind
    outcome: str
    reason: str
    cycle_id: str | None
    actor: str
    rule: str
    event_now: int | None
    decided_at: datetime
    inputs: Mapping[str, Any]
    numbers: Mapping[str, Any]
    thresholds: Mapping[str, Any]
    checks: tuple[Check, ...] = ()
    versions: Mapping[str, str] | None = None

    def content(self) -> dict[str, Any]:
        """Give the record as plain JSON values, as it is stored and digested."""
        return {
            "decision_id": self.decision_id,
            "model": self.model,
            "kind": self.kind,
            "outcome": self.outcome,
            "reason": self.reason,
            "cycle_id": self.cycle_id,
            "actor": self.actor,
            "rule": self.rule,
            "event_now": self.event_now,
            "decided_at": self.decided_at.isoformat(),
            "inputs": dict(self.inputs),
            "numbers": dict(self.numbers),
            "thresholds": dict(self.thresholds),
            "checks": [check.content() for check in self.checks],
            "versions": dict(self.versions or {}),
        }

    def to_json(self) -> str:
        """Give the record as canonical JSON."""
        return canonical_json(self.content())

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.content())


def decision_from_content(content: Mapping[str, Any]) -> Decision:
    """Read a stored record back; the inverse of `Decision.content`."""
    fields = dict(content)
    fields["decided_at"] = datetime.fromisoformat(fields["decided_at"])
    fields["checks"] = tuple(Check(**check) for check in fields["checks"])
    return Decision(**fields)
