"""A person's wishes about versions: retrain, cancel a training, roll back, promote."""

from __future__ import annotations

import secrets

from iris_ct.bootstrap import Parts
from iris_ct.core.audit import Severity
from iris_ct.core.errors import StoreError
from iris_ct.flow.identify import audit_event
from iris_ct.flow.promote import promotable
from iris_ct.messages import (
    AppointmentRequested,
    ChampionAppointed,
    RetrainingDecided,
    RetrainingRequested,
    RollbackRequested,
)
from iris_ct.procedures.door import Answer, Door, expect, told
from iris_ct.procedures.models import specification


def retrain(
    parts: Parts, door: Door, model: str, *, wait: bool = True, accept_reused: bool = False
) -> Answer:
    """Ask for a retraining now; a person's wish needs no other reason."""
    specification(parts, model)
    request = RetrainingRequested(
        model,
        f"manual:{secrets.token_hex(8)}",
        "manual",
        parts.settings.who,
        accept_reused=accept_reused,
    )
    reply, session = door.call(request)
    decided = expect(reply, RetrainingDecided)
    if wait:
        door.wait(session)
    seen = told(door, session) if wait else {}
    return {
        "model": model,
        "outcome": decided.outcome,
        "reason": decided.reason,
        "cycle_id": decided.cycle_id or None,
        "decision": decided.decision_id,
        "session": session,
        "cycle": seen.get("cycle"),
        "failure": seen.get("failure"),
    }


def cancel(parts: Parts, model: str) -> Answer:
    """Ask the training under way to stop; the cycle then ends as cancelled.

    The wish is a file beside the cycle's others. The training looks for it at least every second,
    in whatever process it runs, and finds it after a crash too; a cycle that is past its
    training ends as it would have.

    Raises
    ------
    StoreError
        If no cycle of the model is open.
    """
    specification(parts, model)
    cycle = parts.store.cycles.open_cycle(model)
    if cycle is None:
        raise StoreError(f"No training of '{model}' is under way, so there is none to cancel.")
    parts.jobs.ask_to_cancel(model, cycle.cycle_id)
    parts.store.audit.record(
        audit_event(
            model,
            "Training",
            f"{cycle.cycle_id}:cancel",
            f"{parts.settings.who} asked to cancel {cycle.cycle_id}",
            at=parts.clock.now(),
            severity=Severity.WARNING,
        )
    )
    return {"model": model, "cycle_id": cycle.cycle_id, "state": cycle.state}


def cycle_state(parts: Parts, cycle_id: str) -> str:
    """Say how a cycle stands: open, promoted, held, rejected, failed or cancelled."""
    return parts.store.cycles.get(cycle_id).state


def roll_back(
    parts: Parts,
    door: Door,
    model: str,
    *,
    version: int | None = None,
    reason: str = "",
    wait: bool = True,
) -> Answer:
    """Let an earlier version serve again; by default the one before the champion.

    With ``wait``, MLflow and the console log were told as well, as far as they can be.
    """
    specification(parts, model)
    request = RollbackRequested(
        model, f"manual:{secrets.token_hex(8)}", version or 0, parts.settings.who, reason
    )
    return _appointed(door, request, wait=wait)


def promote(
    parts: Parts, door: Door, model: str, *, version: int, reason: str, wait: bool = True
) -> Answer:
    """Let a kept version serve, for example a challenger that the gate held.

    Raises
    ------
    ModelVersionNotFoundError
        If there is no such version, or it serves already.
    DataError
        If no reason is given.
    """
    specification(parts, model)
    # Told at once: as a failed message it would alert an operator.
    promotable(model, version, reason=reason, store=parts.store)
    request = AppointmentRequested(
        model, f"manual:{secrets.token_hex(8)}", version, parts.settings.who, reason
    )
    return _appointed(door, request, wait=wait)


def _appointed(
    door: Door, request: RollbackRequested | AppointmentRequested, *, wait: bool
) -> Answer:
    reply, session = door.call(request)
    if wait:
        door.wait(session)
    appointed = expect(reply, ChampionAppointed)
    return {
        "model": request.model,
        "version": appointed.version,
        "decision": appointed.decision_id,
        "session": session,
    }
