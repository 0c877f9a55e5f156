"""Connections that cannot be held open by sending slowly, or filled by endless headers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Bytes of one request's line and headers.
_MAX_HEAD = 64 << 10
# Bytes for which a request gets one more second to arrive.
_SLOWEST = 64 << 10
_NEVER = float("inf")
_CLOSING = (
    b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%s"
)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, that knows since when a request has been arriving.

    One look at all connections each second does what a timer a request would, for less.
    """

    since = _NEVER
    n_bytes = 0
    in_head = True

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

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self.since = self.loop.time()
        self.in_head = True

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Have the whole request."""
        self.since = _NEVER
        self.n_bytes = 0
        self.in_head = True
        super().on_message_complete()

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


def close_late(connections: Iterable[object], now: float, limit_s: float) -> None:
    """Close the connections whose request has taken too long to arrive."""
    for connection in list(connections):
        if isinstance(connection, Connection) and connection.is_late(now, limit_s):
            connection.refuse(
                b"408 Request Timeout", b'{"error": "The request took too long to arrive."}'
            )
