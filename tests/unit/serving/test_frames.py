"""Frames come out as they went in, however the stream is cut."""

from __future__ import annotations

import json
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_ct.serving.frames import (
    CALL,
    JSON,
    KINDS,
    MAX_PAYLOAD,
    Answer,
    Call,
    Drain,
    FrameBuffer,
    FrameError,
    Hello,
    Http,
    Routes,
    Stats,
    frame,
    message_of,
)

MESSAGES: list[msgspec.Struct] = [
    Hello(7),
    Call("seldon", "/x", b"\x00\xff", "a/b", "p", {"k": "v"}, True, "s", "a", "m:1", False, True),
    Answer(200, b"{}", n_rows=3, headers={"k": "v"}, metrics=[{"key": "k", "value": 1.5}]),
    Http("GET", "/v1", "a=1", [("k", "v"), ("k", "w")], b"", ("me", "admin", ["*"])),
    Routes(b"{}"),
    Stats(b"{}"),
    Drain(),
]


def test_every_message_is_tried() -> None:
    assert {type(message) for message in MESSAGES} == set(KINDS)


# The machine may be busy with other things.
@given(st.lists(st.integers(1, 60), max_size=40), st.booleans())
def test_a_stream_cut_anywhere_gives_the_same_messages(cuts: list[int], json: bool) -> None:
    stream = b"".join(frame(m, i, json=json) for i, m in enumerate(MESSAGES))
    buffer, found = FrameBuffer(), []
    start = 0
    for cut in [*cuts, len(stream)]:
        found += buffer.feed(stream[start : start + cut])
        start += cut
    assert [message_of(kind, payload) for kind, _, payload in found] == MESSAGES
    assert [request_id for _, request_id, _ in found] == list(range(len(MESSAGES)))


def test_a_json_call_is_read_with_the_standard_library_alone() -> None:
    """As a foreign worker does: fields in order, the body in base64."""
    text = frame(MESSAGES[1], 9, json=True)
    length, request_id, kind = struct.unpack_from("<IIB", text)
    assert (length, request_id, kind) == (len(text) - 9, 9, CALL | JSON)
    assert json.loads(text[9:])[:4] == ["seldon", "/x", "AP8=", "a/b"]


def test_an_endless_or_unknown_frame_ends_the_stream() -> None:
    with pytest.raises(FrameError):
        FrameBuffer().feed(struct.pack("<IIB", MAX_PAYLOAD + 1, 0, 1))
    for kind, payload in ((99, b""), (CALL, b"\xc1")):
        with pytest.raises(FrameError):
            message_of(kind, payload)
