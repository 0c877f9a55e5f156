"""The examples of docs/serving.md, Access, do what they say, against a gateway and an issuer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import ct
from tests.servers import missing
from tests.serving.access.issuer import Issuer
from tests.serving.gateways import branch, gateway, routes, write_routes

from iris_ct.serving.access import AccessOptions
from iris_ct.serving.options import read_options

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
SECTION = PAGE.read_text("utf-8").partition("\n## Access\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """Give the example in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


def test_the_settings_of_an_issuer_are_those_of_the_gateway(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(block("sh"))
    read = read_options(AccessOptions, environ={}, env_file=tmp_path / ".env")
    assert read.oidc_issuer == "https://login.example/realms/ct"
    assert (read.oidc_audience, read.oidc_domain_claim) == ("ct-serve", "groups")
    assert read.login_url == "https://portal.example"


@pytest.mark.integration
def test_the_token_of_the_example_gets_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CT_HOME", str(tmp_path))
    lines = block("console").replace("\\\n", "").splitlines()
    create, token, curl = lines
    assert re.fullmatch(r"ct_[A-Za-z0-9_-]{43}", token)
    text = routes(("credit", [branch(tmp_path)]), domain="loans")
    write_routes(tmp_path, text)
    made = ct(tmp_path, *create.removeprefix("$ ct ").split()).out.strip()
    with gateway(tmp_path) as running:
        command = curl.removeprefix("$ ").replace("http://localhost:8080", running.address)
        try:
            done = subprocess.run(
                [
                    "/bin/sh",
                    "-c",
                    f"{command} --silent --show-error --write-out ' %{{http_code}}'",
                ],
                env={**os.environ, "TOKEN": made},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            if error.returncode == 127:
                missing("no curl")
            raise
    assert '"image": "tiny:1"' in done.stdout
    assert done.stdout.endswith(" 200")


@pytest.mark.integration
def test_the_client_of_the_example_gets_a_prediction(tmp_path: Path, issuer: Issuer) -> None:
    write_routes(tmp_path, routes(("bikes", [branch(tmp_path)])))
    trusted: dict[str, Any] = {
        "CT_SERVE_OIDC_ISSUER": issuer.url,
        "CT_SERVE_OIDC_AUDIENCE": "urn:ct:serve",
    }
    with gateway(tmp_path, **trusted) as running:
        text = block("properties").replace("https://gateway.example", running.address)
        text = re.sub("(?m)^access-token-uri=.*", f"access-token-uri={issuer.url}/token", text)
        text = text.replace("password=...", "password=analytical")
        (tmp_path / "client.properties").write_text(text)
        code = block("python").replace("client.predict(", "print(client.predict(").rstrip() + ")"
        clean = {name: said for name, said in os.environ.items() if not name.startswith("CT_")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "'image': 'tiny:1'" in done.stdout
