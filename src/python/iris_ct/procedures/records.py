"""What was decided and what happened: history, decisions in words, audit events."""

from __future__ import annotations

from iris_ct.bootstrap import Parts
from iris_ct.core.decision import Decision
from iris_ct.core.errors import StoreError
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.narration import narrate, say_position
from iris_ct.flow.identify import decision_id
from iris_ct.procedures.door import Answer
from iris_ct.procedures.models import models, specification


def history(parts: Parts, model: str) -> list[Answer]:
    """List who served when and why, oldest first."""
    spec = specification(parts, model)
    rows = []
    for champion in parts.store.models.champions(model):
        version = parts.store.models.get(model, champion.version)
        decision = parts.store.decisions.get(champion.decision_id)
        trigger, verdict = _why(parts, version, decision)
        rows.append(
            {
                "version": champion.version,
                "since": champion.since.isoformat(),
                "since_event": say_position(champion.since_position, spec),
                "actor": champion.actor,
                "window": version.recipe.window,
                "rows": version.n_rows,
                "holdout_loss": version.holdout_loss,
                "metric": parts.store.specifications.get(version.spec_digest).metric,
                "cycle_id": version.cycle_id,
                "trigger": trigger,
                "verdict": verdict,
                "decision": champion.decision_id,
                "reason": decision.reason if decision else "",
                "mlflow_run": version.run_id,
                "mlflow_version": version.registry_version,
            }
        )
    return rows


def decisions(parts: Parts, model: str, *, newest: int | None = 20) -> list[Answer]:
    """List decisions, oldest first."""
    specification(parts, model)
    return [d.content() for d in parts.store.decisions.decisions(model, newest=newest)]


def explain(parts: Parts, subject: str) -> Answer:
    """Say a decision in words: by its id, all of a cycle by its id, or a model's newest gate.

    Returns
    -------
    dict
        ``record``: the canonical record, of a cycle that of its gate; ``words``: lines;
        ``intact``: whether the model's chain of decisions is unbroken; ``broken_at``: the first
        changed decision otherwise.
    """
    told = _find_decisions(parts, subject)
    decision = next((d for d in told if d.kind == "gate"), told[-1])
    spec = parts.store.specifications.newest(decision.model)
    broken = parts.store.decisions.verify(decision.model)
    return {
        "record": decision.content(),
        "digest": decision.digest,
        "words": [line for each in told for line in ("", *narrate(each, spec))][1:],
        "intact": broken is None,
        "broken_at": broken,
    }


def log(parts: Parts, model: str | None = None, *, newest: int = 50) -> list[Answer]:
    """List the newest audit events, oldest of them first."""
    if model is not None:
        specification(parts, model)
    return [
        {
            "event_id": event.event_id,
            "happened_at": event.happened_at.isoformat(),
            "model": event.model,
            "step": event.step,
            "severity": event.severity.name,
            "text": event.text,
            "facts": dict(event.facts),
        }
        for event in parts.store.audit.events(model, newest=newest)
    ]


def _why(parts: Parts, version: ModelVersion, decision: Decision | None) -> tuple[str, str]:
    """Say what began the version's way to the champion, and what was found on it."""
    if decision is not None and decision.kind == "rollback":
        return "rollback", decision.reason
    if decision is not None and decision.kind == "appointment":
        return "manual", decision.reason
    triggers = parts.store.cycles.get(version.cycle_id).triggers
    gate = parts.store.decisions.get(decision_id("gate", version.model, version.cycle_id))
    reasons = dict.fromkeys(trigger.reason for trigger in triggers)
    return ", ".join(reasons), gate.reason if gate else ""


def _find_decisions(parts: Parts, subject: str) -> list[Decision]:
    decision = parts.store.decisions.get(subject)
    if decision is not None:
        return [decision]
    for model in models(parts):
        taken = parts.store.decisions.decisions(model)
        if subject == model and taken:
            gates = [d for d in taken if d.kind in {"gate", "rollback", "appointment"}]
            return (gates or taken)[-1:]
        in_cycle = [d for d in taken if d.cycle_id == subject]
        if in_cycle:
            return in_cycle
    raise StoreError(
        f"No decision, cycle or model with decisions is called '{subject}'. "
        f"Models: {', '.join(models(parts)) or 'none yet'}. 'ct history MODEL --decisions' lists "
        "what was decided."
    )
