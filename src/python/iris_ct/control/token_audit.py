"""Tells the audit trail who was let in and who no longer is, whoever changed the file of tokens.

``ct token`` needs no store, which may be away or behind another account; this process has one.
"""

from __future__ import annotations

from iris_ct.bootstrap import Parts
from iris_ct.flow.identify import audit_event
from iris_ct.serving.access.tokens import StaticToken, read_tokens, tokens_path

GATEWAY = "(gateway)"
"""What stands where other events name their model."""

_STEP = "Token"
_CREATED, _DELETED = "created", "deleted"
# Events of the past that are read to know which tokens were told.
_PAST = 10_000


class TokenAudit:
    """Compares the file of tokens with what was told before; belongs to one thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._path = parts, tokens_path(parts.home)
        self._told: frozenset[str] | None = None

    def look(self) -> None:
        """Record what has changed since the last look, also one of an earlier process.

        Raises
        ------
        ConfigError
            If the file cannot be used.
        """
        kept = {_named(token): token for token in read_tokens(self._path) or ()}
        told = self._past() if self._told is None else self._told
        for name in sorted(kept.keys() - told):
            self._record(name, _CREATED, kept[name])
        for name in sorted(told - kept.keys()):
            self._record(name, _DELETED)
        self._told = frozenset(kept)

    def _past(self) -> frozenset[str]:
        events = self._parts.store.audit.events(GATEWAY, newest=_PAST)
        said = [str(event.facts["subject"]).rpartition("/") for event in events]
        deleted = {name for name, _, what in said if what == _DELETED}
        return frozenset(name for name, _, what in said if what == _CREATED) - deleted

    def _record(self, name: str, what: str, token: StaticToken | None = None) -> None:
        whose = name.partition("/")[0]
        text, facts = f"Token {whose} is {what}.", {}
        if token is not None:
            expires = None if token.expires is None else token.expires.isoformat()
            facts = {"role": token.role, "domains": [*token.domains], "expires": expires}
            text = f"Token {whose} is {what}: {token.role} of {', '.join(token.domains)}."
        self._parts.store.audit.record(
            audit_event(
                GATEWAY,
                _STEP,
                f"{name}/{what}",
                text,
                at=self._parts.clock.now(),
                facts=facts,
            )
        )


def _named(token: StaticToken) -> str:
    """Tell tokens of the same name apart."""
    return f"{token.name}/{token.created.isoformat()}"
