"""Decides who may ask what, for each request of the gateway.

A token that was looked at once is found again in a dictionary until it expires or a minute is over;
that is the way of nearly all requests and waits for nothing. The dictionary knows only tokens that
count, by what was sent: a digest instead would take longer than all the rest.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iris_ct.core.errors import ConfigError
from iris_ct.serving.access.bucket import Bucket
from iris_ct.serving.access.hosts import host_of, is_loopback, is_own_page
from iris_ct.serving.access.options import AccessOptions
from iris_ct.serving.access.principal import LOCAL, NOBODY, RANKS, READER, Principal, Refusal
from iris_ct.serving.access.rules import LOOKING, OPEN, OVERVIEW, role_needed
from iris_ct.serving.access.tokens import MARK, TokenFile, tokens_path

if TYPE_CHECKING:
    from iris_ct.serving.access.oidc import OidcTokens

_log = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]
Scope = Mapping[str, Any]
Decision = Principal | Refusal

# Seconds between two looks at the file of tokens: how long a deleted one still counts.
_LOOK_S = 0.5
# Seconds that a decision is remembered, how many are, and the bytes of a header that may be.
_KEPT_S = 60.0
_MOST_KEPT = 4096
_LONGEST_KEPT = 4 << 10
# Bytes of a token; those of issuers have one or two thousand.
_LONGEST = 16 << 10
# How many hosts by which the gateway was asked are remembered.
_MOST_HOSTS = 64
_BURST_S = 2.0


class _Known:
    """A decision that is remembered."""

    __slots__ = ("bucket", "is_basic", "principal", "rank", "until")

    def __init__(
        self, principal: Principal, until: float, bucket: Bucket | None, *, is_basic: bool
    ) -> None:
        self.principal, self.until, self.bucket = principal, until, bucket
        self.rank, self.is_basic = RANKS[principal.role], is_basic


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose token is not known yet; never shown."""

    token: str = field(repr=False)
    is_basic: bool
    said: bytes = field(repr=False)
    needed: int
    scope: Scope


class Access:
    """Decides who may ask what; belongs to the gateway's event loop.

    Without tokens and without an issuer everybody who reaches the loopback address may everything,
    but only by a name of the loopback address and not from a page of another site: a browser on
    this machine is everybody, too. As soon as there is a file of tokens, or an issuer is set, a
    token is needed.

    Parameters
    ----------
    clock
        Seconds that never go back.
    wall
        Seconds since 1970.
    oidc
        Verifies the tokens of the issuer that the options name; default over HTTP.
    """

    def __init__(
        self,
        options: AccessOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        oidc: OidcTokens | None = None,
    ) -> None:
        self._options, self._clock, self._wall = options, clock, wall
        self._tokens = TokenFile(tokens_path(options.home))
        self._tokens.look()
        self._oidc = oidc
        self._is_on = bool(options.oidc_issuer) or self._tokens.is_used
        self._look_at = clock() + _LOOK_S
        self._known: dict[bytes, _Known] = {}
        self._buckets: dict[str, Bucket] = {}
        self._hosts: dict[bytes, bool] = {}
        self._burst = max(1.0, options.rate_burst or options.rate * _BURST_S)
        self._local_bucket = self._bucket("local")
        if self._tokens.problem:
            raise ConfigError(self._tokens.problem)

    @property
    def is_on(self) -> bool:
        """Whether a token is needed."""
        return self._is_on

    def start(self) -> None:
        """Fetch the issuer's keys beside what else is started.

        Raises
        ------
        ConfigError
            If the file of authorities cannot be used.
        """
        if self._options.oidc_issuer:
            self._issuer().keys.refresh_if_old()

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._oidc is not None:
            await self._oidc.keys.close()

    def check(self, scope: Scope, headers: Headers) -> Decision | Awaitable[Decision]:
        """Check one request.

        Parameters
        ----------
        scope
            Of ASGI: ``method``, ``path``, ``headers``.
        headers
            The same headers by name in lower case; of those that came twice either one.

        Returns
        -------
        Principal or Refusal
            To be awaited where the issuer must be asked first.
        """
        now = self._clock()
        if now >= self._look_at:
            self._look(now)
        needed = role_needed(scope["method"], scope["path"])
        if needed == OPEN or (needed == OVERVIEW and self._options.metrics_open):
            return NOBODY
        if not self._is_on:
            return self._check_local(scope, headers, now)
        said = headers.get(b"authorization")
        if said is None:
            return self._without_token(headers)
        if len(headers) != len(scope["headers"]) and _came_twice(scope, b"authorization"):
            return Refusal(400, "The header Authorization came twice; send one token.")
        known = self._known.get(said)
        if known is not None and now < known.until:
            return self._admit(known, needed, scope, now)
        return self._look_closely(said, needed, scope)

    # Those that are known.

    def _admit(self, known: _Known, needed: int, scope: Scope, now: float) -> Decision:
        principal = known.principal
        if needed == OVERVIEW:
            needed = READER
            if not principal.sees_all:
                return _too_little("Metrics are of all domains, and yours are not all.")
        if known.rank < needed:
            role = next(name for name, rank in RANKS.items() if rank == needed)
            return _too_little(f"This needs the role {role}; yours is {principal.role}.")
        if known.is_basic and scope["method"] not in LOOKING:
            # A browser sends what it was once told with each request, whoever's page makes it.
            return _too_little("A password opens pages only. Send the token as Bearer.")
        if known.bucket is not None:
            wait_s = known.bucket.take(now)
            if wait_s:
                return _too_fast(wait_s)
        return principal

    def _remember(self, asked: _Asked, principal: Principal, left_s: float, kind: str) -> Decision:
        """Keep a decision that was made just now, and decide by it."""
        now = self._clock()
        bucket = self._bucket(f"{kind}:{principal.name}")
        until = now + min(left_s, _KEPT_S)
        known = _Known(principal, until, bucket, is_basic=asked.is_basic)
        if len(asked.said) <= _LONGEST_KEPT:
            if len(self._known) >= _MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[asked.said] = known
        return self._admit(known, asked.needed, asked.scope, now)

    def _bucket(self, whose: str) -> Bucket | None:
        if not self._options.rate:
            return None
        bucket = self._buckets.get(whose)
        if bucket is None:
            if len(self._buckets) >= _MOST_KEPT:
                del self._buckets[next(iter(self._buckets))]
            bucket = Bucket(self._options.rate, self._burst, self._clock())
            self._buckets[whose] = bucket
        return bucket

    # Those that are not.

    def _look_closely(
        self, said: bytes, needed: int, scope: Scope
    ) -> Decision | Awaitable[Decision]:
        read = read_authorization(said)
        if isinstance(read, Refusal):
            return read
        asked = _Asked(*read, said, needed, scope)
        if asked.token.startswith(MARK):
            return self._check_static(asked)
        if not self._options.oidc_issuer:
            return _refused("The token is none of this gateway.")
        return self._check_issued(asked, self._issuer())

    def _check_static(self, asked: _Asked) -> Decision:
        if self._tokens.problem:
            return _away("The tokens of this gateway cannot be read; its log says why.")
        kept = self._tokens.find(asked.token)
        if kept is None:
            return _refused("The token is none of this gateway.")
        left_s = _KEPT_S
        if kept.expires is not None:
            left_s = kept.expires.timestamp() - self._wall()
            if left_s <= 0:
                return _refused("The token has expired; get a new one.")
        return self._remember(asked, kept.principal, left_s, "token")

    def _check_issued(self, asked: _Asked, oidc: OidcTokens) -> Decision | Awaitable[Decision]:
        told = self._verify(asked, oidc)
        return self._ask_issuer(asked, oidc) if told is None else told

    async def _ask_issuer(self, asked: _Asked, oidc: OidcTokens) -> Decision:
        task = oidc.keys.refresh()
        if task is not None:
            # One who goes away must not stop it for the others.
            await asyncio.shield(task)
        told = self._verify(asked, oidc)
        if told is not None:
            return told
        if oidc.keys.are_usable:
            return _refused("The token is signed by a key that the issuer does not name.")
        return _away("The issuer of tokens does not give its keys; try again in a moment.")

    def _verify(self, asked: _Asked, oidc: OidcTokens) -> Decision | None:
        """Decide about an issuer's token; None if its key is missing."""
        from iris_ct.serving.access.oidc import TokenRefusedError

        try:
            verified = oidc.verify(asked.token)
        except TokenRefusedError as error:
            return _too_little(str(error)) if error.status == 403 else _refused(str(error))
        if verified is None:
            return None
        return self._remember(asked, *verified, "issued")

    def _issuer(self) -> OidcTokens:
        if self._oidc is None:
            # Cryptography takes a tenth of a second, which gateways without an issuer need not
            # pay, and the others pay when their workers are on their way.
            from iris_ct.serving.access.keys import KeySet
            from iris_ct.serving.access.oidc import OidcTokens

            keys = KeySet(self._options, clock=self._clock)
            self._oidc = OidcTokens(self._options, keys, wall=self._wall)
        return self._oidc

    def _without_token(self, headers: Headers) -> Refusal:
        if self._options.login_url:
            return Refusal(
                307, "Log in first.", {"location": self._options.login_url, **_NOT_KEPT}
            )
        challenge = _CHALLENGE
        if b"text/html" in headers.get(b"accept", b""):
            # A browser then asks for a name, which may be any, and a password: the token.
            challenge += ', Basic realm="ct: a token as password", charset="UTF-8"'
        return Refusal(
            401,
            "A token is needed: send 'Authorization: Bearer TOKEN'.",
            {"www-authenticate": challenge, **_NOT_KEPT},
        )

    def _check_local(self, scope: Scope, headers: Headers, now: float) -> Decision:
        host = headers.get(b"host", b"")
        if len(headers) != len(scope["headers"]) and _came_twice(scope, b"host"):
            return Refusal(400, "The header Host came twice.")
        if not self._is_own_host(host):
            return Refusal(
                403,
                "Without tokens the gateway is asked by a name of this machine's loopback address "
                "only, such as localhost. Create a token: ct token create NAME",
            )
        origin = headers.get(b"origin")
        if origin is not None and not is_own_page(origin, host):
            return Refusal(
                403,
                "Without tokens no page of another site is answered. Create a token: "
                "ct token create NAME",
            )
        if self._local_bucket is not None:
            wait_s = self._local_bucket.take(now)
            if wait_s:
                return _too_fast(wait_s)
        return LOCAL

    def _is_own_host(self, said: bytes) -> bool:
        known = self._hosts.get(said)
        if known is None:
            known = is_loopback(host_of(said))
            if len(self._hosts) < _MOST_HOSTS:
                self._hosts[said] = known
        return known

    def _look(self, now: float) -> None:
        self._look_at = now + _LOOK_S
        if self._tokens.look():
            self._is_on = bool(self._options.oidc_issuer) or self._tokens.is_used
            self._known.clear()
            if self._tokens.problem:
                _log.error("No static token counts: %s", self._tokens.problem)


def read_authorization(said: bytes) -> tuple[str, bool] | Refusal:
    """Take the token out of an ``Authorization`` header.

    Returns
    -------
    tuple or Refusal
        The token, and whether it came as the password of Basic.
    """
    if len(said) > _LONGEST:
        return Refusal(400, f"The token is longer than {_LONGEST >> 10} KB.")
    scheme, _, rest = said.strip().partition(b" ")
    text = rest.strip()
    is_basic = scheme.lower() == b"basic"
    if is_basic:
        try:
            text = base64.b64decode(text, validate=True).partition(b":")[2]
        except binascii.Error:
            return _refused("The header Authorization cannot be read.")
    elif scheme.lower() != b"bearer":
        return _refused("The header Authorization is not 'Bearer TOKEN'.")
    # RFC 6750: letters, digits and -._~+/=
    if not text or not text.isascii() or not text.decode().isprintable() or b" " in text:
        return _refused("The header Authorization holds no token.")
    return text.decode(), is_basic


_CHALLENGE = 'Bearer realm="ct"'
_NOT_KEPT = {"cache-control": "no-store"}


def _refused(text: str) -> Refusal:
    challenge = f'{_CHALLENGE}, error="invalid_token", error_description="{text}"'
    return Refusal(401, text, {"www-authenticate": challenge, **_NOT_KEPT})


def _too_little(text: str) -> Refusal:
    challenge = f'{_CHALLENGE}, error="insufficient_scope"'
    return Refusal(403, text, {"www-authenticate": challenge, **_NOT_KEPT})


def _too_fast(wait_s: float) -> Refusal:
    seconds = str(max(1, -int(-wait_s // 1)))
    return Refusal(429, f"Too many requests; try again in {seconds} s.", {"retry-after": seconds})


def _away(text: str) -> Refusal:
    return Refusal(503, text, {"retry-after": "5"})


def _came_twice(scope: Scope, name: bytes) -> bool:
    return [one for one, _ in scope["headers"]].count(name) > 1


def check_exposure(host: str, access: Access, *, has_tls: bool) -> str | None:
    """Refuse to listen wider than the loopback address when no token is needed.

    Returns
    -------
    str or None
        What the one who starts the gateway should know; None: nothing.

    Raises
    ------
    ConfigError
    """
    if is_loopback(host):
        return None
    if not access.is_on:
        raise ConfigError(
            f"CT_SERVE_HOST = {host!r} lets other machines in, and nobody needs a token. Create "
            "one first: ct token create NAME --role reader; or set CT_SERVE_OIDC_ISSUER and "
            "CT_SERVE_OIDC_AUDIENCE; or listen on 127.0.0.1."
        )
    if not has_tls:
        return (
            f"Tokens travel in clear text to {host}: set CT_SERVE_TLS_CERT and CT_SERVE_TLS_KEY, "
            "or let a proxy in front speak TLS."
        )
    return None
