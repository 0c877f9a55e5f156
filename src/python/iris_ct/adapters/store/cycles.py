"""Training cycles; the database lets at most one be open per model, whoever asks."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.canonical import canonical_json
from iris_ct.core.cycle import Cycle, CycleState, Trigger
from iris_ct.core.errors import StoreError
from iris_ct.ports import SpentRows

_C, _T, _S = tables.cycle, tables.trigger, tables.spent_rows
_OPEN = 0


class SqlCycles:
    """`ports.CycleStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_or_join(self, trigger: Trigger, *, spec_digest: str) -> tuple[Cycle, bool]:
        """Open a cycle, or join the open one; tell whether it was opened by this trigger.

        A trigger that is recorded already gives its cycle again, open or closed.
        """
        with self._database.writing(trigger.model) as connection:
            known = connection.execute(
                sa.select(_T.c.cycle_id, _T.c.place).where(_T.c.trigger_id == trigger.trigger_id)
            ).one_or_none()
            if known is not None:
                return self.get(known.cycle_id), known.place == 0
            cycle_id = connection.scalar(
                sa.select(_C.c.cycle_id).where(
                    _C.c.model == trigger.model, _C.c.open_slot == _OPEN
                )
            )
            opens = cycle_id is None
            if cycle_id is None:
                cycle_id = _open(connection, trigger, spec_digest)
            _add_trigger(connection, trigger, cycle_id)
            return self.get(cycle_id), opens

    def get(self, cycle_id: str) -> Cycle:
        """Give one cycle; `StoreError` if there is none."""
        found = self._select(_C.c.cycle_id == cycle_id)
        if not found:
            raise StoreError(f"There is no cycle {cycle_id} in this store.")
        return found[0]

    def open_cycle(self, model: str) -> Cycle | None:
        """Give the open cycle."""
        found = self._select(_C.c.model == model, _C.c.open_slot == _OPEN)
        return found[0] if found else None

    def cycles(self, model: str) -> list[Cycle]:
        """List the cycles, oldest first."""
        return self._select(_C.c.model == model)

    def cut_at(self, cycle_id: str, as_of_seq: int) -> Cycle:
        """Fix which arrivals the cycle sees; the first value stays."""
        return self._change(cycle_id, _C.c.as_of_seq.is_(None), as_of_seq=as_of_seq)

    def accept_reused(self, cycle_id: str) -> None:
        """Note that a person allows promotion on spent rows."""
        self._change(cycle_id, accept_reused=1)

    def close(self, cycle_id: str, state: CycleState, *, at: datetime) -> Cycle:
        """Close it; the first state stays."""
        if state == "open":
            raise StoreError(f"Cycle {cycle_id} cannot be closed as open.")
        return self._change(
            cycle_id, _C.c.open_slot == _OPEN, state=state, closed_at=at, open_slot=_C.c.seq
        )

    def spend(self, model: str, spent: SpentRows) -> None:
        """Record the holdout rows of a gate; the first record of a cycle stays."""
        with self._database.writing(model) as connection:
            known = sa.select(_S.c.cycle_id).where(_S.c.cycle_id == spent.cycle_id)
            if connection.scalar(known) is None:
                connection.execute(
                    sa.insert(_S).values(
                        cycle_id=spent.cycle_id,
                        model=model,
                        first_position=spent.first_position,
                        last_position=spent.last_position,
                        n_rows=spent.n_rows,
                    )
                )

    def spent(self, model: str) -> list[SpentRows]:
        """List all rows spent in gates, by position."""
        wanted = (
            sa.select(_S.c.cycle_id, _S.c.first_position, _S.c.last_position, _S.c.n_rows)
            .where(_S.c.model == model)
            .order_by(_S.c.first_position, _S.c.cycle_id)
        )
        with self._database.reading() as connection:
            return [SpentRows(**row._mapping) for row in connection.execute(wanted)]

    def _change(self, cycle_id: str, *conditions: sa.ColumnElement[bool], **to: Any) -> Cycle:
        with self._database.begin() as connection:
            connection.execute(
                sa.update(_C).where(_C.c.cycle_id == cycle_id, *conditions).values(**to)
            )
            return self.get(cycle_id)

    def _select(self, *conditions: sa.ColumnElement[bool]) -> list[Cycle]:
        triggers = (
            sa.select(_T)
            .join(_C, _C.c.cycle_id == _T.c.cycle_id)
            .where(*conditions)
            .order_by(_T.c.place)
        )
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(_C).where(*conditions).order_by(_C.c.seq)).all()
            joined: dict[str, list[Trigger]] = {}
            for row in connection.execute(triggers):
                joined.setdefault(row.cycle_id, []).append(_trigger(row))
        return [_cycle(row, tuple(joined.get(row.cycle_id, ()))) for row in rows]


def _open(connection: sa.Connection, trigger: Trigger, spec_digest: str) -> str:
    newest = connection.scalar(sa.select(sa.func.max(_C.c.seq)).where(_C.c.model == trigger.model))
    seq = (newest or 0) + 1
    cycle_id = f"{trigger.model}-cycle-{seq:05d}"
    connection.execute(
        sa.insert(_C).values(
            cycle_id=cycle_id,
            model=trigger.model,
            seq=seq,
            open_slot=_OPEN,
            state="open",
            spec_digest=spec_digest,
            opened_at=trigger.asked_at,
            event_now=trigger.event_now,
            accept_reused=0,
        )
    )
    return cycle_id


def _add_trigger(connection: sa.Connection, trigger: Trigger, cycle_id: str) -> None:
    n_joined = connection.scalar(
        sa.select(sa.func.count()).select_from(_T).where(_T.c.cycle_id == cycle_id)
    )
    connection.execute(
        sa.insert(_T).values(
            trigger_id=trigger.trigger_id,
            cycle_id=cycle_id,
            place=n_joined,
            model=trigger.model,
            reason=trigger.reason,
            actor=trigger.actor,
            event_now=trigger.event_now,
            asked_at=trigger.asked_at,
            facts=canonical_json(dict(trigger.facts)),
        )
    )


def _trigger(row: Any) -> Trigger:
    return Trigger(
        trigger_id=row.trigger_id,
        model=row.model,
        reason=row.reason,
        actor=row.actor,
        event_now=row.event_now,
        asked_at=row.asked_at,
        facts=json.loads(row.facts),
    )


def _cycle(row: Any, triggers: tuple[Trigger, ...]) -> Cycle:
    return Cycle(
        cycle_id=row.cycle_id,
        model=row.model,
        seq=row.seq,
        state=row.state,
        spec_digest=row.spec_digest,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        event_now=row.event_now,
        as_of_seq=row.as_of_seq,
        accept_reused=bool(row.accept_reused),
        triggers=triggers,
    )
