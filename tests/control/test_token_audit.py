"""Who may ask the gateway is in the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime

from iris_ct.bootstrap import Parts
from iris_ct.control.token_audit import GATEWAY, TokenAudit
from iris_ct.serving.access.tokens import create_token, delete_token

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def told(parts: Parts) -> list[str]:
    return [event.text for event in parts.store.audit.events(GATEWAY)]


def create(parts: Parts, name: str, role: str, at: datetime = NOW) -> str:
    text, _ = create_token(parts.home, name, role=role, domains=("loans", "cars"), now=at)
    return text


def test_tokens_that_come_and_go_are_told_once(parts: Parts) -> None:
    audit = TokenAudit(parts)
    audit.look()
    assert told(parts) == []
    secret = create(parts, "ci", "operator")
    audit.look()
    audit.look()
    created = "Token ci is created: operator of loans, cars."
    assert told(parts) == [created]
    (event,) = parts.store.audit.events(GATEWAY)
    assert (event.step, event.facts["role"]) == ("Token", "operator")
    assert secret not in str(event)
    delete_token(parts.home, "ci")
    audit.look()
    assert sorted(told(parts)) == [created, "Token ci is deleted."]


def test_what_changed_while_nobody_looked_is_told_later(parts: Parts) -> None:
    create(parts, "old", "reader")
    TokenAudit(parts).look()
    delete_token(parts.home, "old")
    create(parts, "old", "admin", NOW.replace(hour=13))
    TokenAudit(parts).look()
    TokenAudit(parts).look()
    assert sorted(told(parts)) == [
        "Token old is created: admin of loans, cars.",
        "Token old is created: reader of loans, cars.",
        "Token old is deleted.",
    ]
