"""Connections: a short way for what asks a model, and limits for those who send slowly.

A small POST to a model is answered without what ASGI needs: no task, no messages, one write. All
else goes the way of uvicorn; both ways keep its order of pipelined requests and its shutdown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from iris_ct.serving.frames import Answer
from iris_ct.serving.gateway import JSON, Gateway, headers_of

_log = logging.getLogger(__name__)

# Bytes of a body that goes the short way; larger ones count towards the limit of all bodies.
_SHORT_BODY = 64 << 10
_MOST_DIGITS = 7
_JSON_HEAD = b"content-type: application/json\r\ncontent-length: %d\r\n"
# Bytes of one request's line and headers.
_MAX_HEAD = 64 << 10
# Bytes for which a request gets one more second to arrive.
_SLOWEST = 64 << 10
_NEVER = float("inf")
_FAILED = Answer(500, b'{"error": "The gateway failed; its log says where."}')
_CLOSING = (
    b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%s"
)


class ShortCycle:
    """A request that goes the short way; has what uvicorn asks of its own cycles."""

    __slots__ = (
        *("body", "connection", "disconnected", "headers", "is_asked"),
        *("keep_alive", "message_event", "response_complete", "response_started", "scope"),
    )

    def __init__(self, connection: Connection, headers: dict[bytes, bytes]) -> None:
        self.connection, self.headers = connection, headers
        self.scope = connection.scope
        self.keep_alive: bool = connection.parser.should_keep_alive()
        self.body = b""
        self.is_asked = self.disconnected = False
        self.response_started = self.response_complete = False
        # Nobody waits for it.
        self.message_event = _UNHEARD

    def ask(self, gateway: Gateway) -> None:
        """Have the whole request, and ask."""
        self.is_asked = True
        try:
            later = gateway.ask(self.scope, self.headers, self.body, self.answer)
        except Exception:  # noqa: BLE001 - a failure of ours must not look like one of the parser
            _log.exception("A request could not be answered.")
            self.answer(_FAILED)
            return
        if later is not None:
            self.connection.start(later, self)

    def answer(self, answer: Answer) -> None:
        """Write the answer, unless there is nobody left."""
        self.response_started = self.response_complete = True
        connection = self.connection
        transport = connection.transport
        if self.disconnected or transport.is_closing():
            return
        transport.write(self._message(answer))
        if not self.keep_alive:
            transport.close()
        connection.on_response_complete()

    def _message(self, answer: Answer) -> bytes:
        parts = [STATUS_LINE[answer.status]]
        for name, text in self.connection.server_state.default_headers:
            parts += name, b": ", text, b"\r\n"
        if answer.status == 200 and answer.content_type == JSON and not answer.headers:
            parts.append(_JSON_HEAD % len(answer.body))
        else:
            for name, text in headers_of(answer):
                parts += name, b": ", text, b"\r\n"
        parts += b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n", answer.body
        return b"".join(parts)


class _Unheard:
    def set(self) -> None:
        """Wake nobody."""


_UNHEARD = _Unheard()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with a short way, that knows since when a request has been arriving.

    One look at all connections each second does what timers of each request would, for less.
    """

    since = _NEVER
    idle_since = _NEVER
    # The request that uvicorn answers now.
    running: RequestResponseCycle | None = None
    unread_since = _NEVER
    n_bytes = n_unread = 0
    in_head = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app: object = self.app
        self._gateway = app if isinstance(app, Gateway) else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Begin to count the time."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Count what arrives, and refuse endless headers."""
        self.n_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.n_bytes > _MAX_HEAD:
            self.refuse(b"431 Request Header Fields Too Large", b'{"error": "Too long a header."}')

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the request that was arriving."""
        cycle = self._short()
        if cycle is not None and not cycle.is_asked and self._gateway is not None:
            self._gateway.gone()
        if self.running is not None:
            # uvicorn knows of the newest one only, and an older one may be about to write.
            self.running.disconnected = True
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self.since = self.loop.time()
        self.idle_since = _NEVER
        self.in_head = True

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self.in_head = False
        headers = self._short_headers()
        if headers is None:
            super().on_headers_complete()
            if not self.pipeline:
                self.running = self.cycle
            return
        scope: dict[str, Any] = cast("dict[str, Any]", self.scope)
        scope["method"], scope["path"], scope["query_string"] = "POST", self.url.decode(), b""
        self.cycle = cast("RequestResponseCycle", ShortCycle(self, headers))

    def _short_headers(self) -> dict[bytes, bytes] | None:
        """Give the headers if a model is asked in a way that needs no closer look."""
        gateway, parser = self._gateway, self.parser
        before = cast("RequestResponseCycle | None", self.cycle)
        if gateway is None or not gateway.knows(self.url):
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        is_short = (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and len(length) < _MOST_DIGITS
            and length.isdigit()
            and int(length) <= min(_SHORT_BODY, gateway.options.max_body)
            and b"content-encoding" not in headers
            and b"transfer-encoding" not in headers
            and (before is None or before.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )
        return headers if is_short else None

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        cycle = self._short()
        if cycle is None:
            super().on_body(body)
        else:
            cycle.body = cycle.body + body if cycle.body else body

    def on_message_complete(self) -> None:
        """Have the whole request."""
        self.since = _NEVER
        self.n_bytes = 0
        self.in_head = True
        cycle = self._short()
        if cycle is None or self._gateway is None:
            super().on_message_complete()
        elif not cycle.is_asked:
            cycle.ask(self._gateway)

    def on_response_complete(self) -> None:
        """Go on with the request that waits, or wait for one."""
        if self.pipeline or self.flow.read_paused:
            if self.pipeline:
                self.running = self.pipeline[-1][0]
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.idle_since = self.loop.time()

    def start(self, later: Awaitable[None], cycle: ShortCycle) -> None:
        """Let an answer take its time; the server waits for it before it ends."""

        async def wait() -> None:
            try:
                await later
            except Exception:  # noqa: BLE001 - as above
                _log.exception("A request could not be answered.")
                cycle.answer(_FAILED)

        task = self.loop.create_task(wait())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _short(self) -> ShortCycle | None:
        """Give the request that goes the short way now."""
        cycle: object = self.cycle
        return cycle if isinstance(cycle, ShortCycle) else None

    def refuse(self, status: bytes, body: bytes) -> None:
        """Answer, unless an answer was begun, and close."""
        transport = self.transport
        if transport.is_closing():
            return
        # Before the first request there is none.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or self.in_head or not cycle.response_started:
            transport.write(_CLOSING % (status, len(body), body))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        transport.close()

    def is_late(self, now: float, limit_s: float) -> bool:
        """Say whether a request has taken too long to arrive."""
        return now - self.since > limit_s + self.n_bytes / _SLOWEST

    def is_unread(self, now: float) -> bool:
        """Say whether what was written has been standing there unread, also after the close."""
        n_bytes = self.transport.get_write_buffer_size()
        if not n_bytes or n_bytes != self.n_unread:
            self.n_unread, self.unread_since = n_bytes, now
        return now - self.unread_since > self.timeout_keep_alive


def close_late(connections: Iterable[object], now: float, limit_s: float) -> None:
    """Close the connections whose request has taken too long to arrive, and idle ones.

    Those of clients that do not read what they asked for are cut off.
    """
    for connection in list(connections):
        if not isinstance(connection, Connection):
            continue
        if connection.is_unread(now):
            connection.transport.abort()
        elif connection.is_late(now, limit_s):
            connection.refuse(
                b"408 Request Timeout", b'{"error": "The request took too long to arrive."}'
            )
        elif now - connection.idle_since > connection.timeout_keep_alive:
            connection.transport.close()
