"""A real OpenID Connect issuer: npm's oidc-provider, installed once a session as its lock file says.

Without Node.js, npm or a package registry the tests are skipped, visibly; with
``CT_REQUIRE_SERVICES=1`` they fail.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import msgspec
from tests.servers import missing

_HERE = Path(__file__).parent / "oidc_provider"
# Seconds for forty small packages; a registry that is away is found out long before.
_INSTALL_S = 120


@dataclass(frozen=True)
class RealIssuer:
    """A running one; issuer.mjs has its people."""

    url: str

    def token(self, username: str, password: str, **form: str) -> str:
        """Get an access token by password."""
        asked = {
            "grant_type": "password",
            "client_id": "mxe-rest-client",
            "username": username,
            "password": password,
            "scope": "offline_access",
            **form,
        }
        with urlopen(f"{self.url}/token", urlencode(asked).encode(), timeout=30) as answer:
            return str(msgspec.json.decode(answer.read())["access_token"])


@contextmanager
def running_real_issuer(folder: Path) -> Iterator[RealIssuer]:
    """Install the issuer into a folder and run it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("no Node.js with npm for oidc-provider")
    for name in ("package.json", "package-lock.json", "issuer.mjs"):
        shutil.copy(_HERE / name, folder)
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        missing(f"npm ci of oidc-provider took more than {_INSTALL_S} s")
    if done.returncode:
        missing(f"npm ci of oidc-provider failed: {done.stderr.decode()[-500:]}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [node, "issuer.mjs"], cwd=folder, stdin=-1, stdout=-1, stderr=log
        )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        try:
            assert url, (folder / "log").read_text()
            yield RealIssuer(url)
        finally:
            process.stdin.close()
