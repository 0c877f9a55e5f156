"""What was decided, made, appointed and told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from iris_ct.core.audit import AuditEvent
from iris_ct.core.cycle import Cycle, CycleState, Trigger
from iris_ct.core.decision import Decision
from iris_ct.core.model_version import Champion, ModelVersion


class Transactions(Protocol):
    """Several records, or none of them."""

    def begin(self) -> AbstractContextManager[None]:
        """Open a transaction that all stores of this thread join; nested ones join the outer."""
        ...


@dataclass(frozen=True)
class SpentRows:
    """Holdout rows that a gate has used: positions ``first..last``, and which gate."""

    cycle_id: str
    first_position: int
    last_position: int
    n_rows: int


class CycleStore(Protocol):
    """Training cycles; at most one is open per model, whoever asks."""

    def open_or_join(self, trigger: Trigger, *, spec_digest: str) -> tuple[Cycle, bool]:
        """Open a cycle, or join the open one; tell whether it was opened by this trigger."""
        ...

    def get(self, cycle_id: str) -> Cycle:
        """Give one cycle; `StoreError` if there is none."""
        ...

    def open_cycle(self, model: str) -> Cycle | None:
        """Give the open cycle."""
        ...

    def cycles(self, model: str) -> list[Cycle]:
        """List the cycles, oldest first."""
        ...

    def cut_at(self, cycle_id: str, as_of_seq: int) -> Cycle:
        """Fix which arrivals the cycle sees; the first value stays."""
        ...

    def accept_reused(self, cycle_id: str) -> None:
        """Note that a person allows promotion on spent rows."""
        ...

    def close(self, cycle_id: str, state: CycleState, *, at: datetime) -> Cycle:
        """Close it; the first state stays."""
        ...

    def spend(self, model: str, spent: SpentRows) -> None:
        """Record the holdout rows of a gate."""
        ...

    def spent(self, model: str) -> list[SpentRows]:
        """List all rows spent in gates."""
        ...


class DecisionLog(Protocol):
    """Decisions, chained per model: each record's digest covers the one before."""

    def record(self, decision: Decision) -> Decision:
        """Append it; if its id is there already, give the stored one instead."""
        ...

    def get(self, decision_id: str) -> Decision | None:
        """Give one decision."""
        ...

    def decisions(self, model: str, *, newest: int | None = None) -> list[Decision]:
        """List decisions, oldest first; only the ``newest`` if given."""
        ...

    def verify(self, model: str) -> str | None:
        """Recompute the chain; name the first decision that was changed, or None."""
        ...


class ModelStore(Protocol):
    """Model versions, their files, and who serves."""

    def save_files(self, model: str, files: Mapping[str, bytes]) -> tuple[str, str]:
        """Keep an artefact's files by content; give its directory (relative) and its digest."""
        ...

    def files(self, version: ModelVersion) -> Path:
        """Give the artefact's absolute directory after checking its digest."""
        ...

    def add(self, version: ModelVersion) -> ModelVersion:
        """Keep a version; its number is assigned here unless the cycle already has one."""
        ...

    def get(self, model: str, version: int) -> ModelVersion:
        """Give one version; `ModelVersionNotFoundError` if there is none."""
        ...

    def of_cycle(self, cycle_id: str) -> ModelVersion | None:
        """Give the version that a cycle made."""
        ...

    def versions(self, model: str) -> list[ModelVersion]:
        """List all versions, oldest first."""
        ...

    def champion(self, model: str) -> Champion | None:
        """Give who serves now."""
        ...

    def champions(self, model: str) -> list[Champion]:
        """List who served, oldest first."""
        ...

    def served_at(self, model: str, at: datetime) -> Champion | None:
        """Give who served at a time: whose reign ``[since, next one's since)`` holds it."""
        ...

    def appoint(
        self,
        model: str,
        version: int,
        *,
        decision_id: str,
        actor: str,
        at: datetime,
        since_position: int | None,
    ) -> Champion:
        """Move the alias ``champion`` in one step; once per decision."""
        ...

    def appointments(self) -> int:
        """Give a number that changes with each appointment of a process of this home.

        It costs microseconds, and need not know of appointments by processes of another home.
        """
        ...

    def unregistered(self) -> list[ModelVersion]:
        """List versions that MLflow does not know yet, oldest first."""
        ...

    def mark_registered(
        self, model: str, version: int, *, run_id: str, registry_version: str
    ) -> None:
        """Note what MLflow called it."""
        ...

    def alias_pending(self) -> list[str]:
        """Name models whose alias in MLflow is behind the champion here."""
        ...

    def mark_alias(self, model: str, champion_seq: int) -> None:
        """Note that MLflow's alias has reached that champion."""
        ...


class AuditLog(Protocol):
    """Audit events: committed here once, then written to the console log at least once."""

    def record(self, event: AuditEvent) -> bool:
        """Keep it; tell whether it was new."""
        ...

    def unwritten(self, limit: int = 100) -> list[AuditEvent]:
        """List events that no console log line carries yet, oldest first."""
        ...

    def mark_written(self, event_id: str) -> None:
        """Note that the line was written."""
        ...

    def events(self, model: str | None = None, *, newest: int = 50) -> list[AuditEvent]:
        """List the newest events, oldest of them first."""
        ...


class ConsoleLog(Protocol):
    """Where operators look: IRIS' console log, or files of its form."""

    def write(self, event: AuditEvent) -> None:
        """Write one line."""
        ...
