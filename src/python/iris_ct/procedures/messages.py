"""What the production's messages did: sessions, traces, the host's own log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from iris_ct.core.errors import StoreError
from iris_ct.procedures.door import Answer, Door, Messages

# The severities of IRIS' event log.
_SEVERITIES = {1: "assert", 2: "error", 3: "warning", 4: "info", 5: "trace", 6: "alert"}


def sessions(door: Messages, *, newest: int = 20) -> list[Answer]:
    """List the newest sessions, newest first."""
    return [
        {
            "session": row["session_id"],
            "begins": _short(row["body_class"]),
            "from": row["source"],
            "to": row["target"],
            "messages": row["n_messages"],
            "active": row["n_active"],
            "errors": row["n_errors"],
            "began_at": row["created_at"],
            "ended_at": row["ended_at"],
        }
        for row in door.sessions(newest)
    ]


def trace(door: Messages, session_id: int) -> Answer:
    """Give a session's messages as a tree: each after the one that sent it, with its depth.

    Raises
    ------
    StoreError
        If there is no such session.
    """
    rows = door.trace(session_id)
    if not rows:
        raise StoreError(
            f"There is no session {session_id}. 'ct trace' without a number lists the newest."
        )
    return {
        "session": session_id,
        "messages": [_message(row, depth) for row, depth in _tree(rows)],
        "active": sum(row["status"] not in _ENDED for row in rows),
        "errors": sum(row["status"] == "error" for row in rows),
    }


def resend(door: Door, message_id: int) -> Answer:
    """Send a copy of a message as a new session."""
    return {"message_id": message_id, "session": door.resend(message_id)}


def suspend(door: Door, message_id: int) -> Answer:
    """Take a queued message out of its queue, until someone resends it."""
    door.suspend(message_id)
    return {"message_id": message_id, "status": "suspended"}


def host_log(door: Messages, *, newest: int = 50, after_id: int = 0) -> list[Answer]:
    """List the newest entries of the host's event log, oldest of them first."""
    return [
        {
            "id": row["id"],
            "logged_at": row["logged_at"],
            "severity": _SEVERITIES.get(row["severity"], str(row["severity"])),
            "item": row["item"],
            "session": row["session_id"],
            "message_id": row["message_id"],
            "pid": row["pid"],
            "text": row["content"],
        }
        for row in door.events(newest, after_id=after_id)
    ]


_ENDED = frozenset({"completed", "error", "cancelled", "suspended"})


def _message(row: Answer, depth: int) -> Answer:
    return {
        "message_id": row["id"],
        "parent_id": row["parent_id"],
        "depth": depth,
        "kind": row["kind"],
        "from": row["source"],
        "to": row["target"],
        "status": row["status"],
        "request": _short(row["body_class"]),
        "body": json.loads(row["body"]) if row["body"] else {},
        "reply": _short(row["reply_class"]) or None,
        "error": row["failure"] or None,
        "resent_from": row["resent_from"],
        "created_at": row["created_at"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "seconds": _seconds(row["started_at"], row["ended_at"]),
    }


def _tree(rows: Sequence[Answer]) -> list[tuple[Answer, int]]:
    """Put each message behind the one that sent it, in the order of sending."""
    known = {row["id"] for row in rows}
    children: dict[int | None, list[Answer]] = {}
    for row in rows:
        parent = row["parent_id"] if row["parent_id"] in known else None
        children.setdefault(parent, []).append(row)
    tree: list[tuple[Answer, int]] = []
    waiting = [(row, 0) for row in reversed(children.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        tree.append((row, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(row["id"], []))]
    return tree


def _short(class_name: str) -> str:
    return class_name.rpartition(".")[2]


def _seconds(began: str | None, ended: str | None) -> float | None:
    if began is None or ended is None:
        return None
    elapsed = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    return round(elapsed.total_seconds(), 3)
