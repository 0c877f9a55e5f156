"""A control process that pushes what stands in ``<home>/wish.json`` and keeps what it is told."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
from pathlib import Path

from iris_ct.serving.frames import (
    ANSWER,
    DRAIN,
    HTTP,
    STATS,
    Answer,
    FrameProtocol,
    Hello,
    Http,
    Routes,
    message_of,
)


class Control(FrameProtocol):
    """Pushes wishes, echoes requests."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home, self.over = home, asyncio.Event()

    def received(self, kind: int, request_id: int, payload: bytes) -> None:
        if kind == HTTP:
            http: Http = message_of(kind, payload)
            if http.path == "/v1/die":
                os.kill(os.getpid(), 9)
            told = {"method": http.method, "path": http.path, "query": http.query}
            told |= {"body": http.body.decode(), "principal": str(http.principal)}
            self.send(Answer(200, json.dumps(told).encode(), headers={"x-own": "1"}), request_id)
        elif kind == STATS:
            self.keep("stats.json", message_of(kind, payload).json)
        elif kind == ANSWER:
            self.keep(f"told-{request_id}.json", message_of(kind, payload).body)
        elif kind == DRAIN:
            self.over.set()

    def keep(self, name: str, content: bytes) -> None:
        fresh = self.home / f"{name}.new"
        fresh.write_bytes(content)
        fresh.replace(self.home / name)

    def ended(self, error: Exception | None) -> None:
        self.over.set()


async def run(stream: socket.socket, home: Path) -> None:
    """Push each wish once."""
    loop = asyncio.get_running_loop()
    _, control = await loop.create_connection(lambda: Control(home), sock=stream)
    control.send(Hello(os.getpid()))
    wish, pushed = home / "wish.json", 0
    while not control.over.is_set():
        if wish.exists():
            text = wish.read_bytes()
            revision = json.loads(text)["revision"]
            if revision != pushed:
                pushed = revision
                control.send(Routes(text), revision)
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--address", required=True)
    asked = parser.parse_args()
    asyncio.run(run(socket.socket(fileno=asked.fd), asked.home))
