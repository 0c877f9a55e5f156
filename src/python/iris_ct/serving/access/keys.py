"""The issuer's public keys: fetched, kept, and asked for again when a token names a new one.

How often the issuer is asked is decided here and by nobody's tokens: a flood of made-up key names
causes one request each half minute.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import IO, Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from iris_ct.core.errors import ConfigError
from iris_ct.serving.access.options import AccessOptions, check_url

_log = logging.getLogger(__name__)

# Seconds the issuer has to answer one request.
_ANSWER_S = 5.0
# Seconds after which keys are fetched anew, so that one that was withdrawn goes.
_FRESH_S = 600.0
# Seconds between two fetches that unknown keys cause, and after one that failed.
_UNKNOWN_S = 30.0
_RETRY_S = 5.0
# Bytes and keys of a document; more is no key set.
_LONGEST = 1 << 20
_MOST_KEYS = 100
# Fewer bits can be broken (NIST SP 800-131A, 2019).
_LEAST_RSA_BITS = 2048

_KINDS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}

_PUBLIC = frozenset({"kty", "crv", "x", "y", "n", "e"})

Keys = Mapping[tuple[str, str], jwt.PyJWK]
Fetch = Callable[[str], bytes]


class IssuerAwayError(Exception):
    """The issuer did not give its keys; the text names no token."""


class KeySet:
    """Keys by name and algorithm; belongs to one event loop, fetched in a thread.

    Parameters
    ----------
    fetch
        Gets a document; default over HTTP.
    clock
        Seconds that never go back.
    """

    def __init__(
        self, options: AccessOptions, *, clock: Callable[[], float], fetch: Fetch | None = None
    ) -> None:
        self._options, self._clock = options, clock
        self._fetch = fetch or _fetcher(options)
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def are_usable(self) -> bool:
        """Whether there are keys that are not too old."""
        age = self._age
        return age is not None and age <= max(_FRESH_S, self._options.oidc_stale_s)

    def find(self, name: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Find the key of a token; a token without a key name may have the only one there is."""
        if not self.are_usable:
            return None
        if name is not None:
            return self._keys.get((name, algorithm))
        fitting = [key for (_, made_for), key in self._keys.items() if made_for == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def refresh_if_old(self) -> None:
        """Fetch keys beside the requests when they are no longer fresh."""
        age = self._age
        if (age is None or age > _FRESH_S) and self._may_try(_RETRY_S):
            self._start()

    def refresh(self) -> asyncio.Task[None] | None:
        """Fetch keys because one is missing; None if it is too early to ask again."""
        if self._task is not None:
            return self._task
        needs = self._age is None or self._failed
        return self._start() if self._may_try(_RETRY_S if needs else _UNKNOWN_S) else None

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._task is not None:
            await self._task

    @property
    def _age(self) -> float | None:
        return None if self._fetched_at is None else self._clock() - self._fetched_at

    def _may_try(self, pause_s: float) -> bool:
        tried = self._tried_at
        return self._task is None and (tried is None or self._clock() - tried >= pause_s)

    def _start(self) -> asyncio.Task[None]:
        self._tried_at = self._clock()
        self._task = asyncio.get_running_loop().create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        try:
            keys = await asyncio.to_thread(self._load)
        except IssuerAwayError as error:
            if not self._failed:
                kept = "Those from before are used meanwhile." if self.are_usable else ""
                _log.warning("The keys of the issuer cannot be fetched: %s %s", error, kept)
            self._failed = True
        else:
            self._keys, self._fetched_at = keys, self._clock()
            self._failed = False
        finally:
            self._task = None

    def _load(self) -> Keys:
        url = self._options.oidc_jwks_url or self._discovered()
        return read_keys(self._fetch(url), self._options.algorithms, source=url)

    def _discovered(self) -> str:
        issuer = self._options.oidc_issuer
        url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
        document = _decode(self._fetch(url), url)
        if document.get("issuer") != issuer:
            raise IssuerAwayError(
                f"{url} names another issuer than CT_SERVE_OIDC_ISSUER. Set exactly what it names."
            )
        found = document.get("jwks_uri")
        if not isinstance(found, str):
            raise IssuerAwayError(f"{url} has no jwks_uri.")
        try:
            check_url("oidc_jwks_url", found, allow_http=self._options.oidc_http)
        except ConfigError as error:
            raise IssuerAwayError(f"{url}: its jwks_uri is not taken. {error}") from error
        return found


def read_keys(text: bytes, algorithms: tuple[str, ...], *, source: str) -> Keys:
    """Read a key set.

    Keys that are not for signatures, of other kinds, or too weak are left out; symmetric ones
    always are, since whoever knows one could sign.

    Returns
    -------
    mapping
        By key name (empty where it has none) and algorithm. A key without an algorithm of its own
        is there once for each that fits its kind.

    Raises
    ------
    IssuerAwayError
        If the document is no key set or holds no key that is taken.
    """
    said = _decode(text, source).get("keys")
    if not isinstance(said, list):
        raise IssuerAwayError(f"{source} is no key set: it has no list 'keys'.")
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    for one in said[:_MOST_KEYS]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        for algorithm in algorithms:
            key = _key(one, algorithm)
            if key is not None:
                keys[str(one.get("kid", "")), algorithm] = key
    if not keys:
        raise IssuerAwayError(f"{source} holds no key for any of {', '.join(algorithms)}.")
    return keys


def _key(said: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    kind, curve = _KINDS[algorithm]
    if said.get("kty") != kind or said.get("alg", algorithm) != algorithm:
        return None
    if curve is not None and said.get("crv") != curve:
        return None
    # A private part has no place here, and would be kept in memory.
    public = {name: part for name, part in said.items() if name in _PUBLIC}
    try:
        key = jwt.PyJWK(public, algorithm)
    except jwt.PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key


def _decode(text: bytes, source: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise IssuerAwayError(f"{source} is not a JSON object.") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead where keys must not come from."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> None:
        return None


def _fetcher(options: AccessOptions) -> Fetch:
    try:
        trusted = ssl.create_default_context(
            cafile=str(options.oidc_ca) if options.oidc_ca is not None else None
        )
    except OSError as error:
        raise ConfigError(
            f"CT_SERVE_OIDC_CA: {options.oidc_ca} cannot be read: {error}."
        ) from error
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=trusted))

    def fetch(url: str) -> bytes:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked by check_url
        try:
            with opener.open(request, timeout=_ANSWER_S) as answer:
                text: bytes = answer.read(_LONGEST + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise IssuerAwayError(f"{url} answered {error.code}.") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise IssuerAwayError(f"{url} does not answer: {reason}.") from error
        if len(text) > _LONGEST:
            raise IssuerAwayError(f"{url} is longer than {_LONGEST >> 20} MB.")
        return text

    return fetch
