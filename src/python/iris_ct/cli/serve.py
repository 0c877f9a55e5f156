"""``ct serve``: the gateway in the foreground. Imports little, so that it answers soon."""

from __future__ import annotations

from pathlib import Path

from iris_ct.cli.options import HOME, Home
from iris_ct.cli.rendering import show_lines


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    no_control: bool = False,
    home: Home = HOME,
) -> int:
    """Answer predictions over HTTP until it is stopped.

    Ctrl-C or SIGTERM let it answer what it was asked and end. CT_SERVE_* in .env.example have
    the limits.

    Parameters
    ----------
    host
        Address to listen on; others than loopback need access configured. Default 127.0.0.1.
    port
        Port to listen on, 0 for any free one. Default 8080.
    workers
        Worker processes that each model has at least; 0: none, the gateway scores by itself.
    tls_cert
        PEM file with the certificate, for https.
    tls_key
        PEM file with the key of the certificate.
    no_control
        Serve the last routes as they are; no services are changed, no pages shown.
    """
    home.choose()
    from iris_ct.serving.options import GatewayOptions, read_options
    from iris_ct.serving.run import CONTROL
    from iris_ct.serving.run import serve as run

    said = {
        "host": host,
        "port": port,
        "workers": workers,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    run(
        read_options(GatewayOptions, said),
        ready=lambda address: show_lines([f"Serving on {address}"]),
        control=() if no_control else CONTROL,
    )
    return 0
