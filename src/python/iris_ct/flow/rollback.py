"""A person's step back: an earlier version serves again, and the record says who and why."""

from __future__ import annotations

from iris_ct.core.audit import Severity
from iris_ct.core.decision import Decision
from iris_ct.core.errors import ModelVersionNotFoundError, NoChampionError
from iris_ct.core.model_version import Champion
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, Store


def roll_back(
    model: str,
    *,
    request_id: str,
    version: int | None,
    actor: str,
    reason: str,
    store: Store,
    clock: Clock,
) -> Champion:
    """Let an earlier version serve again; by default the one before the champion.

    Raises
    ------
    NoChampionError
        If nothing serves.
    ModelVersionNotFoundError
        If there is no such version, or nothing served before the champion.
    """
    identifier = decision_id("rollback", model, request_id)
    history = store.models.champions(model)
    if done := next((c for c in history if c.decision_id == identifier), None):
        return done
    if not history:
        raise NoChampionError(f"Nothing serves '{model}' yet, so there is nothing to roll back.")
    serving = history[-1].version
    target = version or _before(history)
    if target == serving:
        raise ModelVersionNotFoundError(
            f"Version {target} of '{model}' serves already. See 'ct history {model}'."
        )
    files = store.models.files(store.models.get(model, target))
    at = clock.now()
    event_now = store.batches.newest_position(model)
    text = f"version {target} serves again instead of {serving}: {reason or 'no reason given'}"
    with store.transactions.begin():
        store.decisions.record(
            Decision(
                decision_id=identifier,
                model=model,
                kind="rollback",
                outcome="rolled_back",
                reason=text,
                cycle_id=None,
                actor=actor,
                rule="a person decides; the files of the version must be whole",
                event_now=event_now,
                decided_at=at,
                inputs={"from_version": serving, "to_version": target, "files": files.name},
                numbers={},
                thresholds={},
            )
        )
        champion = store.models.appoint(
            model,
            target,
            decision_id=identifier,
            actor=actor,
            at=at,
            since_position=event_now,
        )
        store.audit.record(
            audit_event(
                model,
                "Rollback",
                identifier,
                text,
                at=at,
                severity=Severity.WARNING,
                facts={"actor": actor},
            )
        )
    return champion


def _before(history: list[Champion]) -> int:
    """Find the version that served before the present one."""
    serving = history[-1].version
    for champion in reversed(history[:-1]):
        if champion.version != serving:
            return champion.version
    raise ModelVersionNotFoundError(
        f"Only version {serving} of '{history[-1].model}' has ever served; there is none before it."
    )
