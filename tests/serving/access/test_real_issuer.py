"""Tokens of a real issuer (npm's oidc-provider), as it makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serving.access.asking import door, status
from tests.serving.access.issuer import AUDIENCE, Issuer
from tests.serving.access.real_issuer import RealIssuer

from iris_ct.client import ClientSettings, ModelClient
from iris_ct.serving.access import AccessOptions, Principal

ASKED = ("POST", "/model-endpoints/bikes")


def options(issuer: RealIssuer, tmp_path: Path) -> AccessOptions:
    return AccessOptions(
        home=tmp_path,
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_domain_claim="groups",
    )


@pytest.mark.integration
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_its_tokens_count(real_issuer: RealIssuer, tmp_path: Path, algorithm: str) -> None:
    token = real_issuer.token("ada", "analytical", algorithm=algorithm)
    with door(options(real_issuer, tmp_path)) as at:
        assert at.ask(*ASKED, token) == Principal("ada", "operator", ("loans",))
        assert status(at.ask("POST", "/v1/authors", token)) == 403


@pytest.mark.integration
def test_its_tokens_for_others_do_not_count(real_issuer: RealIssuer, tmp_path: Path) -> None:
    for_another = real_issuer.token("ada", "analytical", resource="urn:ct:other")
    without_role = real_issuer.token("eve", "listens")
    with door(options(real_issuer, tmp_path)) as at:
        assert status(at.ask(*ASKED, for_another)) == 401
        assert status(at.ask(*ASKED, without_role)) == 403
        token = real_issuer.token("bob", "builder")
        changed = token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")
        assert [status(at.ask(*ASKED, said)) for said in (token, changed)] == [200, 401]


@pytest.mark.integration
def test_a_token_of_another_issuer_does_not_count(
    real_issuer: RealIssuer, issuer: Issuer, tmp_path: Path
) -> None:
    """Not even if it names itself as this one."""
    forged = issuer.token(iss=real_issuer.url, realm_access={"roles": ["ct-admin"]})
    with door(options(real_issuer, tmp_path)) as at:
        assert status(at.ask(*ASKED, forged)) == 401


@pytest.mark.integration
def test_the_client_logs_in_there_and_renews_its_token(real_issuer: RealIssuer) -> None:
    settings = ClientSettings(
        model_service_uri="http://127.0.0.1:1/model-endpoints/bikes",
        access_token_uri=f"{real_issuer.url}/token",
        username="ada",
        password="analytical",  # noqa: S106 - a person of the test's issuer
    )
    now = [0.0]
    client = ModelClient(settings, clock=lambda: now[0])
    first = client._fresh_token()
    assert client._fresh_token() == first
    # Of 300 seconds 30 are left; the issuer gives each renewal token once.
    for _ in range(2):
        now[0] += 271.0
        second = client._fresh_token()
        assert second != first
        first = second
