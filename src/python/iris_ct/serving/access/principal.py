"""Who asks and what they may: names, roles, domains; and the answer to one who may not."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

ROLES = ("reader", "operator", "admin")
"""Each may what those before it may: look and predict; change services; change who may."""

READER, OPERATOR, ADMIN = 1, 2, 3
RANKS = {"reader": READER, "operator": OPERATOR, "admin": ADMIN}
EVERY_DOMAIN = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes
    ----------
    name
        Stands in records; printable.
    role
        One of `ROLES`; empty for one who asked for what everybody may see.
    domains
        What is in these domains, and what is in none, may be seen and called; ``*`` is every
        domain.
    """

    name: str
    role: str
    domains: tuple[str, ...] = ()

    def may(self, domain: str) -> bool:
        """Tell whether what is in a domain may be seen and called; empty is no domain.

        Examples
        --------
        >>> robot = Principal("robot", "reader", ("loans",))
        >>> robot.may("loans"), robot.may(""), robot.may("bikes")
        (True, True, False)
        """
        return not domain or domain in self.domains or EVERY_DOMAIN in self.domains

    @property
    def sees_all(self) -> bool:
        """Whether every domain is theirs."""
        return EVERY_DOMAIN in self.domains


NOBODY = Principal("", "")
"""Asks for what is open to everybody."""

LOCAL = Principal("local", "admin", (EVERY_DOMAIN,))
"""Whoever can reach the loopback address of a gateway without tokens."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one gets who may not.

    Attributes
    ----------
    status
        400, 401, 403, 429, 503, or 307 to the login page.
    text
        Why, and what to do; never holds a token.
    headers
        More headers of the response.
    """

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The text as JSON, for paths that belong to no protocol."""
        return msgspec.json.encode({"error": self.text})
