"""Who asks, and what they may: services and packages belong to domains."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.core.errors import NotAllowedError


@dataclass(frozen=True)
class Asker:
    """Who asks.

    Attributes
    ----------
    name : str
        Stands in records.
    domains : frozenset of str or None
        What they may see and change, besides what is in no domain; None for everything.
    """

    name: str
    domains: frozenset[str] | None = None

    def may(self, domain: str) -> bool:
        """Tell whether they may see and change what is in a domain; empty is none."""
        return not domain or self.domains is None or domain in self.domains

    def check(self, domain: str, action: str, what: str) -> None:
        """Refuse an action in a domain that is not theirs.

        Raises
        ------
        NotAllowedError
            If it is not.
        """
        if not self.may(domain):
            raise NotAllowedError(f"There is no permission to {action} {what} in domain {domain}.")
