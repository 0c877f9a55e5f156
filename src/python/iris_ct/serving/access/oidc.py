"""Bearer tokens of an OpenID Connect issuer: whether they are true, and who has them.

Checked are, in this order: form, algorithm and key name, signature, times, issuer, audience; then
role and domains are taken from the claims. RFC 7519, RFC 8725, RFC 9068.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec

from iris_ct.serving.access.keys import KeySet
from iris_ct.serving.access.options import AccessOptions
from iris_ct.serving.access.principal import EVERY_DOMAIN, RANKS, Principal

# RFC 9068 names the second; ID tokens and others of an issuer name theirs or nothing.
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
_LONGEST_KEY_NAME = 200
_LONGEST_NAME = 128
_MOST_DOMAINS = 1000


class TokenRefusedError(Exception):
    """A token that is not taken; the text says why and holds nothing of it."""

    def __init__(self, text: str, *, status: int = 401) -> None:
        super().__init__(text)
        self.status = status


class _Header(msgspec.Struct):
    """What is read of a token before its signature is; the library reads it again, all of it."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Any = msgspec.UNSET


_decode_header = msgspec.json.Decoder(_Header).decode


class OidcTokens:
    """Verifies tokens; belongs to one event loop.

    Parameters
    ----------
    keys
        The issuer's.
    wall
        Seconds since 1970.
    """

    def __init__(
        self, options: AccessOptions, keys: KeySet, *, wall: Callable[[], float] = time.time
    ) -> None:
        self.keys = keys
        self._options, self._wall = options, wall
        self._algorithms = frozenset(options.algorithms)
        self._roles = options.roles

    def verify(self, token: str) -> tuple[Principal, float] | None:
        """Verify a token.

        Returns
        -------
        tuple or None
            Who has it, and for how many seconds it still counts; None: its key is not known here,
            perhaps the issuer has it by now.

        Raises
        ------
        TokenRefusedError
            If it does not count, or gives no role.
        """
        algorithm, name = self._read_header(token)
        self.keys.refresh_if_old()
        key = self.keys.find(name, algorithm)
        if key is None:
            return None
        claims = self._read_claims(token, key, algorithm)
        left = float(claims["exp"]) + self._options.oidc_skew_s - self._wall()
        return self.principal(claims), left

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Say who it is that has these claims.

        Raises
        ------
        TokenRefusedError
            403 if none of the roles is one here.
        """
        said = words(find_claim(claims, self._options.oidc_role_claim))
        roles = [self._roles[word] for word in said if word in self._roles]
        if not roles:
            raise TokenRefusedError(
                f"The token gives no role here: {self._options.oidc_role_claim} holds none of "
                f"{', '.join(self._roles)}.",
                status=403,
            )
        domains: tuple[str, ...] = (EVERY_DOMAIN,)
        if self._options.oidc_domain_claim:
            found = words(find_claim(claims, self._options.oidc_domain_claim))
            # Keycloak writes groups as paths.
            domains = tuple(word.removeprefix("/") for word in found[:_MOST_DOMAINS])
        return Principal(self._name(claims), max(roles, key=RANKS.__getitem__), domains)

    def _read_header(self, token: str) -> tuple[str, str | None]:
        head, _, rest = token.partition(".")
        try:
            header = _decode_header(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        except (ValueError, RecursionError) as error:
            # The second comes from brackets, thousands deep, in a header that nobody signed.
            raise TokenRefusedError("The token has not the form of one.") from error
        if rest.count(".") != 1:
            raise TokenRefusedError("The token has not the form of one.")
        if header.alg not in self._algorithms:
            raise TokenRefusedError(
                f"The token is not signed by any of {', '.join(self._options.algorithms)}."
            )
        if header.kid is not None and len(header.kid) > _LONGEST_KEY_NAME:
            raise TokenRefusedError("The token's key name (kid) is none.")
        # What is critical there and not understood here must not be passed over (RFC 7515, 4.1.11).
        if header.crit is not msgspec.UNSET or (header.typ or "").lower() not in _TYPES:
            raise TokenRefusedError("The token is not an access token of a kind that is taken.")
        return header.alg, header.kid

    def _read_claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        options = self._options
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=options.oidc_audience,
                issuer=options.oidc_issuer,
                leeway=options.oidc_skew_s,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, RecursionError) as error:
            raise TokenRefusedError(_reason(error)) from error

    def _name(self, claims: Mapping[str, Any]) -> str:
        for claim in (self._options.oidc_name_claim, "sub", "client_id", "azp"):
            said = claims.get(claim)
            if isinstance(said, str) and said and said.isprintable():
                return said[:_LONGEST_NAME]
        raise TokenRefusedError("The token names nobody: it has neither sub nor client_id.")


_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "The token has expired; get a new one."),
    (jwt.ImmatureSignatureError, "The token is not valid yet; compare the clocks."),
    (jwt.InvalidAudienceError, "The token was made for another audience."),
    (jwt.InvalidIssuerError, "The token is another issuer's."),
    (jwt.MissingRequiredClaimError, "The token lacks one of exp, iss, aud."),
    (jwt.InvalidSignatureError, "The token's signature is wrong."),
)


def _reason(error: Exception) -> str:
    """Say it in words of our own: those of the library may quote the token."""
    return next(
        (text for kind, text in _REASONS if isinstance(error, kind)), "The token does not count."
    )


def find_claim(claims: Mapping[str, Any], path: str) -> Any:
    """Find a claim by its name, or by a path of names with dots between; None if there is none.

    Examples
    --------
    >>> find_claim({"realm_access": {"roles": ["ct-reader"]}}, "realm_access.roles")
    ['ct-reader']
    >>> find_claim({"https://ct.example/roles": "ct-admin"}, "https://ct.example/roles")
    'ct-admin'
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def words(said: Any) -> list[str]:
    """Give the words of a claim: a list of them, or a text with blanks between, as ``scope`` is."""
    if isinstance(said, str):
        return said.split()
    return [word for word in said if isinstance(word, str)] if isinstance(said, list) else []
