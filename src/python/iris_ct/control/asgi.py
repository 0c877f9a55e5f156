"""Answers one HTTP request, that came as a frame, with an ASGI application."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Scope

from iris_ct.serving.frames import Answer, Http


async def answer(app: ASGIApp, request: Http) -> Answer:
    """Run the application on a request.

    Parameters
    ----------
    app : ASGI application
        Finds who asks in ``scope["state"]["principal"]``: name, role, domains; or None.
    request : Http

    Returns
    -------
    Answer
        The whole response; header names that occur twice are joined, as HTTP allows.
    """
    sent: list[Message] = []
    bodies: list[bytes] = [request.body]

    async def receive() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(request), receive, send)
    headers: dict[str, str] = {}
    for message in sent:
        for name, value in message.get("headers", ()):
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    content_type = headers.pop("content-type", "")
    headers.pop("content-length", None)
    return Answer(
        status=next(m["status"] for m in sent if m["type"] == "http.response.start"),
        body=b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body"),
        content_type=content_type,
        headers=headers,
    )


def _scope(request: Http) -> Scope:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers
        ],
        "client": None,
        "server": None,
        "state": {"principal": request.principal},
    }
    return scope
