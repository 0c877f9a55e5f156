"""What people do to the champion while the gateway serves, and what became of it."""

from __future__ import annotations

from tests.cli.running import MODEL

from iris_ct.bootstrap import Parts
from iris_ct.flow.promote import promote
from iris_ct.flow.rollback import roll_back


def promote_version_1(parts: Parts) -> None:
    """Let version 1 serve, which passes the stages of a rollout."""
    promote(
        MODEL,
        1,
        request_id="test",
        actor="test",
        reason="test",
        store=parts.store,
        clock=parts.clock,
    )


def step_back(parts: Parts, *, to: int) -> None:
    """Roll back to a version."""
    roll_back(
        MODEL,
        request_id=f"back to {to}",
        version=to,
        actor="eva",
        reason="too high",
        store=parts.store,
        clock=parts.clock,
    )


def rollout_outcomes(parts: Parts) -> list[str]:
    """Give the outcomes of all decisions about rollouts, oldest first."""
    return [d.outcome for d in parts.store.decisions.decisions(MODEL) if d.kind == "rollout"]
