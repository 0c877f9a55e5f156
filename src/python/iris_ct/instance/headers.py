"""Messages and events as IRIS keeps them, by plain SQL.

A request and its reply are two rows of ``Ens.MessageHeader``; the reply names its request in
``CorrespondingMessageId``. Which request a handler sent is not kept there: the parent is taken to
be the newest earlier request of the session to the item that sent. Columns and numbers of states
are those that IRIS' own class definitions show; times are UTC. What is only believed, and where
each fact comes from, stands in docs/verification.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iris_ct.instance.process import select
from iris_ct.procedures.door import Answer

_HEADER = (
    "SELECT ID, SessionId, Type, Status, IsError, SourceConfigName, TargetConfigName, "
    "MessageBodyClassName, MessageBodyId, CorrespondingMessageId, TimeCreated, TimeProcessed "
    "FROM Ens.MessageHeader WHERE SessionId = ? ORDER BY ID"
)
_ACTIVE = "SELECT COUNT(*) FROM Ens.MessageHeader WHERE Status IN (1, 2, 3, 6)"
_NEWEST = "SELECT TOP ? SessionId FROM Ens.MessageHeader ORDER BY ID DESC"
_EVENTS = (
    "SELECT TOP ? ID, ConfigName, Job, MessageId, SessionId, SourceClass, SourceMethod, Text, "
    "TimeLogged, Type FROM Ens_Util.Log WHERE ID > ? ORDER BY ID DESC"
)
_FAILURES = "SELECT MessageId, Text FROM Ens_Util.Log WHERE SessionId = ? AND Type = 2 ORDER BY ID"

_REQUEST, _RESPONSE = 1, 2
# The words of the embedded host for IRIS' states; the name of a state may come instead of its
# number, depending on how SQL is asked to show values.
_STATES = {
    "1": "queued",
    "created": "queued",
    "2": "queued",
    "queued": "queued",
    "3": "running",
    "delivered": "running",
    "4": "cancelled",
    "discarded": "cancelled",
    "5": "suspended",
    "suspended": "suspended",
    "6": "waiting",
    "deferred": "waiting",
    "7": "cancelled",
    "aborted": "cancelled",
    "8": "error",
    "error": "error",
    "9": "completed",
    "completed": "completed",
}
_ENDED = frozenset({"completed", "error", "cancelled", "suspended"})
_TYPES = {"1": _REQUEST, "request": _REQUEST, "2": _RESPONSE, "response": _RESPONSE}

# Headers that are read for each session that is wanted: more than a session has on average.
_HEADERS_PER_SESSION = 50


class Headers:
    """Sessions, traces and events of this namespace; read only."""

    def __init__(self, iris: Any) -> None:
        self._iris = iris

    def active(self, session_id: int | None = None) -> int:
        """Count the messages under way, of one session or of all."""
        if session_id is None:
            [(count,)] = select(self._iris, _ACTIVE)
        else:
            [(count,)] = select(self._iris, f"{_ACTIVE} AND SessionId = ?", session_id)
        return int(count)

    def trace(self, session_id: int) -> list[Answer]:
        """List a session's requests with their replies, oldest first, as the host lists them."""
        headers = list(select(self._iris, _HEADER, session_id))
        replies = {
            int(header[9]): header
            for header in headers
            if _type(header) == _RESPONSE and header[9]
        }
        failures = self._failures(session_id)
        rows: list[Answer] = []
        for header in headers:
            if _type(header) == _REQUEST:
                reply = replies.get(int(header[0]))
                rows.append(self._row(header, reply, _parent(header, rows), failures))
        return rows

    def sessions(self, newest: int) -> list[Answer]:
        """List the newest sessions, newest first, as the host lists them."""
        looked = select(self._iris, _NEWEST, newest * _HEADERS_PER_SESSION)
        found = dict.fromkeys(int(session) for (session,) in looked if session)
        listed = sorted(found, reverse=True)[:newest]
        return [_session(session, self.trace(session)) for session in listed]

    def events(self, newest: int, *, after_id: int = 0) -> list[Answer]:
        """List the newest entries of the event log, oldest of them first."""
        rows = [
            {
                "id": int(row[0]),
                "item": row[1] or "",
                "pid": _number(row[2]) or 0,
                "message_id": _number(row[3]),
                "session_id": _number(row[4]),
                "source_class": row[5] or "",
                "source_method": row[6] or "",
                "content": str(row[7] or ""),
                "logged_at": _instant(row[8]),
                "severity": _number(row[9]) or 0,
            }
            for row in select(self._iris, _EVENTS, newest, after_id)
        ]
        return rows[::-1]

    def _failures(self, session_id: int) -> dict[int, str]:
        """Give the last error that the event log has for each message."""
        return {
            int(message): str(text or "")
            for message, text in select(self._iris, _FAILURES, session_id)
            if message
        }

    def _row(
        self,
        header: Sequence[Any],
        reply: Sequence[Any] | None,
        parent: int | None,
        failures: dict[int, str],
    ) -> Answer:
        state = _state(header)
        if reply is not None and _truth(reply[4]):
            state = "error"
        body_class, body = self._body(header)
        reply_class, reply_body = self._body(reply) if reply is not None else ("", "")
        ended = (reply[10] if reply is not None else header[11]) if state in _ENDED else None
        failure = failures.get(int(header[0]), "see the event log") if state == "error" else ""
        return {
            "id": int(header[0]),
            "session_id": int(header[1]),
            "parent_id": parent,
            "kind": "request",
            "source": header[5] or "",
            "target": header[6] or "",
            "status": state,
            "body_class": body_class,
            "body": body,
            "reply_class": reply_class,
            "reply_body": reply_body,
            "failure": failure,
            "description": None,
            "completion_key": None,
            "resent_from": None,
            "created_at": _instant(header[10]),
            "started_at": _instant(header[11]) or None,
            "ended_at": _instant(ended) or None,
        }

    def _body(self, header: Sequence[Any]) -> tuple[str, str]:
        """Give class and JSON text of a message; of a native one its class only."""
        class_name, identifier = str(header[7] or ""), header[8]
        if class_name != "IOP.Message" or not identifier:
            return class_name, ""
        message = self._iris.cls("IOP.Message")._OpenId(identifier)
        if not message:
            # Purged.
            return class_name, ""
        # Messages of this product are short; one that lies in a stream is somebody else's.
        return str(message.classname), "" if message.type == "Stream" else str(message.json)


def _parent(header: Sequence[Any], earlier: Sequence[Answer]) -> int | None:
    source = header[5] or ""
    return next((row["id"] for row in reversed(earlier) if row["target"] == source), None)


def _session(session_id: int, trace: Sequence[Answer]) -> Answer:
    first = trace[0] if trace else {}
    states = [row["status"] for row in trace]
    ended = [row["ended_at"] or "" for row in trace]
    return {
        "session_id": session_id,
        "source": first.get("source", ""),
        "target": first.get("target", ""),
        "body_class": first.get("body_class", ""),
        "n_messages": len(trace),
        "n_active": sum(state not in _ENDED for state in states),
        "n_errors": states.count("error"),
        "created_at": first.get("created_at", ""),
        "ended_at": max(ended) if ended and all(ended) else None,
    }


def _state(header: Sequence[Any]) -> str:
    said = str(header[3]).strip().lower()
    return _STATES.get(said, said)


def _type(header: Sequence[Any]) -> int:
    return _TYPES.get(str(header[2]).strip().lower(), 0)


def _truth(said: Any) -> bool:
    return str(said).strip().lower() in {"1", "true"}


def _number(said: Any) -> int | None:
    return None if said in (None, "") else int(said)


def _instant(said: Any) -> str:
    """Say an IRIS time, which is UTC, as ISO 8601; nothing if there is none."""
    text = str(said or "").strip()
    return f"{text.replace(' ', 'T')}+00:00" if text else ""
