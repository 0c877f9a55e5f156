"""Loopback or not: where the gateway listens, and by which name it was asked."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine and cannot be reached from another.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", "evil.org")]
    [True, True, True, False, False, False]
    """
    name = host.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(said: bytes) -> str:
    """Give the host of a ``Host`` header, without its port; empty for what is none.

    Examples
    --------
    >>> host_of(b"localhost:8080"), host_of(b"[::1]:8080"), host_of(b"127.0.0.1@evil.org")
    ('localhost', '::1', '')
    """
    text = said.decode("latin-1").strip()
    if not text or any(mark in text for mark in "/@?# \\,"):
        return ""
    try:
        return urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return ""


def is_own_page(origin: bytes, host: bytes) -> bool:
    """Tell whether an ``Origin`` header names a page of the host that was asked.

    Examples
    --------
    >>> is_own_page(b"http://localhost:8080", b"localhost:8080")
    True
    >>> is_own_page(b"http://localhost:3000", b"localhost:8080"), is_own_page(b"null", b"localhost")
    (False, False)
    """
    scheme, _, rest = origin.strip().lower().partition(b"://")
    return scheme in {b"http", b"https"} and rest == host.strip().lower()
