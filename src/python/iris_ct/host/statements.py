"""The statements of the mailbox, built once: building one costs more than SQLite needs to run it.

Plain SQL only: no upsert, no RETURNING, no LIMIT, so that any database can take them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Update, and_, bindparam, exists, func, or_, select, update

from iris_ct.host.records import ENDED, INPUT, QUEUED, REQUEST, RUNNING, SCHEDULED, TIMER, WAITING
from iris_ct.host.tables import message as m

BY_ID = select(m).where(m.c.id == bindparam("message_id"))
STATUS = select(m.c.status).where(m.c.id == bindparam("message_id"))
BY_SEND = select(m).where(
    m.c.parent_id == bindparam("parent_id"),
    m.c.parent_run == bindparam("parent_run"),
    m.c.seq == bindparam("seq"),
)
NEXT_DUE = select(func.min(m.c.not_before)).where(
    m.c.target == bindparam("item"), m.c.status == SCHEDULED
)
FENCE = select(m.c.starts, m.c.status).where(m.c.id == bindparam("message_id"))
INSERT = m.insert()
OLDEST = select(func.min(m.c.id)).where(m.c.target == bindparam("item"), m.c.status == QUEUED)
_process = m.alias("process")
OLDEST_EVENT = select(func.min(m.c.id)).where(
    m.c.target == bindparam("item"),
    or_(m.c.status == QUEUED, and_(m.c.status == SCHEDULED, m.c.not_before <= bindparam("now"))),
    # Events of one process are handled one after the other, and not while its request is queued
    # or suspended; those of a process that has ended are taken to be cancelled.
    or_(
        m.c.kind.in_((REQUEST, INPUT)),
        exists().where(
            _process.c.id == m.c.process_id,
            _process.c.held == 0,
            _process.c.status.in_((WAITING, *ENDED)),
        ),
    ),
)
CLAIM = (
    update(m)
    .where(
        m.c.id == bindparam("message_id"),
        m.c.status == bindparam("old_status"),
        m.c.starts == bindparam("old_starts"),
    )
    .values(
        status=RUNNING,
        slot=bindparam("new_slot"),
        starts=bindparam("new_starts"),
        run_number=bindparam("new_run_number"),
        first_started_at=bindparam("new_first_started_at"),
        started_at=bindparam("now"),
        held=bindparam("new_held"),
    )
)
HOLD_PROCESS = (
    update(m)
    .where(m.c.id == bindparam("message_id"), m.c.held == 0, m.c.status == WAITING)
    .values(held=1)
)
COUNT = select(func.count()).select_from(m)
CALLS_OUTSTANDING = COUNT.where(
    m.c.process_id == bindparam("process_id"),
    m.c.wants_response == 1,
    m.c.delivered == 0,
    m.c.id != bindparam("call_id"),
)
TIMERS_SET = COUNT.where(
    m.c.parent_id == bindparam("parent_id"),
    m.c.parent_run == bindparam("parent_run"),
    m.c.kind == TIMER,
    m.c.status == SCHEDULED,
)


@lru_cache
def update_of(names: tuple[str, ...]) -> Update:
    """Return the update of some columns of one message; parameters are ``new_<column>``."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(m).where(m.c.id == bindparam("message_id")).values(values)
