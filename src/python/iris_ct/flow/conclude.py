"""gate -> registry: keep the version, appoint it where the gate said so, close the cycle."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.core.audit import Severity
from iris_ct.core.cycle import Cycle, CycleState
from iris_ct.core.decision import Check, Decision
from iris_ct.core.gate.promotion import agree
from iris_ct.core.model_version import Champion, ModelVersion, Recipe
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.predictor import Predictor
from iris_ct.flow.evaluate import holdout_rows
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.flow.reference import save_reference
from iris_ct.ports import Clock, JobFiles, Store, TrainingOutcome

_STATES: dict[str, CycleState] = {"promote": "promoted", "hold": "held", "reject": "rejected"}


@dataclass(frozen=True)
class Conclusion:
    """How a cycle ended; version 0 says that it made none."""

    state: CycleState
    version: int
    newer_arrivals: bool


def conclude(
    cycle_id: str, *, failure: str, store: Store, jobs: JobFiles, clock: Clock
) -> Conclusion:
    """Close a cycle by its gate decision, or as failed; in one transaction.

    Parameters
    ----------
    failure : str
        Why the training ended without a model; empty when it did not fail.
    """
    cycle = store.cycles.get(cycle_id)
    if cycle.state != "open":
        return _concluded(cycle, store)
    if failure:
        return _fail(cycle, failure, store, clock)
    gate = store.decisions.get(decision_id("gate", cycle.model, cycle_id))
    if gate is None:
        raise LookupError(f"Cycle {cycle_id} has no gate decision to conclude by.")
    evaluated = jobs.outcome(cycle.model, cycle_id, "challenger")
    if evaluated is None:
        store.cycles.close(cycle_id, _STATES[gate.outcome], at=clock.now())
        return _concluded(store.cycles.get(cycle_id), store)
    return _keep(cycle, gate, evaluated, store=store, jobs=jobs, clock=clock)


def _fail(cycle: Cycle, failure: str, store: Store, clock: Clock) -> Conclusion:
    state: CycleState = "cancelled" if failure == "cancelled" else "failed"
    with store.transactions.begin():
        store.decisions.record(
            Decision(
                decision_id=decision_id("promotion", cycle.model, cycle.cycle_id),
                model=cycle.model,
                kind="promotion",
                outcome=state,
                reason=failure,
                cycle_id=cycle.cycle_id,
                actor="training",
                rule="a training that ends without a model keeps the champion",
                event_now=store.batches.newest_position(cycle.model, as_of_seq=cycle.as_of_seq),
                decided_at=clock.now(),
                inputs={"spec": cycle.spec_digest},
                numbers={},
                thresholds={},
            )
        )
        store.cycles.close(cycle.cycle_id, state, at=clock.now())
        store.audit.record(
            audit_event(
                cycle.model,
                "Training",
                f"{cycle.cycle_id}:{state}",
                f"the cycle {state}: {failure}"[:300],
                at=clock.now(),
                severity=Severity.WARNING,
            )
        )
    return _concluded(store.cycles.get(cycle.cycle_id), store)


def _concluded(cycle: Cycle, store: Store) -> Conclusion:
    """Say how a closed cycle ended; after a failure nothing follows by itself."""
    made = store.models.of_cycle(cycle.cycle_id)
    newer = store.batches.newest_seq(cycle.model) > (cycle.as_of_seq or 0)
    judged = cycle.state in _STATES.values()
    return Conclusion(cycle.state, made.version if made else 0, newer and judged)


def _keep(
    cycle: Cycle,
    gate: Decision,
    evaluated: TrainingOutcome,
    *,
    store: Store,
    jobs: JobFiles,
    clock: Clock,
) -> Conclusion:
    """Keep what was trained; of a promoted challenger the refitted form if it agrees.

    Nobody is appointed over a champion that the gate has not seen: a person's rollback stands.
    """
    fit, phase, agreement = evaluated, "challenger", None
    refitted = jobs.outcome(cycle.model, cycle.cycle_id, "refit")
    if refitted is not None and gate.outcome == "promote":
        agreement = _agreement(cycle, store, jobs)
        if agreement.passed:
            fit, phase = refitted, "refit"
    artifact, artifact_digest = store.models.save_files(
        cycle.model, jobs.artefact(cycle.model, cycle.cycle_id, phase)
    )
    with store.transactions.begin():
        version = store.models.add(
            _version(cycle, gate, fit, phase, artifact, artifact_digest, store, clock)
        )
        state = _STATES[gate.outcome]
        before = store.models.champion(cycle.model)
        if gate.outcome == "promote" and _judged(gate) != (before.version if before else None):
            _withhold(cycle, gate, version, before, store, clock)
            state = "held"
        elif gate.outcome == "promote":
            _appoint(cycle, gate, version, agreement, store, clock)
        store.cycles.close(cycle.cycle_id, state, at=clock.now())
    return _concluded(store.cycles.get(cycle.cycle_id), store)


def _judged(gate: Decision) -> int | None:
    """Give the version that served when the gate decided."""
    champion = gate.inputs["champion"]
    return champion["version"] if champion else None


def _withhold(
    cycle: Cycle,
    gate: Decision,
    version: ModelVersion,
    before: Champion | None,
    store: Store,
    clock: Clock,
) -> None:
    """Record why a version that passed its gate does not serve."""
    at = clock.now()
    serving = before.version if before else None
    text = (
        f"version {version.version} was judged against version {_judged(gate)}, but meanwhile "
        f"version {serving} serves; nothing is changed"
    )
    identifier = decision_id("promotion", cycle.model, cycle.cycle_id)
    store.decisions.record(
        Decision(
            decision_id=identifier,
            model=cycle.model,
            kind="promotion",
            outcome="held",
            reason=text,
            cycle_id=cycle.cycle_id,
            actor="gate",
            rule="only the champion that the gate has seen is replaced",
            event_now=gate.event_now,
            decided_at=at,
            inputs={"gate": gate.decision_id, "version": version.version, "serving": serving},
            numbers={},
            thresholds={},
        )
    )
    store.audit.record(
        audit_event(
            cycle.model,
            "Promotion",
            cycle.cycle_id,
            text,
            at=at,
            severity=Severity.WARNING,
            facts={"version": version.version, "decision": identifier},
        )
    )


def _agreement(cycle: Cycle, store: Store, jobs: JobFiles) -> Check:
    """Compare what the refitted and the evaluated model say about the holdout."""
    specification = store.specifications.get(cycle.spec_digest)
    files = jobs.artefact(cycle.model, cycle.cycle_id, "refit")
    encoding = FeatureEncoding.from_json(files["encoding.json"].decode())
    refitted = Predictor(files["model.txt"].decode(), encoding, specification)
    rows = holdout_rows(cycle, store, jobs)
    return agree(
        specification=specification,
        rows=rows,
        evaluated=jobs.holdout_predictions(cycle.model, cycle.cycle_id),
        refitted=refitted.predict(rows),
    )


def _version(
    cycle: Cycle,
    gate: Decision,
    fit: TrainingOutcome,
    phase: str,
    artifact: str,
    artifact_digest: str,
    store: Store,
    clock: Clock,
) -> ModelVersion:
    return ModelVersion(
        model=cycle.model,
        version=0,
        cycle_id=cycle.cycle_id,
        spec_digest=cycle.spec_digest,
        recipe=Recipe(fit.recipe_digest, fit.window, fit.rounds),
        artifact=artifact,
        artifact_digest=artifact_digest,
        refitted=phase == "refit",
        fit_from=fit.fit_from,
        fit_until=fit.fit_until,
        n_rows=fit.n_rows,
        snapshot_digest=store.snapshots.get(cycle.cycle_id).digest,
        metrics=gate.numbers.get("challenger") or {},
        holdout_loss=gate.numbers.get("challenger_loss"),
        trained_at=clock.now(),
    )


def _appoint(
    cycle: Cycle,
    gate: Decision,
    version: ModelVersion,
    agreement: Check | None,
    store: Store,
    clock: Clock,
) -> None:
    at = clock.now()
    form = "refitted up to the newest mature row" if version.refitted else "as evaluated"
    if agreement is not None and not agreement.passed:
        form += ", because the refitted form disagrees with it"
    text = f"version {version.version} serves, {form}"
    identifier = decision_id("promotion", cycle.model, cycle.cycle_id)
    before = store.models.champion(cycle.model)
    store.decisions.record(
        Decision(
            decision_id=identifier,
            model=cycle.model,
            kind="promotion",
            outcome="promoted",
            reason=text,
            cycle_id=cycle.cycle_id,
            actor=cycle.triggers[0].actor,
            rule="the judged recipe is refitted with its rounds fixed; it must agree with the "
            "evaluated model, else that one is promoted",
            event_now=gate.event_now,
            decided_at=at,
            inputs={
                "gate": gate.decision_id,
                "version": version.version,
                "artifact": version.artifact_digest,
                "before": before.version if before else None,
            },
            numbers={"rows": version.n_rows, "fit_until": version.fit_until},
            thresholds={},
            checks=(agreement,) if agreement else (),
        )
    )
    store.models.appoint(
        cycle.model,
        version.version,
        decision_id=identifier,
        actor=cycle.triggers[0].actor,
        at=at,
        since_position=gate.event_now,
    )
    save_reference(version, as_of_seq=cycle.as_of_seq or 0, store=store)
    store.audit.record(
        audit_event(
            cycle.model,
            "Promotion",
            cycle.cycle_id,
            text,
            at=at,
            facts={"version": version.version, "decision": identifier},
        )
    )
