"""An issuer of our own, with real keys, that can do what a good one never does.

It signs whatever a test wants, forgets and changes its keys, goes away, and counts how often it is
asked. tests/serving/access/real_issuer.py has one that is not ours.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "urn:ct:serve"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(data: bytes) -> str:
    """Encode as parts of tokens are."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assembled(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Make a token by hand; header and claims may be anything."""
    parts = (
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    )
    return ".".join((*(b64(part) for part in parts), b64(signature)))


@dataclass
class Issuer:
    """What the server answers, and what it was asked.

    Attributes
    ----------
    keys
        By name; what the key set holds.
    asked
        How often each path was asked.
    status
        Of every answer; other than 200 it is broken.
    life_s
        Of tokens from the token endpoint.
    """

    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    algorithms: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    forms: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    life_s: float = 300.0
    discovered: dict[str, Any] = field(default_factory=dict)
    document: bytes | None = None
    refreshes: set[str] = field(default_factory=set)

    def add(self, name: str, key: PrivateKey, algorithm: str) -> None:
        """Take a key into the set."""
        self.keys[name], self.algorithms[name] = key, algorithm

    def claims(self, **others: Any) -> dict[str, Any]:
        """Give claims that count; None takes one away."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 300,
            "realm_access": {"roles": ["ct-reader"]},
        }
        return {name: value for name, value in {**usual, **others}.items() if value is not None}

    def token(self, name: str = "rsa", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token with one of the keys."""
        return jwt.encode(
            self.claims(**claims),
            self.keys[name],
            algorithm=self.algorithms[name],
            headers={"kid": name, **(header or {})},
        )

    def jwks(self) -> dict[str, Any]:
        """Give the key set."""
        return {
            "keys": [
                {**_public(key), "kid": name, "use": "sig", "alg": self.algorithms[name]}
                for name, key in self.keys.items()
            ]
        }

    def public_pem(self, name: str) -> bytes:
        """Give a public key as everybody may have it."""
        return (
            self.keys[name]
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    def answer(self, path: str) -> bytes:
        """Answer a GET."""
        if path == "/jwks":
            return self.document if self.document is not None else json.dumps(self.jwks()).encode()
        found = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.discovered}
        return json.dumps(found).encode()

    def give_token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request to the token endpoint."""
        self.forms.append(form)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refreshes:
                return 400, {"error": "invalid_grant"}
            self.refreshes.discard(form["refresh_token"])
        elif form.get("password") != "analytical":
            return 401, {"error": "invalid_grant"}
        refresh = f"refresh-{len(self.forms)}"
        self.refreshes.add(refresh)
        token = self.token(jti=str(len(self.forms)))
        return 200, {
            "access_token": token,
            "expires_in": self.life_s,
            "refresh_token": refresh,
            "token_type": "Bearer",
        }


def _public(key: PrivateKey) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return dict(RSAAlgorithm.to_jwk(public, as_dict=True))
    if isinstance(public, ec.EllipticCurvePublicKey):
        return dict(ECAlgorithm.to_jwk(public, as_dict=True))
    return dict(OKPAlgorithm.to_jwk(public, as_dict=True))


def make_rsa(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make a key."""
    return rsa.generate_private_key(65537, bits)


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Serve an issuer with a key of each kind."""
    issuer = Issuer()
    issuer.add("rsa", make_rsa(), "RS256")
    issuer.add("ec", ec.generate_private_key(ec.SECP256R1()), "ES256")
    issuer.add("ed", ed25519.Ed25519PrivateKey.generate(), "EdDSA")
    with serving(_handler(issuer)) as url:
        issuer.url = url
        yield issuer


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port of the loopback interface; give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            self.reply(issuer.status, issuer.answer(self.path))

        def do_POST(self) -> None:
            issuer.asked[self.path] += 1
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, told = issuer.give_token({name: said[0] for name, said in form.items()})
            self.reply(status, json.dumps(told).encode())

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
