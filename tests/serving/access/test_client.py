"""The client for model services: its settings, its tokens, what it says when something is wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.serving.access.issuer import AUDIENCE, Issuer, serving
from tests.serving.gateways import Gateway, branch, gateway, routes, write_routes

from iris_ct.client import ClientSettings, ModelClient, ServiceCallError, read_settings
from iris_ct.core.errors import ConfigError
from iris_ct.serving.access.tokens import create_token

MESSAGE = {"data": {"names": ["x"], "ndarray": [[1.0]]}}
PASSWORD = "analytical"  # noqa: S105 - a person of the test's issuer
FULL = f"""
# As other clients of such services have it
model-service-uri=https://gateway.example/model-endpoints/bikes
access-token-uri = https://login.example/realms/ct/protocol/openid-connect/token
client-id: mxe-rest-client
username=ada
password={PASSWORD}=with=signs:too
disableSslCertVerification=true
logging level=info
"""


# Settings.


def test_settings_come_from_properties() -> None:
    read = read_settings(text=FULL, environ={})
    assert read == ClientSettings(
        model_service_uri="https://gateway.example/model-endpoints/bikes",
        access_token_uri="https://login.example/realms/ct/protocol/openid-connect/token",  # noqa: S106 - an address
        client_id="mxe-rest-client",
        username="ada",
        password=f"{PASSWORD}=with=signs:too",
        disable_ssl_cert_verification=True,
        logging_level="INFO",
    )
    assert PASSWORD not in repr(read)


def test_settings_come_from_json_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "client.json"
    said = {"modelServiceUri": "https://a.example/x", "disableSslCertVerification": False}
    file.write_text(json.dumps(said))
    environ = {"CT_CLIENT_ACCESS_TOKEN": "ct_x", "CT_CLIENT_LOGGING_LEVEL": "warn"}
    read = read_settings(file, environ=environ)
    assert (read.model_service_uri, read.access_token) == ("https://a.example/x", "ct_x")
    assert read.logging_level == "WARNING"
    other = {"CT_CLIENT_MODEL_SERVICE_URI": "https://b.example/y"}
    assert read_settings(file, environ=other).model_service_uri == "https://b.example/y"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "model-service-uri is missing"),
        ("model-service-uri=ftp://x/y", "expected https"),
        ("model-service-uri=https://u:p@x/y", "without user and password"),
        ("model-service-uri=https://x/y\nfoo=1", "no setting 'foo'"),
        ("model-service-uri=https://x/y\naccess-token-uri=https://z/t", "one is missing"),
        ("model-service-uri=https://x/y\nlogging-level=loud", "expected one of DEBUG"),
        ("model-service-uri=https://x/y\ndisableSslCertVerification=perhaps", "true or false"),
        ("model-service-uri=https://x/y\nnonsense", "line 2"),
        ("{nonsense", "not JSON"),
    ],
)
def test_settings_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_settings(text=text, environ={})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.properties"):
        read_settings(tmp_path / "none.properties", environ={})


# Tokens.


class Service:
    """A service that says what it was sent."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.tokens: list[str | None] = []
        self.body = b'{"data": {"ndarray": [[2.0]]}}'

    def handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                service.tokens.append(self.headers["Authorization"])
                status = service.statuses.pop(0) if service.statuses else 200
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", "http://127.0.0.1:1/login")
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                self.wfile.write(service.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    """A service and its address."""
    made = Service()
    with serving(made.handler()) as url:
        yield made, f"{url}/model-endpoints/bikes"


def client_of(issuer: Issuer, uri: str, clock: Any = None, **more: Any) -> ModelClient:
    settings = ClientSettings(
        model_service_uri=uri,
        access_token_uri=f"{issuer.url}/token",
        username="ada",
        **{"password": PASSWORD, **more},
    )
    return ModelClient(settings, clock=clock or (lambda: 0.0))


def test_it_logs_in_by_password_with_offline_access(
    issuer: Issuer, service: tuple[Service, str]
) -> None:
    asked, uri = service
    client = client_of(issuer, uri)
    assert client.predict(MESSAGE) == {"data": {"ndarray": [[2.0]]}}
    assert client.predict(MESSAGE)
    assert issuer.forms == [
        {
            "client_id": "mxe-rest-client",
            "grant_type": "password",
            "username": "ada",
            "password": PASSWORD,
            "scope": "offline_access",
        }
    ]
    assert len(set(asked.tokens)) == 1
    assert str(asked.tokens[0]).startswith("Bearer ey")


def test_it_renews_its_token_before_it_expires(
    issuer: Issuer, service: tuple[Service, str]
) -> None:
    asked, uri = service
    now = [0.0]
    client = client_of(issuer, uri, clock=lambda: now[0])
    # Of 300 seconds it renews in the last 30.
    for at in (0.0, 269.0, 271.0):
        now[0] = at
        client.predict(MESSAGE)
    assert [form["grant_type"] for form in issuer.forms] == ["password", "refresh_token"]
    assert issuer.forms[1]["client_id"] == "mxe-rest-client"
    assert asked.tokens[0] == asked.tokens[1] != asked.tokens[2]
    # The issuer ended the session meanwhile: the password begins another.
    issuer.refreshes.clear()
    now[0] += 300.0
    client.predict(MESSAGE)
    grants = [form["grant_type"] for form in issuer.forms[2:]]
    assert grants == ["refresh_token", "password"]


def test_a_short_life_is_used_to_nine_tenths(issuer: Issuer, service: tuple[Service, str]) -> None:
    issuer.life_s = 20.0
    now = [0.0]
    client = client_of(issuer, service[1], clock=lambda: now[0])
    for at in (0.0, 17.9, 18.1):
        now[0] = at
        client.predict(MESSAGE)
    assert [form["grant_type"] for form in issuer.forms] == ["password", "refresh_token"]


def test_a_token_that_was_withdrawn_is_replaced_once(
    issuer: Issuer, service: tuple[Service, str]
) -> None:
    asked, uri = service
    asked.statuses = [401]
    client = client_of(issuer, uri)
    assert client.predict(MESSAGE)
    assert len(set(asked.tokens)) == 2
    asked.statuses = [401, 401, 401]
    with pytest.raises(ServiceCallError, match="does not count there") as refusal:
        client.predict(MESSAGE)
    assert refusal.value.status == 401
    assert asked.statuses == [401]


def test_a_wrong_password_is_told_without_it(issuer: Issuer, service: tuple[Service, str]) -> None:
    client = client_of(issuer, service[1], password="wrong-one")  # noqa: S106 - it is wrong
    with pytest.raises(ServiceCallError, match="gives no token to ada") as refusal:
        client.predict(MESSAGE)
    assert "wrong-one" not in str(refusal.value)
    assert service[0].tokens == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        *((307, "wants a login"), (403, "role of the token"), (404, "no such service")),
        *((429, "ask more slowly"), (504, "in time"), (500, "its answer says why")),
    ],
)
def test_what_a_service_refuses_is_told(
    service: tuple[Service, str], status: int, said: str
) -> None:
    asked, uri = service
    asked.statuses = [status]
    client = ModelClient(ClientSettings(uri, access_token="ct_x"))  # noqa: S106 - any
    with pytest.raises(ServiceCallError, match=said) as refusal:
        client.predict(MESSAGE)
    assert refusal.value.status == status
    assert refusal.value.answer == asked.body.decode()
    # A redirect is not followed: the token would go along.
    assert asked.tokens == ["Bearer ct_x"]


def test_a_service_that_does_not_answer_or_answers_nonsense(service: tuple[Service, str]) -> None:
    nobody = ModelClient(ClientSettings("http://127.0.0.1:1/x"))
    with pytest.raises(ServiceCallError, match="does not answer"):
        nobody.predict(MESSAGE)
    asked, uri = service
    for body in (b"<html>", b"[1]"):
        asked.body = body
        with pytest.raises(ServiceCallError, match="JSON"):
            ModelClient(ClientSettings(uri)).predict(MESSAGE)
    assert asked.tokens == [None, None]


def test_neither_password_nor_token_is_logged(
    issuer: Issuer, service: tuple[Service, str], caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    client = client_of(issuer, service[1], clock=lambda: now[0], logging_level="DEBUG")
    with caplog.at_level(logging.DEBUG):
        for at in (0.0, 280.0):
            now[0] = at
            client.predict(MESSAGE)
        issuer.refreshes.clear()
        now[0] = 600.0
        client.predict(MESSAGE)
    assert "renewed" in caplog.text
    tokens = [str(token).split()[1] for token in service[0].tokens]
    assert not [said for said in (PASSWORD, "refresh-", *tokens) if said in caplog.text]


# With a gateway.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that nobody signed, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.integration
def test_the_client_of_the_reference_gets_predictions_over_tls(
    tmp_path: Path, issuer: Issuer, certificate: tuple[Path, Path]
) -> None:
    """Settings as clients of such services have them, an issuer, a gateway with TLS."""
    write_routes(tmp_path, routes(("bikes", [branch(tmp_path)])))
    settings: dict[str, Any] = {
        "CT_SERVE_OIDC_ISSUER": issuer.url,
        "CT_SERVE_OIDC_AUDIENCE": AUDIENCE,
        "CT_SERVE_TLS_CERT": str(certificate[0]),
        "CT_SERVE_TLS_KEY": str(certificate[1]),
    }
    with gateway(tmp_path, is_ready=False, **settings) as running:
        assert running.address.startswith("https://")
        text = "\n".join(
            (
                f"model-service-uri={running.address}/model-endpoints/bikes",
                f"access-token-uri={issuer.url}/token",
                "client-id=mxe-rest-client",
                "username=ada",
                f"password={PASSWORD}",
            )
        )
        trusting = f"{text}\ndisableSslCertVerification=true"
        client = ModelClient(read_settings(text=trusting, environ={}))
        assert client.predict(MESSAGE)["image"] == "tiny:1"
        with pytest.raises(ServiceCallError, match="does not answer") as refusal:
            ModelClient(read_settings(text=text, environ={})).predict(MESSAGE)
        assert isinstance(refusal.value.__cause__, OSError)
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal.value)


@pytest.mark.integration
def test_a_static_token_needs_no_issuer(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("bikes", [branch(tmp_path)])))
    token, _ = create_token(tmp_path, "ci", role="reader", domains=("*",), now=datetime.now(UTC))
    login: dict[str, Any] = {"CT_SERVE_LOGIN_URL": "https://login.example/"}

    def client(running: Gateway, **more: Any) -> ModelClient:
        uri = f"{running.address}/model-endpoints/bikes"
        return ModelClient(ClientSettings(uri, **more))

    with gateway(tmp_path, **login) as running:
        assert client(running, access_token=token).predict(MESSAGE)["image"] == "tiny:1"
        with pytest.raises(ServiceCallError, match="wants a login") as refusal:
            client(running).predict(MESSAGE)
        assert refusal.value.status == 307
