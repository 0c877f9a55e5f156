"""Tokens of an issuer: which count, which do not, and how often the issuer is asked."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.serving.access.asking import Door, door, status
from tests.serving.access.issuer import AUDIENCE, Issuer, assembled, b64, make_rsa

from iris_ct.serving.access import AccessOptions, Principal, Refusal
from iris_ct.serving.access.tokens import create_token

ASKED = ("POST", "/invocations")


def options(issuer: Issuer, **more: Any) -> AccessOptions:
    # A home without a file of tokens.
    home = Path("/nonexistent")
    said = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_skew_s": 5.0, **more}
    return AccessOptions(home=home, **said)


@contextmanager
def trusting(issuer: Issuer, **more: Any) -> Iterator[Door]:
    with door(options(issuer, **more)) as at:
        yield at


@pytest.mark.parametrize("name", ["rsa", "ec", "ed"])
def test_a_token_of_the_issuer_counts(issuer: Issuer, name: str) -> None:
    with trusting(issuer) as at:
        assert at.ask(*ASKED, issuer.token(name)) == Principal("ada", "reader", ("*",))


def test_a_token_is_verified_once_and_remembered(issuer: Issuer) -> None:
    token = issuer.token()
    with trusting(issuer) as at:
        first = at.ask(*ASKED, token)
        # Without its keys nothing could be verified again.
        oidc = at.access._oidc
        assert oidc is not None
        oidc.keys._keys = {}
        assert at.ask(*ASKED, token) is first
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/jwks": 1}


def test_what_is_remembered_does_not_outlive_the_token(issuer: Issuer) -> None:
    token = issuer.token(exp=int(time.time()) + 10)
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, token)) == 200
        (known,) = at.access._known.values()
        # Until it expires, and for as long as the clocks may differ; not for a minute.
        assert 0 < known.until - at.clock.at <= 15.0
        oidc = at.access._oidc
        assert oidc is not None
        oidc.keys._keys = {}
        at.later(15.1)
        assert status(at.ask(*ASKED, token)) == 401


def refused(at: Door, token: str, why: str, code: int = 401) -> None:
    told = at.ask(*ASKED, token)
    assert isinstance(told, Refusal), "it was taken"
    assert told.status == code
    assert why in told.text
    parts = [part for part in token.split(".") if len(part) > 5]
    said = told.text + repr(told.headers) + told.body.decode()
    assert not [part for part in parts if part in said], "the answer holds the token"


def test_tokens_of_the_wrong_time_issuer_or_audience_are_refused(issuer: Issuer) -> None:
    now = int(time.time())
    with trusting(issuer) as at:
        refused(at, issuer.token(exp=now - 60), "expired")
        refused(at, issuer.token(nbf=now + 60), "not valid yet")
        refused(at, issuer.token(iat=now + 60), "not valid yet")
        refused(at, issuer.token(aud="urn:other"), "another audience")
        refused(at, issuer.token(aud=["a", "b"]), "another audience")
        refused(at, issuer.token(iss="https://evil.example"), "another issuer")
        refused(at, issuer.token(iss=issuer.url + "/"), "another issuer")
        for claim in ("exp", "iss", "aud"):
            without: dict[str, Any] = {claim: None}
            refused(at, issuer.token(**without), "lacks one of")
        # Clocks may differ by five seconds, and the audience may be one of several.
        assert status(at.ask(*ASKED, issuer.token(exp=now - 2))) == 200
        assert status(at.ask(*ASKED, issuer.token(nbf=now + 3, aud=["x", AUDIENCE]))) == 200


def test_a_forged_signature_is_refused(issuer: Issuer) -> None:
    token = issuer.token()
    header, claims, signature = token.split(".")
    richer = b64(json.dumps(issuer.claims(realm_access={"roles": ["ct-admin"]})).encode())
    turned = b64(bytes(256))
    by_another = jwt.encode(issuer.claims(), make_rsa(), "RS256", headers={"kid": "rsa"})
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, token)) == 200
        refused(at, f"{header}.{richer}.{signature}", "signature is wrong")
        refused(at, f"{header}.{claims}.{turned}", "signature is wrong")
        refused(at, f"{header}.{claims}.", "signature is wrong")
        refused(at, by_another, "signature is wrong")
        other_key = b64(json.dumps({"alg": "RS256", "kid": "ec"}).encode())
        refused(at, f"{other_key}.{claims}.{signature}", "does not name")


def test_algorithms_cannot_be_confused(issuer: Issuer) -> None:
    pem = issuer.public_pem("rsa")

    def symmetric(algorithm: str, digest: Any, **header: Any) -> str:
        unsigned = assembled({"alg": algorithm, "kid": "rsa", **header}, issuer.claims())
        body = unsigned.rpartition(".")[0]
        return f"{body}.{b64(hmac.new(pem, body.encode(), digest).digest())}"

    with trusting(issuer) as at:
        refused(at, symmetric("HS256", hashlib.sha256), "not signed by any of")
        refused(at, symmetric("HS512", hashlib.sha512), "not signed by any of")
        # Called asymmetric, the same bytes are no signature of that kind.
        refused(at, symmetric("RS256", hashlib.sha256), "signature is wrong")
        for none in ("none", "None", "NONE", "", None, 7, ["RS256"], {"a": 1}):
            token = assembled({"alg": none, "kid": "rsa"}, issuer.claims())
            told = at.ask(*ASKED, token)
            assert status(told) == 401, none
        refused(at, assembled({"kid": "rsa"}, issuer.claims()), "not")
        # PS256 by the key that is for RS256.
        pss = jwt.encode(issuer.claims(), issuer.keys["rsa"], "PS256", headers={"kid": "rsa"})
        refused(at, pss, "does not name")
    with trusting(issuer, oidc_algorithms="ES256") as at:
        refused(at, issuer.token("rsa"), "not signed by any of ES256")
        assert status(at.ask(*ASKED, issuer.token("ec"))) == 200


@pytest.mark.parametrize(
    "kid",
    [
        *("../../../../dev/null", "/etc/passwd", "' OR 1=1 --", "rsa\x00", "RSA", "", "x" * 201),
        *("http://evil.example/jwks", "\u202e", 7, None, ["rsa"], {"a": "b"}),
    ],
)
def test_the_name_of_a_key_is_only_a_name(issuer: Issuer, kid: Any) -> None:
    token = assembled({"alg": "RS256", "kid": kid}, issuer.claims(), bytes(256))
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, token)) == 401
    assert set(issuer.asked) == {"/.well-known/openid-configuration", "/jwks"} or not issuer.asked


def test_keys_in_the_token_are_not_taken(issuer: Issuer) -> None:
    own = make_rsa()
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    with trusting(issuer) as at:
        for header in (
            {"jwk": public},
            {"jku": f"{issuer.url}/evil"},
            {"x5u": "https://e.example"},
        ):
            token = jwt.encode(issuer.claims(), own, "RS256", headers={"kid": "rsa", **header})
            refused(at, token, "signature is wrong")
    assert "/evil" not in issuer.asked


def test_what_is_critical_or_of_another_kind_is_refused(issuer: Issuer) -> None:
    with trusting(issuer) as at:
        for crit in (["exp"], ["b64"], [], None):
            token = issuer.token(header={"crit": crit, "x": 1})
            assert status(at.ask(*ASKED, token)) == 401
        refused(at, issuer.token(header={"typ": "logout+jwt"}), "of a kind that is taken")
        assert status(at.ask(*ASKED, issuer.token(header={"typ": "at+jwt"}))) == 200


def test_what_has_not_the_form_of_a_token_is_refused(issuer: Issuer) -> None:
    deep = b"[" * 9000
    nested = b'{"alg":"RS256","kid":' + b"[" * 5000 + b"]" * 5000 + b"}"
    with trusting(issuer) as at:
        for token in (
            *("a", "a.b", "a.b.c", "....", "a.b.c.d.e", "=.=.=", "e30.e30.", "e30.e30.e30"),
            *(assembled(deep, b"{}"), assembled(nested, b"{}"), assembled(b"[]", b"[]")),
            *(assembled({"alg": "RS256"}, b"\xff\xfe"), assembled(b"1" * 6000, b"{}")),
        ):
            assert status(at.ask(*ASKED, token)) == 401
        assert status(at.ask(*ASKED, "x" * (17 << 10))) == 400


def test_a_token_without_a_key_name_needs_the_only_key_there_is(issuer: Issuer) -> None:
    token = jwt.encode(issuer.claims(), issuer.keys["rsa"], "RS256")
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, token)) == 200
    issuer.add("rsa2", make_rsa(), "RS256")
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, token)) == 401


# Claims.


def test_roles_and_domains_come_from_the_claims(issuer: Issuer) -> None:
    with trusting(issuer, oidc_domain_claim="groups") as at:

        def who(**claims: Any) -> Any:
            return at.ask(*ASKED, issuer.token(**claims))

        keycloak = {"roles": ["default-roles", "ct-reader", "ct-admin", "admin"]}
        told = who(realm_access=keycloak, groups=["/loans", "cards"], preferred_username="ada l")
        assert told == Principal("ada l", "admin", ("loans", "cards"))
        # A claim of domains that is missing gives none.
        assert who() == Principal("ada", "reader", ())
        assert who(groups="a b").domains == ("a", "b")
        assert who(groups=["*"]).sees_all
        assert who(groups={"a": 1}).domains == ()
        for roles in (["admin"], [], "ct-readers", None, {"ct-admin": 1}, [["ct-admin"]], 7):
            assert status(who(realm_access={"roles": roles})) == 403
        for access in (None, "ct-admin", ["ct-admin"], 7):
            assert status(who(realm_access=access)) == 403


def test_the_claims_may_have_other_names(issuer: Issuer) -> None:
    more = {
        "oidc_role_claim": "https://ct.example/roles",
        "oidc_roles": "boss = admin, hand=reader",
    }
    with trusting(issuer, **more, oidc_name_claim="email") as at:
        claims: dict[str, Any] = {"https://ct.example/roles": "hand boss", "email": "a@b.example"}
        assert at.ask(*ASKED, issuer.token(**claims)) == Principal("a@b.example", "admin", ("*",))
        assert status(at.ask(*ASKED, issuer.token())) == 403
    with trusting(issuer, oidc_role_claim="scope", oidc_roles="ct.read=reader") as at:
        assert status(at.ask(*ASKED, issuer.token(scope="openid ct.read"))) == 200


def test_a_name_that_would_spoil_a_log_is_not_taken(issuer: Issuer) -> None:
    with trusting(issuer) as at:
        told = at.ask(*ASKED, issuer.token(preferred_username="a\nb", sub="ada"))
        assert isinstance(told, Principal)
        assert told.name == "ada"
        refused(at, issuer.token(sub=None), "names nobody")
        assert len(at.ask(*ASKED, issuer.token(preferred_username="x" * 999)).name) == 128  # type: ignore[union-attr]  # it counts


# Keys.


def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(issuer: Issuer) -> None:
    before = issuer.token("rsa")
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, before)) == 200
        issuer.add("new", make_rsa(), "RS256")
        del issuer.keys["rsa"]
        at.later(31.0)
        assert status(at.ask(*ASKED, issuer.token("new"))) == 200
        assert issuer.asked["/jwks"] == 2
        # It was remembered for a minute at most, and its key is gone.
        at.later(61.0)
        assert status(at.ask(*ASKED, before)) == 401


def test_a_flood_of_unknown_key_names_does_not_flood_the_issuer(issuer: Issuer) -> None:
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, issuer.token())) == 200
        at.later(31.0)
        flood = [issuer.token(header={"kid": f"made-up-{number}"}) for number in range(50)]
        told = at.ask_all([(*ASKED, token) for token in flood])
        assert {status(one) for one in told} == {401}
        assert issuer.asked["/jwks"] == 2
        for token in flood:
            at.later(0.5)
            assert status(at.ask(*ASKED, token)) == 401
        assert issuer.asked["/jwks"] == 2
        # Those whose key is there are answered meanwhile.
        assert status(at.ask(*ASKED, issuer.token("ec"))) == 200


def test_keys_are_renewed_beside_the_requests(issuer: Issuer) -> None:
    with trusting(issuer) as at:
        at.ask(*ASKED, issuer.token())
        at.later(601.0)
        assert status(at.ask(*ASKED, issuer.token(jti="2"))) == 200
        at.settle()
        assert issuer.asked["/jwks"] == 2


def test_old_keys_are_used_while_the_issuer_is_away_but_not_for_ever(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    with trusting(issuer, oidc_stale_s=3600.0) as at, caplog.at_level(logging.WARNING):
        at.ask(*ASKED, issuer.token())
        issuer.status = 500
        for number in range(4):
            at.later(800.0)
            assert status(at.ask(*ASKED, issuer.token(jti=str(number)))) == 200
            at.settle()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "answered 500" in caplog.text
        at.later(800.0)
        told = at.ask(*ASKED, issuer.token())
        assert isinstance(told, Refusal)
        assert (told.status, told.headers) == (503, {"retry-after": "5"})
        issuer.status = 200
        at.later(5.1)
        assert status(at.ask(*ASKED, issuer.token())) == 200


def test_an_issuer_that_is_away_at_first_is_asked_again_but_not_at_once(issuer: Issuer) -> None:
    issuer.status = 503
    with trusting(issuer) as at:
        assert [status(at.ask(*ASKED, issuer.token())) for _ in range(20)] == [503] * 20
        assert issuer.asked["/.well-known/openid-configuration"] == 1
        issuer.status = 200
        at.later(5.1)
        assert status(at.ask(*ASKED, issuer.token())) == 200


@pytest.mark.parametrize(
    "found",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://evil.example/jwks"},
        {"jwks_uri": 7},
        {"jwks_uri": None},
    ],
)
def test_a_discovery_document_that_leads_astray_is_not_followed(
    issuer: Issuer, found: dict[str, Any]
) -> None:
    issuer.discovered = found
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, issuer.token())) == 503


def test_redirects_are_not_followed(issuer: Issuer) -> None:
    issuer.status = 302
    with trusting(issuer, oidc_jwks_url=f"{issuer.url}/jwks") as at:
        assert status(at.ask(*ASKED, issuer.token())) == 503
    assert issuer.asked == {"/jwks": 1}


def test_keys_may_be_where_a_setting_says(issuer: Issuer) -> None:
    with trusting(issuer, oidc_jwks_url=f"{issuer.url}/jwks") as at:
        assert status(at.ask(*ASKED, issuer.token())) == 200
    assert issuer.asked == {"/jwks": 1}


def test_keys_that_must_not_be_used_are_left_out(issuer: Issuer) -> None:
    secret = b64(b"k" * 32)
    issuer.add("weak", make_rsa(1024), "RS256")
    issuer.add("curve", ec.generate_private_key(ec.SECP384R1()), "ES256")
    keys = issuer.jwks()["keys"]
    keys += [
        {"kty": "oct", "kid": "shared", "k": secret, "alg": "HS256"},
        {"kty": "oct", "kid": "rs", "k": secret, "alg": "RS256"},
        {**keys[0], "kid": "encrypts", "use": "enc"},
        {"kty": "RSA", "kid": "broken", "n": "?", "e": "AQAB"},
        "nonsense",
    ]
    issuer.document = json.dumps({"keys": keys}).encode()
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, issuer.token())) == 200
        for name in ("weak", "encrypts", "broken", "rs"):
            refused(at, issuer.token(header={"kid": name}), "does not name")
        oidc = at.access._oidc
        assert oidc is not None
        assert {name for name, _ in oidc.keys._keys} == {"rsa", "ec", "ed"}


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b" " * ((1 << 20) + 1)],
)
def test_a_document_that_is_no_key_set_counts_as_none(issuer: Issuer, document: bytes) -> None:
    issuer.document = document
    with trusting(issuer) as at:
        assert status(at.ask(*ASKED, issuer.token())) == 503


def test_static_tokens_count_beside_an_issuer(issuer: Issuer, tmp_path: Path) -> None:
    at_noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    token, _ = create_token(tmp_path, "ci", role="admin", domains=("*",), now=at_noon)
    said: dict[str, Any] = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    with door(AccessOptions(home=tmp_path, **said)) as at:
        assert at.ask(*ASKED, token) == Principal("ci", "admin", ("*",))
        assert status(at.ask(*ASKED, issuer.token())) == 200
        assert status(at.ask(*ASKED, "ct_" + "x" * 43)) == 401


def test_no_token_is_logged(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    tokens = [
        issuer.token(),
        issuer.token(exp=1),
        issuer.token(header={"kid": "none"}),
        "ct_abcdef",
    ]
    with caplog.at_level(logging.DEBUG), trusting(issuer) as at:
        for token in tokens:
            at.ask(*ASKED, token)
        issuer.status = 500
        at.later(700.0)
        at.ask(*ASKED, tokens[0])
        at.settle()
    assert caplog.records
    assert not [part for token in tokens for part in token.split(".") if part in caplog.text]
