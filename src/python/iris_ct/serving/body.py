"""Reads the body of a request: whole, within limits, decompressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from iris_ct.core.wire.refusal import WireError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

# What zlib calls gzip and deflate as HTTP means them.
_WINDOW = {
    b"gzip": 16 + zlib.MAX_WBITS,
    b"x-gzip": 16 + zlib.MAX_WBITS,
    b"deflate": zlib.MAX_WBITS,
}
_PIECE = 1 << 20


class GoneError(Exception):
    """Who asked has closed the connection."""


class Waiting:
    """Bytes of all bodies that are being read or wait for an answer; belongs to one gateway."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    @contextmanager
    def holding(self, n_bytes: int) -> Iterator[None]:
        """Count a body for as long as it waits.

        Raises
        ------
        WireError
            503 if too much waits.
        """
        if self.held + n_bytes > self.limit:
            raise _too_much()
        self.held += n_bytes
        try:
            yield
        finally:
            self.held -= n_bytes


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    *,
    limit: int,
    waiting: Waiting,
) -> bytes:
    """Read a body.

    Parameters
    ----------
    limit
        Bytes it may have, before and after decompression.
    waiting
        Bytes that all bodies may have that are being read.

    Raises
    ------
    WireError
        413 too long, 415 an encoding that is not read, 400 damaged, 503 too much waits.
    GoneError
        If the connection ended before.
    """
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in {b"", b"identity"} and encoding not in _WINDOW:
        raise WireError(
            415, "Content-Encoding is not one that is read here: send gzip, deflate or none."
        )
    body = await _read(receive, headers, limit, waiting)
    if encoding in _WINDOW and body:
        # It may take a while, and others are answered meanwhile.
        return await asyncio.to_thread(_inflate, body, _WINDOW[encoding], limit)
    return body


async def _read(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, waiting: Waiting
) -> bytes:
    said = headers.get(b"content-length")
    if said is not None and int(said) > limit:
        raise _too_long(limit)
    parts, size = [], 0
    held = 0
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _too_long(limit)
            if not message.get("more_body"):
                return b"".join(parts)
            waiting.held += len(part)
            held += len(part)
            if waiting.held > waiting.limit:
                raise _too_much()
    finally:
        waiting.held -= held


def _too_much() -> WireError:
    return WireError(503, "Too many large requests arrive at once; try again later.")


def _too_long(limit: int) -> WireError:
    return WireError(
        413, f"The body has more than {limit >> 20} MB (CT_SERVE_MAX_BODY_MB). Send fewer rows."
    )


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    """Decompress, and stop as soon as the limit is reached."""
    engine = zlib.decompressobj(window)
    parts, size = [], 0
    rest = body
    try:
        while rest and not engine.eof:
            part = engine.decompress(rest, _PIECE)
            rest = engine.unconsumed_tail
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _too_long(limit)
    except zlib.error as error:
        raise WireError(400, "The body is not what its Content-Encoding says.") from error
    if not engine.eof or engine.unused_data:
        raise WireError(400, "The body does not end where its Content-Encoding says it ends.")
    return b"".join(parts)
