"""The limit: uvicorn as the gateway runs it, with a handler that reads a body and says a constant.

``python -m benchmarks.bare_server --port 8000 --sizes /one=170,/many=20000``: what is POSTed to
``/one`` is read and answered with 170 bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def make_app(sizes: Mapping[str, int]) -> Callable[..., Awaitable[None]]:
    """Make the ASGI application that answers each path with so many bytes."""
    answers = {path: b"x" * size for path, size in sizes.items()}

    async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = answers[scope["path"]]
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(said)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    return app


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sizes", required=True)
    asked = parser.parse_args()
    pairs = (pair.partition("=") for pair in asked.sizes.split(","))
    app = make_app({path: int(size) for path, _, size in pairs})
    uvicorn.run(
        app,
        port=asked.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
