"""A person's promotion: a kept version serves, and the record says who and why."""

from __future__ import annotations

from iris_ct.core.audit import Severity
from iris_ct.core.decision import Decision
from iris_ct.core.errors import DataError, ModelVersionNotFoundError
from iris_ct.core.model_version import Champion, ModelVersion
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.flow.reference import save_reference
from iris_ct.ports import Clock, Store


def promote(
    model: str,
    version: int,
    *,
    request_id: str,
    actor: str,
    reason: str,
    store: Store,
    clock: Clock,
) -> Champion:
    """Let a kept version serve, for example a challenger that the gate held.

    Its training window becomes the reference of drift, as after every promotion.

    Raises
    ------
    ModelVersionNotFoundError
        If there is no such version, or it serves already.
    DataError
        If no reason is given: it is all that a later reader has.
    """
    identifier = decision_id("appointment", model, request_id)
    history = store.models.champions(model)
    if done := next((c for c in history if c.decision_id == identifier), None):
        return done
    kept = promotable(model, version, reason=reason, store=store)
    serving = history[-1].version if history else None
    files = store.models.files(kept)
    gate = store.decisions.get(decision_id("gate", model, kept.cycle_id))
    at, event_now = clock.now(), store.batches.newest_position(model)
    instead = f" instead of {serving}" if serving else ""
    text = f"version {version} serves{instead}: {reason}"
    with store.transactions.begin():
        store.decisions.record(
            Decision(
                decision_id=identifier,
                model=model,
                kind="appointment",
                outcome="appointed",
                reason=text,
                cycle_id=kept.cycle_id,
                actor=actor,
                rule="a person decides, whatever the gate said; the files of the version must be "
                "whole",
                event_now=event_now,
                decided_at=at,
                inputs={
                    "from_version": serving,
                    "to_version": version,
                    "files": files.name,
                    "gate": gate.decision_id if gate else None,
                    "gate_outcome": gate.outcome if gate else None,
                },
                numbers={},
                thresholds={},
            )
        )
        champion = store.models.appoint(
            model,
            version,
            decision_id=identifier,
            actor=actor,
            at=at,
            since_position=event_now,
        )
        cycle = store.cycles.get(kept.cycle_id)
        save_reference(kept, as_of_seq=cycle.as_of_seq or 0, store=store)
        store.audit.record(
            audit_event(
                model,
                "Promotion",
                identifier,
                text,
                at=at,
                severity=Severity.WARNING,
                facts={"actor": actor, "version": version, "decision": identifier},
            )
        )
    return champion


def promotable(model: str, version: int, *, reason: str, store: Store) -> ModelVersion:
    """Give the version that is to serve, if it may; errors as of `promote`."""
    if not reason.strip():
        raise DataError("A promotion by a person needs a reason; it stands in the record.")
    kept = store.models.get(model, version)
    champion = store.models.champion(model)
    if champion is not None and champion.version == version:
        raise ModelVersionNotFoundError(
            f"Version {version} of '{model}' serves already. See 'ct history {model}'."
        )
    return kept
