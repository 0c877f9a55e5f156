"""A training cycle: one full pass for one trigger, and the triggers that joined it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

TriggerReason = Literal[
    "first_model", "drift", "error", "new_rows", "schedule", "manual", "specification"
]
CycleState = Literal["open", "promoted", "held", "rejected", "failed", "cancelled"]


@dataclass(frozen=True)
class Trigger:
    """Why a retraining was asked for.

    Attributes
    ----------
    trigger_id : str
        Deterministic, so that the same wish said twice counts once.
    event_now : int or None
        Newest event position known then.
    asked_at : datetime
        Wall clock, UTC.
    facts : mapping
        Small numbers behind it, for example the drifted features.
    """

    trigger_id: str
    model: str
    reason: TriggerReason
    actor: str
    event_now: int | None
    asked_at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Cycle:
    """One training cycle of one model; at most one is open per model.

    Attributes
    ----------
    as_of_seq : int or None
        Newest arrival (`Batch.seq`) that its snapshot holds; None until it is cut.
    triggers : tuple of Trigger
        The one that opened it first, then those that joined.
    accept_reused : bool
        A person allowed promotion although the holdout rows were spent before.
    """

    cycle_id: str
    model: str
    seq: int
    state: CycleState
    spec_digest: str
    opened_at: datetime
    closed_at: datetime | None
    event_now: int | None
    as_of_seq: int | None
    accept_reused: bool
    triggers: tuple[Trigger, ...]
