"""Access through a real gateway process: every path asks, and nothing of a token comes out."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.serving.access.issuer import AUDIENCE, Issuer
from tests.serving.gateways import (
    LAUNCH,
    Gateway,
    branch,
    gateway,
    routes,
    wait_for,
    write_routes,
)

from iris_ct.serving.access.tokens import create_token, delete_token

pytestmark = pytest.mark.integration
ROW = {"data": {"ndarray": [[1.0]]}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two services in two domains and one in none."""
    folder = tmp_path_factory.mktemp("home")
    text = routes(*((name, [branch(folder, name)]) for name in ("credit", "bikes", "free")))
    for name, domain in (("credit", "loans"), ("bikes", "rentals"), ("free", "")):
        text = text.replace(b'{"name": "%s"' % name.encode(), _named(name, domain))
    write_routes(folder, text)
    return folder


def _named(name: str, domain: str) -> bytes:
    return b'{"domain": "%s", "name": "%s"' % (domain.encode(), name.encode())


@pytest.fixture(scope="module")
def tokens(home: Path) -> dict[str, str]:
    """Who may what in this home."""
    now = datetime.now(UTC)
    who = {
        "ada": ("admin", ("*",)),
        "ops": ("operator", ("*",)),
        "rob": ("reader", ("loans",)),
        "gone": ("reader", ("*",)),
    }
    return {
        name: create_token(home, name, role=role, domains=domains, now=now)[0]
        for name, (role, domains) in who.items()
    }


@pytest.fixture(scope="module")
def running(home: Path, tokens: dict[str, str], shared_issuer: Issuer) -> Iterator[Gateway]:
    """A gateway that takes static tokens and an issuer's."""
    assert tokens
    settings: dict[str, Any] = {
        "CT_SERVE_OIDC_ISSUER": shared_issuer.url,
        "CT_SERVE_OIDC_AUDIENCE": AUDIENCE,
        "CT_SERVE_OIDC_DOMAIN_CLAIM": "groups",
    }
    with gateway(home, control=True, **settings) as started:
        yield started


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_path_but_health_needs_a_token(running: Gateway) -> None:
    for path in ("/healthz", "/readyz", "/ping", "/health/status", "/v2/health/ready"):
        assert running.ask("GET", path).status == 200, path
    description = running.ask("GET", "/healthz")
    assert description.status == 200
    for method, path in [
        *(("POST", f"/model-endpoints/{name}") for name in ("credit", "free", "none")),
        *(("GET", f"/v2/models/{name}") for name in ("credit", "none")),
        *(("POST", path) for path in ("/invocations", "/feedback", "/api/v1.0/predictions")),
        *(("POST", path) for path in ("/v2/models/free/infer", "/v2/repository/index")),
        *(("GET", path) for path in ("/", "/metrics", "/prometheus", "/openapi", "/metadata")),
        *(("GET", path) for path in ("/openapi.json", "/v2", "/version", "/v1/model-services")),
        *(("PUT", "/v1/models"), ("DELETE", "/x"), ("OPTIONS", "/v1/models"), ("GET", "//x")),
        *(("GET", path) for path in ("/healthz/../metrics", "/healthz/x", "/healthz%2fx")),
    ]:
        told = running.ask(method, path, b"{}" if method == "POST" else None)
        assert told.status == 401, (method, path)
        assert told.headers["www-authenticate"].startswith("Bearer")


def test_refusals_are_in_the_words_of_the_protocol(running: Gateway) -> None:
    seldon = running.post("/model-endpoints/free", ROW).json
    assert (seldon["status"]["code"], seldon["status"]["status"]) == (401, "FAILURE")
    assert "error" in running.post("/v2/models/free/infer", ROW).json
    for path in ("/invocations", "/model-endpoints/free/invocations"):
        assert running.post(path, ROW).json["error_code"] == "UNAUTHENTICATED"
    assert list(running.ask("GET", "/v1/model-services").json) == ["message"]


def test_tokens_of_both_kinds_get_predictions(
    running: Gateway, tokens: dict[str, str], shared_issuer: Issuer
) -> None:
    for token in (tokens["ada"], shared_issuer.token(groups=["*"]), shared_issuer.token("ec")):
        told = running.post("/model-endpoints/free", ROW, **bearer(token))
        assert (told.status, told.json["image"]) == (200, "tiny:1")
    for token in (tokens["ada"] + "x", shared_issuer.token(exp=1), shared_issuer.token(aud="x")):
        assert running.post("/model-endpoints/free", ROW, **bearer(token)).status == 401


def test_services_of_other_domains_are_neither_seen_nor_called(
    running: Gateway, tokens: dict[str, str], shared_issuer: Issuer
) -> None:
    issued = shared_issuer.token(groups=["/loans"])
    for token in (tokens["rob"], issued):
        head = bearer(token)
        codes = {
            name: running.post(f"/model-endpoints/{name}", ROW, **head).status
            for name in ("credit", "free", "bikes", "none")
        }
        assert codes == {"credit": 200, "free": 200, "bikes": 404, "none": 404}
        hidden = [
            running.ask("GET", "/v2/models/bikes", headers=head),
            running.ask("GET", "/v2/models/bikes/ready", headers=head),
            running.ask("GET", "/v2/models/bikes/infer", headers=head),
            running.ask("OPTIONS", "/model-endpoints/bikes", headers=head),
            running.ask("GET", "/model-endpoints/bikes/health/status", headers=head),
            running.post("/v2/models/bikes/infer", ROW, **head),
            running.post("/invocations?service=bikes", ROW, **head),
            running.post("/model-endpoints/bikes/feedback", ROW, **head),
        ]
        assert {told.status for told in hidden} == {404}
        listed = running.post("/v2/repository/index", {}, **head).json
        assert sorted(row["name"] for row in listed) == ["credit", "free"]
        assert b"bikes" not in running.ask("GET", "/openapi.json", headers=head).body
        assert running.ask("GET", "/metrics", headers=head).status == 403
    # To one who sees none of the two with a domain there is only one to name.
    alone = bearer(shared_issuer.token())
    assert running.post("/invocations", ROW, **alone).status == 200
    everything = running.ask("GET", "/metrics", headers=bearer(tokens["ops"]))
    assert b"bikes" in everything.body


def test_the_control_process_is_told_who_asks(running: Gateway, tokens: dict[str, str]) -> None:
    told = running.post("/v1/model-services", {}, **bearer(tokens["ops"]))
    assert told.json["principal"] == "('ops', 'operator', ['*'])"
    codes = {
        (name, path): running.post(path, {}, **bearer(tokens[name])).status
        for name in ("rob", "ops", "ada")
        for path in ("/v1/model-services", "/v1/authors")
    }
    assert codes == {
        ("rob", "/v1/model-services"): 403,
        ("rob", "/v1/authors"): 403,
        ("ops", "/v1/model-services"): 200,
        ("ops", "/v1/authors"): 403,
        ("ada", "/v1/model-services"): 200,
        ("ada", "/v1/authors"): 200,
    }


def test_two_tokens_in_one_request_are_refused(running: Gateway, tokens: dict[str, str]) -> None:
    parts = urlsplit(running.address)
    for first, second in ((tokens["ada"], "x"), ("x", tokens["ada"])):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as line:
            head = f"Authorization: Bearer {first}\r\nauthorization: Bearer {second}\r\n"
            line.sendall(f"GET /version HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 400")


def test_a_deleted_token_ends_soon(running: Gateway, tokens: dict[str, str]) -> None:
    head = bearer(tokens["gone"])
    assert running.post("/model-endpoints/free", ROW, **head).status == 200
    delete_token(running.home, "gone")
    wait_for(lambda: running.post("/model-endpoints/free", ROW, **head).status == 401)


def test_no_token_is_in_any_file_of_the_home(running: Gateway, tokens: dict[str, str]) -> None:
    running.post("/model-endpoints/free", ROW, **bearer(tokens["ada"]))
    written = [file for file in running.home.rglob("*") if file.is_file()]
    texts = b"".join(file.read_bytes() for file in written)
    assert written
    assert not [name for name, token in tokens.items() if token.encode() in texts]


def test_without_tokens_only_this_machine_is_answered(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("free", [branch(tmp_path)])))
    with gateway(tmp_path) as open_one:
        assert open_one.post("/model-endpoints/free", ROW).status == 200
        assert open_one.post("/model-endpoints/free", ROW, Host="evil.example").status == 403
        foreign = {"Origin": "https://evil.example"}
        assert open_one.post("/model-endpoints/free", ROW, **foreign).status == 403
        own = {"Origin": open_one.address}
        assert open_one.post("/model-endpoints/free", ROW, **own).status == 200
        # The first token closes it while it runs.
        create_token(tmp_path, "ci", role="reader", domains=("*",), now=datetime.now(UTC))
        wait_for(lambda: open_one.post("/model-endpoints/free", ROW).status == 401)


def test_it_does_not_start_where_others_could_ask_without_a_token(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(tmp_path)],
        env={"CT_SERVE_HOST": "0.0.0.0", "PATH": ""},  # noqa: S104 - it must refuse
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "nobody needs a token" in done.stderr


def test_requests_a_second_are_limited(tmp_path: Path) -> None:
    write_routes(tmp_path, routes(("free", [branch(tmp_path)])))
    token, _ = create_token(tmp_path, "ci", role="reader", domains=("*",), now=datetime.now(UTC))
    # One in a thousand seconds: however slow this machine is, the sixth comes too soon.
    limits: dict[str, Any] = {"CT_SERVE_RATE": "0.001", "CT_SERVE_RATE_BURST": "5"}
    with gateway(tmp_path, **limits) as limited:
        told = [limited.post("/model-endpoints/free", ROW, **bearer(token)) for _ in range(6)]
        assert [one.status for one in told] == [200] * 5 + [429]
        assert 0 < int(told[5].headers["retry-after"]) <= 1000
        assert limited.ask("GET", "/readyz").status == 200
