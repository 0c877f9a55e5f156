"""The way into the running production, and what its replies tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from iris_ct.core.errors import StoreError

Answer = dict[str, Any]


class Messages(Protocol):
    """What is known of messages, to be read."""

    def trace(self, session_id: int) -> list[Answer]:
        """List the session's messages."""
        ...

    def sessions(self, newest: int) -> list[Answer]:
        """List the newest sessions, newest first."""
        ...

    def events(self, newest: int, *, after_id: int = 0) -> list[Answer]:
        """List the newest entries of the host's event log, oldest of them first."""
        ...

    def pending(self) -> int:
        """Count the messages under way."""
        ...


class Door(Messages, Protocol):
    """The way into the running production.

    ``forgets`` says whether `forget` removes messages; on IRIS a task of its own does.
    """

    forgets: bool

    def call(self, message: Any) -> tuple[Any, int]:
        """Hand a message to the item Requests; give its reply and the session."""
        ...

    def wait(self, session_id: int) -> bool:
        """Wait until nothing of the session is under way; False if someone gave up waiting."""
        ...

    def forget(self, before: datetime) -> int:
        """Forget the messages of sessions that ended before; give how many."""
        ...

    def suspend(self, message_id: int) -> None:
        """Take a queued message out of its queue."""
        ...

    def resend(self, message_id: int) -> int:
        """Send a copy of a message as a new session; give that."""
        ...


def expect(reply: Any, kind: type) -> Any:
    """Give the reply back if it is of the kind that was asked for."""
    if not isinstance(reply, kind):
        raise StoreError(
            f"Expected a {kind.__name__} from the production, found {type(reply).__name__}. "
            "See 'ct log --host' for what failed."
        )
    return reply


def told(door: Door, session_id: int) -> Answer:
    """Read from a session's replies what became of a file or a wish."""
    messages = door.trace(session_id)
    stored = _first(messages, "FileStored")
    decided = _first(messages, "RetrainingDecided")
    failure = next((row["failure"] for row in messages if row["status"] == "error"), "")
    return {
        "outcome": stored.get("outcome", "failed" if failure else None),
        "text": stored.get("text", failure),
        "batch_id": stored.get("batch_id") or None,
        "rows": stored.get("n_rows", 0),
        "quarantined_rows": stored.get("n_quarantined", 0),
        "drifted": _first(messages, "DriftChecked").get("drifted"),
        "decision": decided.get("outcome"),
        "reason": decided.get("reason"),
        "cycle": ended_cycle(messages),
        "failure": failure or None,
    }


def ended_cycle(messages: Sequence[Answer]) -> Answer | None:
    """Say how the last cycle of a session ended, or None if none has."""
    ended = _replies(messages, "CycleEnded")
    if not ended:
        return None
    last = ended[-1]
    return {
        "cycle_id": last["cycle_id"],
        "outcome": last["outcome"],
        "version": last["version"] or None,
    }


def _first(messages: Sequence[Answer], name: str) -> Answer:
    return next(iter(_replies(messages, name)), {})


def _replies(messages: Sequence[Answer], name: str) -> list[Answer]:
    return [
        json.loads(row["reply_body"])
        for row in messages
        if str(row["reply_class"]).rpartition(".")[2] == name
    ]
