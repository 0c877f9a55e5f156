"""Tokens of a real issuer (npm's oidc-provider), as it makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.serving.access.asking import door, status
from tests.serving.access.issuer import AUDIENCE, Issuer
from tests.serving.access.real_issuer import RealIssuer
from tests.serving.gateways import branch, gateway, routes, write_routes

from iris_ct.client import ModelClient, ServiceCallError, read_settings
from iris_ct.serving.access import AccessOptions, Principal

MESSAGE = {"data": {"ndarray": [[1.0]]}}
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
def test_the_client_gets_predictions_of_a_gateway_and_renews_its_token(
    real_issuer: RealIssuer, tmp_path: Path
) -> None:
    """Issuer, gateway and client as in an installation; the client as the reference has it."""
    services = [(name, [branch(tmp_path, name)]) for name in ("credit", "bikes")]
    text = routes(*services).replace(b'"name": "credit"', b'"name": "credit", "domain": "loans"')
    write_routes(tmp_path, text.replace(b'"name": "bikes"', b'"name": "bikes", "domain": "bikes"'))
    trusted: dict[str, Any] = {
        "CT_SERVE_OIDC_ISSUER": real_issuer.url,
        "CT_SERVE_OIDC_AUDIENCE": AUDIENCE,
        "CT_SERVE_OIDC_DOMAIN_CLAIM": "groups",
    }
    now = [0.0]

    def client(service: str, username: str, password: str) -> ModelClient:
        said = (
            f"model-service-uri={running.address}/model-endpoints/{service}",
            f"access-token-uri={real_issuer.url}/token",
            "client-id=mxe-rest-client",
            f"username={username}",
            f"password={password}",
            "disableSslCertVerification=false",
        )
        return ModelClient(read_settings(text="\n".join(said), environ={}), clock=lambda: now[0])

    with gateway(tmp_path, **trusted) as running:
        ada = client("credit", "ada", "analytical")
        # Of 300 seconds 30 are left; the issuer takes each renewal once.
        for now[0] in (0.0, 100.0, 271.0, 542.0):
            assert ada.predict(MESSAGE)["image"] == "tiny:1"
        refusals = {
            ("bikes", "ada", "analytical"): 404,
            ("credit", "bob", "builder"): 404,
            ("credit", "eve", "listens"): 403,
            ("credit", "bob", "wrong"): 400,
        }
        for who, status_of_it in refusals.items():
            with pytest.raises(ServiceCallError) as refusal:
                client(*who).predict(MESSAGE)
            assert refusal.value.status == status_of_it, who[:2]
