"""Decisions, chained per model: each record's digest covers the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.decision import Decision, decision_from_content

_T = tables.decision
_FIRST = ""


class SqlDecisions:
    """`ports.DecisionLog` on a `Database`.

    Notes
    -----
    ``digest = SHA-256(digest of the decision before, in hexadecimal + content)``, with the empty
    text before the first one. Recorders of one model wait for each other; should they ever meet
    all the same, the unique number lets one win and the other sees a `ConflictError`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, decision: Decision) -> Decision:
        """Append it; if its id is there already, give the stored one instead."""
        with self._database.writing(decision.model) as connection:
            stored = self.get(decision.decision_id)
            if stored is not None:
                return stored
            last = connection.execute(_last(decision.model)).one_or_none()
            content = decision.to_json()
            connection.execute(
                sa.insert(_T).values(
                    decision_id=decision.decision_id,
                    model=decision.model,
                    seq=1 if last is None else last.seq + 1,
                    content=content,
                    digest=chained(_FIRST if last is None else last.digest, content),
                    **shown_values(decision.content()),
                )
            )
            return decision_from_content(json.loads(content))

    def get(self, decision_id: str) -> Decision | None:
        """Give one decision."""
        with self._database.reading() as connection:
            content = connection.scalar(
                sa.select(_T.c.content).where(_T.c.decision_id == decision_id)
            )
        return None if content is None else decision_from_content(json.loads(content))

    def decisions(self, model: str, *, newest: int | None = None) -> list[Decision]:
        """List decisions, oldest first; only the ``newest`` if given."""
        wanted = sa.select(_T.c.content).where(_T.c.model == model)
        if newest is not None:
            last = sa.select(sa.func.max(_T.c.seq)).where(_T.c.model == model).scalar_subquery()
            wanted = wanted.where(_T.c.seq > last - newest)
        with self._database.reading() as connection:
            contents = connection.scalars(wanted.order_by(_T.c.seq)).all()
        return [decision_from_content(json.loads(content)) for content in contents]

    def verify(self, model: str) -> str | None:
        """Recompute the chain; name the first decision that was changed, or None.

        A decision that was taken out is told by naming the one after it. What views show of a
        decision must be what its content says.
        """
        wanted = sa.select(_T).where(_T.c.model == model).order_by(_T.c.seq)
        before = _FIRST
        with self._database.reading() as connection:
            for expected, row in enumerate(connection.execute(wanted), start=1):
                if (
                    row.seq != expected
                    or row.digest != chained(before, row.content)
                    or not _is_said(row)
                ):
                    return str(row.decision_id)
                before = row.digest
        return None


def shown_values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns in which views show a decision; the chain covers its content alone."""
    return {
        "kind": content["kind"],
        "outcome": content["outcome"],
        "reason": content["reason"],
        "actor": content["actor"],
        "cycle_id": content["cycle_id"],
        "decided_at": datetime.fromisoformat(content["decided_at"]),
    }


def chained(before: str, content: str) -> str:
    """Give the digest of a content that follows the digest ``before``."""
    return hashlib.sha256((before + content).encode()).hexdigest()


def _is_said(row: sa.Row[Any]) -> bool:
    """Tell whether the columns of a record are what its content says."""
    content = json.loads(row.content)
    wanted = {"decision_id": content["decision_id"], **shown_values(content)}
    return all(getattr(row, name) == said for name, said in wanted.items())


def _last(model: str) -> sa.Select[int, str]:
    newest = sa.select(sa.func.max(_T.c.seq)).where(_T.c.model == model).scalar_subquery()
    return sa.select(_T.c.seq, _T.c.digest).where(_T.c.model == model, _T.c.seq == newest)
