"""The health check of the gateway's container, against a server that answers as it is told."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.deploy.files import DEPLOY, run
from tests.servers import free_port

HEALTH = DEPLOY / "serving" / "health.py"


@contextmanager
def answering(status: int, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve ``/healthz`` with a status; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield str(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def healthy(port: str, **environment: str) -> bool:
    said = run(sys.executable, HEALTH, environment={"CT_SERVE_PORT": port, **environment})
    return said.returncode == 0


@pytest.mark.parametrize(("status", "is_well"), [(200, True), (503, False), (404, False)])
def test_health_is_what_the_gateway_answers(status: int, is_well: bool) -> None:
    with answering(status) as port:
        assert healthy(port) is is_well


def test_nobody_there_is_not_healthy() -> None:
    assert not healthy(str(free_port()))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_with_tls_the_certificate_may_be_for_another_name(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=gateway.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(200, context) as port:
        assert healthy(port, CT_SERVE_TLS_CERT=str(certificate))
        assert not healthy(port), "it speaks TLS"
