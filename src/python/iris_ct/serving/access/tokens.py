"""Static tokens of one machine: ``<home>/serving/tokens.json``, which holds digests, no tokens.

A token is 256 random bits. A digest of so much chance cannot be guessed back, however fast it is
made, so one SHA-256 is enough; slow password hashes are for what people choose. For the same reason
a digest may be looked up in a dictionary: what the time of that tells is the beginning of a
digest, and nobody can make a token of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from iris_ct.core.errors import ConfigError, NameTakenError, UnknownTokenError
from iris_ct.serving.access.principal import EVERY_DOMAIN, RANKS, ROLES, Principal

MARK = "ct_"
"""What each token begins with, so that scanners for lost secrets find it."""

_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# Bytes; more is no file of ours.
_LONGEST = 16 << 20


@dataclass(frozen=True)
class StaticToken:
    """One token, without the token.

    Attributes
    ----------
    name
        Whose it is.
    sha256
        Digest of the token, in hexadecimal.
    role, domains
        As of `Principal`.
    created, expires
        UTC; None: it does not expire.
    """

    name: str
    sha256: str
    role: str
    domains: tuple[str, ...]
    created: datetime
    expires: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
        """
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"Token name {self.name[:80]!r} is wrong. Expected up to 64 letters, digits and "
                ". _ @ - with a letter or digit first."
            )
        if self.role not in RANKS:
            raise ConfigError(f"Token {self.name}: role {self.role!r} is none of {list(ROLES)}.")
        for domain in self.domains:
            if domain != EVERY_DOMAIN and not _DOMAIN.fullmatch(domain):
                raise ConfigError(
                    f"Token {self.name}: domain {domain[:80]!r} is wrong. Expected letters, digits "
                    "and . _ - or * for every domain."
                )
        for at in (self.created, self.expires):
            if at is not None and at.tzinfo is None:
                raise ConfigError(f"Token {self.name}: a time has no offset; write it in UTC.")

    @property
    def principal(self) -> Principal:
        """Who has it."""
        return Principal(self.name, self.role, self.domains)


class _File(msgspec.Struct):
    version: int
    tokens: list[StaticToken]


def tokens_path(home: Path) -> Path:
    """Give the file of a home."""
    return home / "serving" / "tokens.json"


def digest_of(token: str) -> str:
    """Give a token's digest."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> tuple[StaticToken, ...] | None:
    """Read the file.

    Returns
    -------
    tuple or None
        None: there is no file, so tokens are not in use; empty: they are, and there is none.

    Raises
    ------
    ConfigError
        If it cannot be read, is damaged, or others than its owner may write it.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o022:
                raise ConfigError(
                    f"{path} may be written by others than its owner, who could let anybody in. "
                    f"Look at it with 'ct token list', then: chmod 600 {path}"
                )
            text = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        found = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, ConfigError) as error:
        raise ConfigError(
            f"{path} is damaged: {error}. Restore it, or remove it and create the tokens anew."
        ) from error
    names = [token.name for token in found.tokens]
    if found.version != 1 or len(names) != len(set(names)):
        raise ConfigError(
            f"{path} is damaged: expected version 1 and each name once. Restore it, or remove it "
            "and create the tokens anew."
        )
    return tuple(found.tokens)


def create_token(
    home: Path,
    name: str,
    *,
    role: str,
    domains: tuple[str, ...],
    now: datetime,
    expires: datetime | None = None,
) -> tuple[str, StaticToken]:
    """Make a token and keep its digest.

    Returns
    -------
    tuple
        The token, which nobody can show again, and what is kept of it.

    Raises
    ------
    NameTakenError
        If there is one of that name.
    ConfigError
        If what is asked cannot be.
    """
    token = MARK + secrets.token_urlsafe(_BYTES)
    kept = StaticToken(name, digest_of(token), role, domains, now, expires)
    if expires is not None and expires <= now:
        raise ConfigError(f"Token {name}: it would have expired at {expires.isoformat()}.")
    with _changing(home) as tokens:
        if name in tokens:
            raise NameTakenError(
                f"There is a token {name!r} already. Choose another name, or delete it first: "
                f"ct token delete {name}"
            )
        tokens[name] = kept
    return token, kept


def delete_token(home: Path, name: str) -> None:
    """Forget a token; who has it is refused from then on.

    Raises
    ------
    UnknownTokenError
        If there is none of that name.
    """
    with _changing(home) as tokens:
        if name not in tokens:
            raise UnknownTokenError(f"There is no token {name!r}. See 'ct token list'.")
        del tokens[name]


@contextlib.contextmanager
def _changing(home: Path) -> Iterator[dict[str, StaticToken]]:
    """Read the file, let it be changed by one at a time, and put the new one in its place."""
    path = tokens_path(home)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_tokens(path) or ()
        tokens = {token.name: token for token in before}
        yield tokens
        _write(path, tokens)
    finally:
        os.close(lock)


def _write(path: Path, tokens: Mapping[str, StaticToken]) -> None:
    text = msgspec.json.format(msgspec.json.encode(_File(1, list(tokens.values()))), indent=2)
    draft = path.with_suffix(".new")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(file, 0o600)
        os.write(file, text + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)


class TokenFile:
    """The file as the gateway sees it: looked at now and then, read when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_used = False
        self.problem = ""
        self._seen: tuple[int, ...] | None = None
        self._by_digest: dict[str, StaticToken] = {}

    def look(self) -> bool:
        """Read the file if it is another than before; tell whether it was.

        A file that cannot be read lets nobody in, and one that is gone lets nobody in either:
        what was guarded once stays guarded until the gateway is started anew.
        """
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        self.problem = ""
        self._by_digest = {}
        try:
            tokens = read_tokens(self.path)
        except ConfigError as error:
            self.is_used = True
            self.problem = str(error)
            return True
        if tokens is not None:
            self.is_used = True
            self._by_digest = {token.sha256: token for token in tokens}
        return True

    def find(self, token: str) -> StaticToken | None:
        """Find what is kept of a token, expired or not."""
        return self._by_digest.get(digest_of(token))

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return (error.errno or 0,)
        return (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)


def expiry_after(text: str, now: datetime) -> datetime:
    """Read when something expires: after ``12h``, ``30d``, ``8w``, or at an ISO 8601 time.

    Examples
    --------
    >>> now = datetime(2026, 11, 21, tzinfo=UTC)
    >>> expiry_after("30d", now).isoformat(), expiry_after("2027-01-01", now).isoformat()
    ('2026-12-21T00:00:00+00:00', '2027-01-01T00:00:00+00:00')
    """
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip())
    try:
        if match:
            hours = int(match[1]) * {"h": 1, "d": 24, "w": 168}[match[2]]
            return datetime.fromtimestamp(now.timestamp() + hours * 3600, UTC)
        at = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{text[:80]!r} is no expiry. Expected hours, days or weeks such as 12h, 30d, 8w, or "
            "a time such as 2027-01-31."
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
