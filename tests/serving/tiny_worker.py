"""A worker that does what the body says; started by the gateway as if it were a foreign model's.

``{"sleep": s}`` takes its time, ``{"die": true}`` ends the process, ``{"metrics": [...]}`` brings
metrics, ``{"answer_headers": {...}}`` headers; the answer says who answered what. A file ``broken`` in its bundle keeps it from
starting, and ``slow`` from being ready for as long as it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from pathlib import Path

from iris_ct.serving.frames import (
    ANSWER,
    CALL,
    DRAIN,
    Answer,
    Call,
    FrameBuffer,
    Hello,
    frame,
    message_of,
)


def main() -> int:
    """Answer until the stream ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    asked, _ = parser.parse_known_args()
    if (asked.bundle / "broken").exists():
        sys.stderr.write("the bundle is broken\n")
        return 3
    while (asked.bundle / "slow").exists():
        time.sleep(0.02)
    stream = socket.socket(fileno=asked.fd)
    stream.sendall(frame(Hello(os.getpid())))
    buffer = FrameBuffer()
    while data := stream.recv(1 << 20):
        for kind, request_id, payload in buffer.feed(data):
            if kind == DRAIN:
                return 0
            assert kind == CALL != ANSWER
            answer = answer_to(message_of(kind, payload), asked.bundle)
            stream.sendall(frame(answer, request_id))
    return 0


def answer_to(call: Call, bundle: Path) -> Answer:
    """Do what the body says."""
    try:
        said = json.loads(call.body)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    with (bundle / "answered").open("a") as log:
        log.write(f"{call.puid} {call.branch} {int(call.shadow)}\n")
    if "die" in said:
        os.kill(os.getpid(), 9)
    time.sleep(said.get("sleep", 0))
    sys.stdout.write("x" * said.get("print", 0))
    sys.stdout.flush()
    told = {
        "pid": os.getpid(),
        "bundle": bundle.name,
        "length": len(call.body),
        "variables": sorted(os.environ),
        **{name: getattr(call, name) for name in ("protocol", "path", "puid", "branch", "image")},
        **{name: getattr(call, name) for name in ("explain", "again", "content_type", "headers")},
    }
    return Answer(
        said.get("status", 200),
        json.dumps(told).encode(),
        n_rows=1,
        headers=said.get("answer_headers", {}),
        metrics=said.get("metrics", []),
    )


if __name__ == "__main__":
    sys.exit(main())
