"""What access is told at the start of the gateway: ``CT_SERVE_*``, as `serving.options` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from iris_ct.core.errors import ConfigError
from iris_ct.serving.access.hosts import is_loopback
from iris_ct.serving.access.principal import RANKS, ROLES

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures that may be allowed: asymmetric, so that who verifies cannot sign."""


@dataclass(frozen=True)
class AccessOptions:
    """Who is let in.

    Attributes
    ----------
    home
        The durable directory.
    login_url
        Where one without a token is sent by 307; empty: 401.
    metrics_open
        Whether ``/metrics`` is shown without a token.
    rate, rate_burst
        Requests a second of one principal, and at once; 0: no limit; a burst of 0: two seconds.
    oidc_issuer, oidc_audience
        Whose tokens are taken, and for whom they must be made; both or none.
    oidc_jwks_url
        Where the issuer's keys are; empty: where its discovery document says.
    oidc_role_claim, oidc_roles
        Path of the claim with roles, and which of them are which here.
    oidc_domain_claim
        Path of the claim with domains; empty: tokens are for every domain.
    oidc_name_claim
        Claim with the name for records; ``sub`` where it is missing.
    oidc_algorithms
        Of `ALGORITHMS`, separated by commas.
    oidc_skew_s
        Seconds that the clocks of issuer and gateway may differ.
    oidc_stale_s
        Seconds for which keys are used while the issuer is away.
    oidc_ca
        PEM file with the authorities of the issuer's certificate; default the system's.
    oidc_http
        Whether the issuer may be asked without TLS elsewhere than on this machine.
    """

    home: Path = Path("dur")
    login_url: str = ""
    metrics_open: bool = False
    rate: float = 0.0
    rate_burst: int = 0
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_url: str = ""
    oidc_role_claim: str = "realm_access.roles"
    oidc_roles: str = "ct-reader=reader,ct-operator=operator,ct-admin=admin"
    oidc_domain_claim: str = ""
    oidc_name_claim: str = "preferred_username"
    oidc_algorithms: str = "RS256,PS256,ES256,EdDSA"
    oidc_skew_s: float = 30.0
    oidc_stale_s: float = 86400.0
    oidc_ca: Path | None = None
    oidc_http: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            Naming the variable, what it holds and what it may hold.
        """
        for name in ("rate", "rate_burst", "oidc_skew_s", "oidc_stale_s"):
            if not getattr(self, name) >= 0:
                raise _wrong(name, getattr(self, name), "0 or more")
        check_url("login_url", self.login_url, allow_http=True)
        if not self.oidc_issuer:
            if self.oidc_audience or self.oidc_jwks_url:
                raise ConfigError(
                    "CT_SERVE_OIDC_ISSUER is missing: the audience or the address of keys is set, "
                    "but not whose tokens are taken."
                )
            return
        if not self.oidc_audience:
            raise ConfigError(
                "CT_SERVE_OIDC_AUDIENCE is missing: without it a token that the issuer made for "
                "another application would be taken here."
            )
        check_url("oidc_issuer", self.oidc_issuer, allow_http=self.oidc_http)
        check_url("oidc_jwks_url", self.oidc_jwks_url, allow_http=self.oidc_http)
        if not self.algorithms or set(self.algorithms) - set(ALGORITHMS):
            raise _wrong("oidc_algorithms", self.oidc_algorithms, f"some of {list(ALGORITHMS)}")
        if not self.roles or set(self.roles.values()) - set(RANKS):
            raise _wrong(
                "oidc_roles", self.oidc_roles, f"claim=role,... with roles of {list(ROLES)}"
            )

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that are allowed."""
        return tuple(name.strip() for name in self.oidc_algorithms.split(",") if name.strip())

    @property
    def roles(self) -> dict[str, str]:
        """By what the claim says, the role here."""
        pairs = (pair.partition("=") for pair in self.oidc_roles.split(",") if pair.strip())
        return {said.strip(): role.strip() for said, _, role in pairs}


def check_url(name: str, url: str, *, allow_http: bool) -> None:
    """Refuse an address that is none, or that keys must not come from.

    Raises
    ------
    ConfigError
        Naming the variable.
    """
    if not url:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong(name, url, "an address https://...") from None
    if parts.scheme not in {"http", "https"} or not host or not _is_plain(url):
        raise _wrong(name, url, "an address https://...")
    if parts.username or parts.password:
        raise ConfigError(f"CT_SERVE_{name.upper()}: the address must hold no user or password.")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ConfigError(
            f"CT_SERVE_{name.upper()} = {url!r}: keys that come without TLS may be anybody's. "
            "Expected https://; CT_SERVE_OIDC_HTTP=1 allows it on a network that you trust."
        )


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def _wrong(name: str, found: object, expected: str) -> ConfigError:
    return ConfigError(f"CT_SERVE_{name.upper()} = {found!r}: expected {expected}.")
