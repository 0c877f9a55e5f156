"""Who may what: roles, domains, rates, and a gateway without tokens."""

from __future__ import annotations

import base64
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.serving.access.asking import LOCALHOST, door, status

from iris_ct.config import Settings
from iris_ct.core.errors import ConfigError
from iris_ct.serving.access import (
    LOCAL,
    NOBODY,
    Access,
    AccessOptions,
    Principal,
    Refusal,
    check_exposure,
)
from iris_ct.serving.access.tokens import create_token
from iris_ct.serving.options import read_options

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only checked, never bound
NOW = datetime(2026, 11, 21, tzinfo=UTC)

# Method, path, and the least role that may.
NEEDS = [
    ("GET", "/healthz", ""),
    ("GET", "/readyz", ""),
    ("GET", "/ping", ""),
    ("GET", "/v2/health/ready", ""),
    ("POST", "/model-endpoints/bikes", "reader"),
    ("POST", "/api/v1.0/predictions", "reader"),
    ("POST", "/v2/models/bikes/infer", "reader"),
    ("POST", "/invocations", "reader"),
    ("POST", "/feedback", "reader"),
    ("GET", "/metrics", "reader"),
    ("GET", "/prometheus/", "reader"),
    ("GET", "/", "reader"),
    ("GET", "/openapi.json", "reader"),
    ("GET", "/v1/model-services", "reader"),
    ("GET", "/v1/authors", "reader"),
    ("POST", "/v1/model-services", "operator"),
    ("PATCH", "/v1/model-services/bikes", "operator"),
    ("DELETE", "/v1/models/a/1.0.0", "operator"),
    ("POST", "/v1/authors/verify", "reader"),
    ("POST", "/v1/authors", "admin"),
    ("DELETE", "/v1/authors/ada", "admin"),
    ("DELETE", "/v1/authors/", "admin"),
    ("POST", "/v1/tokens", "admin"),
    # What nobody foresaw and may change something.
    ("POST", "/whatever", "operator"),
    ("PUT", "/v2/models/bikes", "operator"),
    ("DELETE", "/model-endpoints/bikes", "operator"),
    ("POST", "//invocations", "operator"),
    ("GET", "/healthz/../v1/models", "reader"),
    ("DELETE", "/healthz", "operator"),
]
ROLES = ["", "reader", "operator", "admin"]


def make(home: Path, name: str, role: str = "reader", domains: tuple[str, ...] = ("*",)) -> str:
    return create_token(home, name, role=role, domains=domains, now=NOW)[0]


@pytest.mark.parametrize(("method", "path", "least"), NEEDS)
def test_each_path_needs_its_role(tmp_path: Path, method: str, path: str, least: str) -> None:
    tokens = {role: make(tmp_path, role, role) for role in ROLES[1:]}
    with door(AccessOptions(home=tmp_path)) as at:
        for role in ROLES:
            told = at.ask(method, path, tokens.get(role))
            if ROLES.index(role) >= ROLES.index(least):
                assert told == (NOBODY if not least else Principal(role, role, ("*",)))
            else:
                assert status(told) == (403 if role else 401), (role, told)


def test_a_refusal_says_which_role_is_needed(tmp_path: Path) -> None:
    token = make(tmp_path, "ci")
    with door(AccessOptions(home=tmp_path)) as at:
        told = at.ask("POST", "/v1/models", token)
    assert isinstance(told, Refusal)
    assert told.body == b'{"error":"This needs the role operator; yours is reader."}'
    assert 'error="insufficient_scope"' in told.headers["www-authenticate"]


def test_metrics_are_for_those_who_see_every_domain_or_for_all(tmp_path: Path) -> None:
    everywhere, loans = make(tmp_path, "a"), make(tmp_path, "b", "admin", ("loans",))
    with door(AccessOptions(home=tmp_path)) as at:
        for path in ("/metrics", "/metrics/", "/prometheus"):
            told = [status(at.ask("GET", path, token)) for token in (everywhere, loans, None)]
            assert told == [200, 403, 401]
    with door(AccessOptions(home=tmp_path, metrics_open=True)) as at:
        assert [at.ask("GET", "/metrics", t) for t in (everywhere, loans, None)] == [NOBODY] * 3
        assert status(at.ask("GET", "/v1/models")) == 401


def test_a_principal_may_use_its_domains_and_what_is_in_none() -> None:
    loans = Principal("x", "reader", ("loans", "cards"))
    assert [loans.may(d) for d in ("loans", "cards", "", "bikes", "*", "loan")] == [
        *(True, True, True),
        *(False, False, False),
    ]
    assert Principal("x", "reader", ("*",)).may("anything")
    assert not Principal("x", "reader").may("loans")


def test_without_a_token_one_is_told_how_or_sent_to_the_login(tmp_path: Path) -> None:
    make(tmp_path, "ci")
    with door(AccessOptions(home=tmp_path)) as at:
        told = at.ask("POST", "/invocations")
        assert isinstance(told, Refusal)
        assert (told.status, told.headers["www-authenticate"]) == (401, 'Bearer realm="ct"')
    with door(AccessOptions(home=tmp_path, login_url="https://login.example/auth")) as at:
        told = at.ask("POST", "/model-endpoints/bikes")
        assert isinstance(told, Refusal)
        assert (told.status, told.headers["location"]) == (307, "https://login.example/auth")
        # One with a token that does not count gets a new one by itself, not by a page.
        assert status(at.ask("POST", "/model-endpoints/bikes", "ct_wrong")) == 401


def test_a_browser_is_asked_for_the_token_and_may_only_look(tmp_path: Path) -> None:
    token = make(tmp_path, "ada", "admin")
    basic = (b"authorization", b"Basic " + base64.b64encode(f"any:{token}".encode()))
    with door(AccessOptions(home=tmp_path)) as at:
        told = at.ask("GET", "/", None, LOCALHOST, (b"accept", b"text/html,*/*"))
        assert isinstance(told, Refusal)
        assert "Basic realm=" in told.headers["www-authenticate"]
        assert status(at.ask("GET", "/", None, LOCALHOST, basic)) == 200
        assert status(at.ask("POST", "/v1/models", None, LOCALHOST, basic)) == 403
        assert status(at.ask("GET", "/", None, LOCALHOST, basic)) == 200
        assert status(at.ask("POST", "/v1/models", token)) == 200


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", 401),
        (b"Bearer", 401),
        (b"Bearer ", 401),
        (b"Bearer a b", 401),
        (b"Bearer \xff\xfe", 401),
        (b"Bearer a\x00b", 401),
        (b"Digest abc", 401),
        (b"Basic !!!", 401),
        (b"Basic Og==", 401),
        (b"Bearer " + b"x" * (16 << 10), 400),
        (b"Bearer a.b.c", 401),
        (b"Bearer ct_", 401),
    ],
)
def test_what_is_no_token_is_refused(tmp_path: Path, said: bytes, expected: int) -> None:
    make(tmp_path, "ci")
    with door(AccessOptions(home=tmp_path)) as at:
        told = at.ask("POST", "/invocations", None, LOCALHOST, (b"authorization", said))
        assert status(told) == expected


def test_two_authorization_headers_are_refused_in_either_order(tmp_path: Path) -> None:
    token = make(tmp_path, "ci").encode()
    good, bad = (b"authorization", b"Bearer " + token), (b"authorization", b"Bearer x")
    with door(AccessOptions(home=tmp_path)) as at:
        for pair in ((good, bad), (bad, good), (good, good)):
            assert status(at.ask("POST", "/invocations", None, LOCALHOST, *pair)) == 400
        # Other headers may come twice.
        twice = ((b"x-forwarded-for", b"a"), (b"x-forwarded-for", b"b"))
        assert status(at.ask("POST", "/invocations", None, LOCALHOST, good, *twice)) == 200


def test_one_who_asks_too_fast_waits_alone(tmp_path: Path) -> None:
    fast, slow = make(tmp_path, "fast"), make(tmp_path, "slow")
    with door(AccessOptions(home=tmp_path, rate=2.0, rate_burst=3)) as at:
        told = [at.ask("POST", "/invocations", fast) for _ in range(4)]
        assert [status(one) for one in told] == [200, 200, 200, 429]
        assert isinstance(told[3], Refusal)
        assert told[3].headers == {"retry-after": "1"}
        assert status(at.ask("POST", "/invocations", slow)) == 200
        assert status(at.ask("GET", "/healthz", fast)) == 200
        at.later(0.5)
        assert [status(at.ask("POST", "/invocations", fast)) for _ in range(2)] == [200, 429]
        # What is remembered of a token ends after a minute; its bucket does not.
        at.later(59.0)
        assert [status(at.ask("POST", "/invocations", fast)) for _ in range(3)] == [200] * 3
        at.later(1.4)
        codes = [status(at.ask("POST", "/invocations", fast)) for _ in range(3)]
        assert codes == [200, 200, 429]


def test_without_tokens_this_machine_may_everything(tmp_path: Path) -> None:
    with door(AccessOptions(home=tmp_path)) as at:
        assert at.ask("DELETE", "/v1/authors/ada") == LOCAL
        for host in (b"localhost", b"127.0.0.1:8080", b"[::1]:80", b"LOCALHOST.:1", b"127.9.9.9"):
            assert at.ask("GET", "/", None, (b"host", host)) == LOCAL
        # Whoever sends a token there needs none.
        assert at.ask("GET", "/", "ct_whatever") == LOCAL


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"evil.example",
            b"evil.example:8080",
            b"localhost.evil.example",
            b"",
            EVERYWHERE.encode(),
        ),
        *(b"127.0.0.1.nip.io", b"127.0.0.1@evil.example", b"evil.example#localhost", b"10.0.0.1"),
        *(b"localhost/evil", b"localhost:8080, evil", b"[::1", b"2130706433x", b"\xff"),
    ],
)
def test_a_foreign_name_for_this_machine_is_refused(tmp_path: Path, host: bytes) -> None:
    """A page whose name was made to lead here is of another site (DNS rebinding)."""
    with door(AccessOptions(home=tmp_path)) as at:
        assert status(at.ask("POST", "/v1/models", None, (b"host", host))) == 403


def test_pages_of_other_sites_are_refused_without_tokens(tmp_path: Path) -> None:
    with door(AccessOptions(home=tmp_path)) as at:

        def asked_by(origin: bytes) -> int:
            return status(at.ask("POST", "/v1/models", None, LOCALHOST, (b"origin", origin)))

        assert asked_by(b"http://localhost:8080") == 200
        foreign = (b"https://evil.example", b"null", b"http://localhost:3000", b"file://")
        assert [asked_by(origin) for origin in foreign] == [403] * 4
        assert status(at.ask("GET", "/", None, LOCALHOST, (b"host", b"evil"))) == 400


def test_many_host_names_take_no_memory(tmp_path: Path) -> None:
    with door(AccessOptions(home=tmp_path)) as at:
        for number in range(500):
            at.ask("GET", "/", None, (b"host", b"evil%d.example" % number))
        assert len(at.access._hosts) <= 64


def test_it_does_not_listen_wider_without_tokens(tmp_path: Path) -> None:
    access = Access(AccessOptions(home=tmp_path))
    for host in ("127.0.0.1", "localhost", "::1", "[::1]"):
        assert check_exposure(host, access, has_tls=False) is None
    for host in (EVERYWHERE, "::", "", "192.168.1.7", "box.example"):
        with pytest.raises(ConfigError, match="ct token create NAME"):
            check_exposure(host, access, has_tls=True)
    make(tmp_path, "ci")
    guarded = Access(AccessOptions(home=tmp_path))
    assert check_exposure(EVERYWHERE, guarded, has_tls=True) is None
    assert "clear text" in str(check_exposure(EVERYWHERE, guarded, has_tls=False))
    issued = Access(AccessOptions(oidc_issuer="https://issuer.example", oidc_audience="ct"))
    assert check_exposure(EVERYWHERE, issued, has_tls=True) is None


ISSUED = {"oidc_issuer": "https://a.example", "oidc_audience": "ct"}


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("CT_SERVE_RATE", {"rate": -1}),
        ("CT_SERVE_OIDC_SKEW_S", {"oidc_skew_s": float("nan")}),
        ("CT_SERVE_LOGIN_URL", {"login_url": "javascript:alert(1)"}),
        ("CT_SERVE_LOGIN_URL", {"login_url": "https://a.example/\r\nx: y"}),
        ("CT_SERVE_OIDC_ISSUER is missing", {"oidc_audience": "ct"}),
        ("CT_SERVE_OIDC_AUDIENCE is missing", {"oidc_issuer": "https://a.example"}),
        ("CT_SERVE_OIDC_ISSUER", {**ISSUED, "oidc_issuer": "http://a.example"}),
        ("CT_SERVE_OIDC_ISSUER", {**ISSUED, "oidc_issuer": "file:///etc/passwd"}),
        ("CT_SERVE_OIDC_ISSUER", {**ISSUED, "oidc_issuer": "https://u:p@a.example"}),
        ("CT_SERVE_OIDC_JWKS_URL", {**ISSUED, "oidc_jwks_url": "http://a.example/keys"}),
        ("CT_SERVE_OIDC_ALGORITHMS", {**ISSUED, "oidc_algorithms": "RS256,HS256"}),
        ("CT_SERVE_OIDC_ALGORITHMS", {**ISSUED, "oidc_algorithms": "none"}),
        ("CT_SERVE_OIDC_ALGORITHMS", {**ISSUED, "oidc_algorithms": ""}),
        ("CT_SERVE_OIDC_ROLES", {**ISSUED, "oidc_roles": "a=god"}),
        ("CT_SERVE_OIDC_ROLES", {**ISSUED, "oidc_roles": ""}),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(named: str, said: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=named):
        AccessOptions(**said)


def test_the_settings_are_those_of_the_product() -> None:
    """The gateway reads them without pydantic; both must agree."""
    for field in fields(AccessOptions):
        if field.name != "home":
            declared = Settings.model_fields[f"serve_{field.name}"]
            assert declared.default == field.default, field.name


def test_the_environment_is_read(tmp_path: Path) -> None:
    environ = {
        "CT_HOME": str(tmp_path),
        "CT_SERVE_RATE": "2.5",
        "CT_SERVE_METRICS_OPEN": "1",
        "CT_SERVE_OIDC_ISSUER": "https://a.example",
        "CT_SERVE_OIDC_AUDIENCE": "ct",
        "CT_SERVE_OIDC_CA": "/etc/ssl/own.pem",
    }
    read = read_options(AccessOptions, environ=environ, env_file=tmp_path / ".env")
    assert read == AccessOptions(
        home=tmp_path,
        rate=2.5,
        metrics_open=True,
        oidc_issuer="https://a.example",
        oidc_audience="ct",
        oidc_ca=Path("/etc/ssl/own.pem"),
    )
