"""drift -> trigger: is a retraining due, and who opens or joins the cycle."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from iris_ct.core.cycle import Cycle, Trigger
from iris_ct.core.decision import Decision
from iris_ct.core.errors import StoreError
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification
from iris_ct.core.training.recipe import recipe_digest
from iris_ct.core.trigger import RetrainingFacts, Ruling, rule_on_retraining
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, Store


@dataclass(frozen=True)
class Wish:
    """Someone or something asks for a retraining; ``request_id`` names the wish for ever."""

    request_id: str
    kind: str
    actor: str
    batch_id: str = ""
    accept_reused: bool = False
    note: str = ""


@dataclass(frozen=True)
class RetrainingOutcome:
    """What was decided; ``outcome`` is retrain, join or skip."""

    outcome: str
    reason: str
    cycle_id: str
    decision_id: str


def mature_horizon(specification: Specification, event_now: int) -> int:
    """Give the newest position whose label can be trusted."""
    delay = span_length(specification.label_delay) if specification.label_delay else 0
    return event_now - delay


def fresh_after(store: Store, champion: ModelVersion | None, model: str) -> int | None:
    """Give the position after which rows are new to the champion and unspent in any gate."""
    spent = [rows.last_position for rows in store.cycles.spent(model)]
    fitted = [champion.fit_until] if champion else []
    return max((*spent, *fitted), default=None)


def decide_retraining(
    wish: Wish, *, specification: Specification, store: Store, clock: Clock
) -> RetrainingOutcome:
    """Decide, record the decision, and open or join the model's cycle."""
    model = specification.name
    taken = store.decisions.get(decision_id("retrain", model, wish.request_id))
    if taken is not None:
        return _outcome(taken)
    facts, inputs = _gather(wish, specification, store)
    ruling = rule_on_retraining(facts, specification.trigger)
    with store.transactions.begin():
        cycle, outcome = _act(wish, ruling, specification, store, clock)
        decision = _record(
            wish, facts, inputs, ruling, cycle, outcome, specification, store, clock
        )
    return _outcome(decision)


def _gather(
    wish: Wish, specification: Specification, store: Store
) -> tuple[RetrainingFacts, dict[str, Any]]:
    model = specification.name
    as_of_seq = store.batches.newest_seq(model)
    event_now = store.batches.newest_position(model)
    champion = _champion(store, model)
    cycles = [cycle for cycle in store.cycles.cycles(model) if cycle.state != "open"]
    drift = _newest_report(store, model, champion)
    served = drift.get("error") or {}

    def count(after: int | None) -> int:
        if event_now is None:
            return 0
        return store.snapshots.count_labelled(
            specification,
            as_of_seq=as_of_seq,
            after_position=after,
            horizon=mature_horizon(specification, event_now),
        )

    gate = specification.gate
    n_labelled = count(None) if champion is None else 0
    fresh_from = fresh_after(store, champion, model)
    facts = RetrainingFacts(
        wish=wish.kind,
        has_champion=champion is not None,
        recipe_changed=champion is not None
        and champion.recipe.digest != recipe_digest(specification),
        n_labelled=n_labelled,
        n_fresh=n_labelled if fresh_from is None else count(fresh_from),
        n_fresh_needed=math.ceil(gate.min_holdout_rows / gate.holdout_share),
        min_rows=specification.training.min_rows,
        drifted=bool(drift.get("drifted")),
        error_drifted=bool(served.get("drifted")),
        since_last_cycle=_since(cycles, event_now),
        cooldown=span_length(specification.cooldown),
    )
    inputs = {
        "spec": specification.digest,
        "as_of_seq": as_of_seq,
        "batch_id": wish.batch_id or None,
        "champion": champion.version if champion else None,
        "drift_report": drift.get("report_id"),
        "drifted_features": drift.get("drifted_features", []),
    }
    if wish.note:
        inputs["note"] = wish.note
    return facts, inputs


def _champion(store: Store, model: str) -> ModelVersion | None:
    champion = store.models.champion(model)
    return store.models.get(model, champion.version) if champion else None


def _newest_report(store: Store, model: str, champion: ModelVersion | None) -> dict[str, Any]:
    """Give the newest drift report if it is about the serving champion."""
    for text in store.summaries.reports(model):
        report: dict[str, Any] = json.loads(text)
        if champion is not None and report.get("version") == champion.version:
            return report
    return {}


def _since(cycles: list[Cycle], event_now: int | None) -> int | None:
    last = max((c.event_now for c in cycles if c.event_now is not None), default=None)
    return None if last is None or event_now is None else event_now - last


def _act(
    wish: Wish, ruling: Ruling, specification: Specification, store: Store, clock: Clock
) -> tuple[Cycle | None, str]:
    """Open or join the cycle if one is due; a person may only join or open."""
    if not ruling.is_due or ruling.reason is None:
        return None, "skip"
    trigger = Trigger(
        trigger_id=f"{specification.name}:{wish.request_id}",
        model=specification.name,
        reason=ruling.reason,
        actor=wish.actor,
        event_now=store.batches.newest_position(specification.name),
        asked_at=clock.now(),
        facts={"batch_id": wish.batch_id} if wish.batch_id else {},
    )
    cycle, opened = store.cycles.open_or_join(trigger, spec_digest=specification.digest)
    if wish.accept_reused:
        store.cycles.accept_reused(cycle.cycle_id)
    return cycle, "retrain" if opened else "join"


def _record(
    wish: Wish,
    facts: RetrainingFacts,
    inputs: dict[str, Any],
    ruling: Ruling,
    cycle: Cycle | None,
    outcome: str,
    specification: Specification,
    store: Store,
    clock: Clock,
) -> Decision:
    model, at = specification.name, clock.now()
    decision = store.decisions.record(
        Decision(
            decision_id=decision_id("retrain", model, wish.request_id),
            model=model,
            kind="retrain",
            outcome=outcome,
            reason=ruling.text,
            cycle_id=cycle.cycle_id if cycle else None,
            actor=wish.actor,
            rule="a first model needs enough rows; later ones a reason, fresh rows and a passed "
            "cooldown; a person and the clock need no reason",
            event_now=store.batches.newest_position(model),
            decided_at=at,
            inputs=inputs,
            numbers={
                "wish": wish.kind,
                "n_labelled": facts.n_labelled,
                "n_fresh": facts.n_fresh,
                "since_last_cycle": facts.since_last_cycle,
            },
            thresholds={
                "min_rows": facts.min_rows,
                "n_fresh_needed": facts.n_fresh_needed,
                "cooldown": facts.cooldown,
            },
            checks=ruling.checks,
        )
    )
    store.audit.record(
        audit_event(
            model,
            "Trigger",
            decision.decision_id,
            f"{outcome}: {ruling.text}",
            at=at,
            facts={"decision": decision.decision_id, "cycle": decision.cycle_id},
        )
    )
    return decision


def _outcome(decision: Decision) -> RetrainingOutcome:
    if decision.outcome not in {"retrain", "join", "skip"}:
        raise StoreError(f"Decision {decision.decision_id} has the outcome '{decision.outcome}'.")
    return RetrainingOutcome(
        decision.outcome, decision.reason, decision.cycle_id or "", decision.decision_id
    )
