"""Frames between the gateway and its processes: a small header, then one message.

A frame is a little-endian header (length of the payload, request id, kind) and the payload: one of
the messages below as MessagePack, fields in order, no names. With the bit `JSON` set in the kind
the payload is JSON instead (fields in order, bytes in base64): so a foreign worker needs nothing
but its standard library. A process is spoken to as its `Hello` was written.

Who sends what:

========  ====================  =============================================================
kind      direction             meaning
========  ====================  =============================================================
HELLO     child -> gateway      once, when it can answer
CALL      gateway -> worker     one prediction, or what else a protocol asks of a model
ANSWER    either                to the CALL, HTTP or ROUTES with the same request id
HTTP      gateway -> control    a request that is not the data plane's
ROUTES    control -> gateway    the whole route table; answered when it serves
STATS     gateway -> control    counts since start, each second; not answered
DRAIN     gateway -> child      answer what came before, then end
========  ====================  =============================================================

The end of the stream means that the other side is dead; a child then ends.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

HELLO = 1
CALL = 2
ANSWER = 3
HTTP = 4
ROUTES = 5
STATS = 6
DRAIN = 7
JSON = 0x80

# `Call.protocol` is one of the protocols of `core.wire.refusal`, which ask for predictions, or
# what else is asked of a model: to take a reward or truth, and to say what it is.
FEEDBACK = "seldon_feedback"
SELDON_METADATA = "seldon_metadata"
OPEN_INFERENCE_METADATA = "open_inference_metadata"

HEADER = struct.Struct("<IIB")
# More is no message of ours but a broken stream.
MAX_PAYLOAD = 1 << 30
_IDS = 0xFFFFFFFF

Message = TypeVar("Message", bound=msgspec.Struct)


class FrameError(Exception):
    """The other side sent what is no frame; the stream cannot be read any further."""


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """Said once by a child that can answer."""

    pid: int


class Call(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request to a model.

    Attributes
    ----------
    protocol
        One of the names above.
    path
        The path that was asked, decoded, without the query.
    body
        As it came, or decompressed.
    content_type
        As it came, empty for none.
    puid
        Identity of the prediction: the caller's, else a new one; a body may hold another.
    headers
        Those the protocols read, names in lower case: ``inference-header-content-length``,
        ``accept``, ``seldon-puid``.
    shadow
        Nobody waits for the answer; the prediction is logged as a shadow's.
    service, branch, image
        Who answers: ``image`` is ``<model>:<version>``.
    explain
        Contributions of each feature are asked for beside the prediction.
    log
        Whether the prediction goes into the prediction log.
    again
        Another worker had this call and ended; it may have logged it.
    """

    protocol: str
    path: str
    body: bytes
    content_type: str
    puid: str
    headers: dict[str, str]
    shadow: bool
    service: str
    branch: str
    image: str
    explain: bool
    log: bool
    again: bool = False


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What goes back to who asked.

    Attributes
    ----------
    status
        HTTP status code.
    body, content_type
        The body, in the protocol's own form also for errors.
    n_rows
        Rows that were predicted.
    headers
        More headers of the response, names in lower case.
    metrics
        What the model's ``metrics()`` gave: ``{"type", "key", "value"[, "tags"]}`` each.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    n_rows: int = 0
    headers: dict[str, str] = {}
    metrics: list[dict[str, Any]] = []


class Http(msgspec.Struct, array_like=True, frozen=True):
    """A request that the control process answers.

    Attributes
    ----------
    method, path, query
        ``path`` decoded; ``query`` as it came, without the question mark.
    headers
        Names in lower case, in their order.
    body
        The whole body.
    principal
        Name, role and domains of who asks; None where access is not configured.
    """

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    principal: tuple[str, str, list[str]] | None


class Routes(msgspec.Struct, array_like=True, frozen=True):
    """The route table: the text of ``routes.json``."""

    json: bytes


class Stats(msgspec.Struct, array_like=True, frozen=True):
    """Counts since the gateway started, as JSON; docs/serving.md has its keys."""

    json: bytes


class Drain(msgspec.Struct, array_like=True, frozen=True):
    """Answer what came before, then end."""


KINDS: dict[type[msgspec.Struct], int] = {
    Hello: HELLO,
    Call: CALL,
    Answer: ANSWER,
    Http: HTTP,
    Routes: ROUTES,
    Stats: STATS,
    Drain: DRAIN,
}
_pack = msgspec.msgpack.Encoder().encode
_pack_json = msgspec.json.Encoder().encode
_unpack: Mapping[int, Callable[[bytes], Any]] = {
    kind: msgspec.msgpack.Decoder(message).decode for message, kind in KINDS.items()
} | {kind | JSON: msgspec.json.Decoder(message).decode for message, kind in KINDS.items()}


def frame(message: msgspec.Struct, request_id: int = 0, *, json: bool = False) -> bytes:
    """Make the frame of a message.

    Examples
    --------
    >>> frame(Hello(7)).hex(), frame(Hello(7), json=True)[9:]
    ('0200000000000000019107', b'[7]')
    """
    kind = KINDS[type(message)]
    payload = _pack_json(message) if json else _pack(message)
    return HEADER.pack(len(payload), request_id, kind | JSON if json else kind) + payload


def message_of(kind: int, payload: bytes) -> Any:
    """Read a payload.

    Raises
    ------
    FrameError
        If the kind is unknown or the payload is no such message.
    """
    try:
        return _unpack[kind](payload)
    except (KeyError, msgspec.DecodeError) as error:
        raise FrameError(f"A frame of kind {kind} is no message of ours: {error}") from error


class FrameBuffer:
    """Cuts a stream into frames; belongs to one reader."""

    __slots__ = ("_need", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._need = HEADER.size

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Take what was read and give the frames that are complete.

        Returns
        -------
        list of (kind, request id, payload)

        Raises
        ------
        FrameError
            If a header says more than `MAX_PAYLOAD`.
        """
        whole: bytes | bytearray = data
        if self._rest:
            self._rest += data
            # Long payloads come in many reads, and are looked at once.
            if len(self._rest) < self._need:
                return []
            whole = self._rest
        frames = []
        start, end, size = 0, len(whole), HEADER.size
        need = size
        while end - start >= size:
            length, request_id, kind = HEADER.unpack_from(whole, start)
            if length > MAX_PAYLOAD:
                raise FrameError(f"A frame says it has {length} bytes, more than {MAX_PAYLOAD}.")
            need = size + length
            if end - start < need:
                break
            frames.append((kind, request_id, bytes(whole[start + size : start + need])))
            start += need
            need = size
        self._need = need
        # Nearly always nothing is left.
        if start < end or self._rest:
            self._rest = bytearray(whole[start:])
        return frames


class FrameProtocol(asyncio.Protocol):
    """One end of a stream of frames.

    Belongs to its event loop's thread. Subclasses say what `received` and `ended` do. What is sent
    during one turn of the loop goes out in one write.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        # Set by the peer's Hello, or by a peer that is to write JSON itself.
        self.json = False
        self._buffer = FrameBuffer()
        self._out: list[bytes] = []
        self._last_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # A stream's; uvloop's has the methods and not the base class.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand each complete frame to `received`."""
        try:
            for kind, request_id, payload in self._buffer.feed(data):
                self.received(kind, request_id, payload)
        except FrameError as error:
            self.broken(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the stream ended."""
        self.transport = None
        self._out.clear()
        self.ended(exc)

    def send(self, message: msgspec.Struct, request_id: int = 0) -> None:
        """Send a message with the others of this turn; after the end nothing happens."""
        if not self._out:
            self.loop.call_soon(self.flush)
        self._out.append(frame(message, request_id, json=self.json))

    def next_id(self) -> int:
        """Give a request id that was not used for the last four billion requests."""
        self._last_id = (self._last_id + 1) & _IDS
        return self._last_id

    def flush(self) -> None:
        """Write what was gathered."""
        if self.transport is not None and self._out:
            out = self._out
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        self._out.clear()

    def received(self, kind: int, request_id: int, payload: bytes) -> None:
        """Handle one frame."""
        raise NotImplementedError

    def broken(self, error: FrameError) -> None:
        """Handle a stream that cannot be read: it is closed."""
        if self.transport is not None:
            self.transport.abort()

    def ended(self, error: Exception | None) -> None:
        """Handle the end of the stream."""
        raise NotImplementedError
