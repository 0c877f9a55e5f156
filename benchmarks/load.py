"""One client for all sides: wrk where it is installed, else a load client of our own.

Both keep some connections open and send the next request over each as soon as the last is
answered; both refuse to count when anything but 200 comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import numpy as np

_WRK_SCRIPT = """
local file = assert(io.open({body}, "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{{"requests":%d,"seconds":%.6f,"p50_s":%.6f,"p99_s":%.6f,"failed":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6,
    latency:percentile(99) / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Question:
    """What is asked again and again: a POST."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Rate:
    """What a client saw: requests a second, and in seconds how long half and 99 % took at most."""

    requests_per_s: float
    p50_s: float
    p99_s: float


WRK = shutil.which("wrk")
"""Where wrk is; None: it is not installed."""


def client() -> str:
    """Name the client that is used."""
    return "wrk, one thread" if WRK else "benchmarks/load.py on uvloop"


def load(question: Question, *, seconds: float, connections: int, wrk: str | None = WRK) -> Rate:
    """Ask as fast as answers come, by wrk or, without it, by the client of this module.

    Raises
    ------
    RuntimeError
        If a request failed or was answered otherwise than with 200.
    """
    with tempfile.TemporaryDirectory(prefix="ct-bench-") as name:
        folder = Path(name)
        body = folder / "body"
        body.write_bytes(question.body)
        if wrk:
            command = _wrk(wrk, question, body, folder / "ask.lua", seconds, connections)
        else:
            said = json.dumps({**question.headers})
            command = [sys.executable, __file__, question.url, str(body), said]
            command += [str(seconds), str(connections)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"The load client failed:\n{ran.stdout}{ran.stderr}")
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    if told["failed"] or not told["requests"]:
        raise RuntimeError(f"{question.url}: {told['failed']} of {told['requests']} failed.")
    return Rate(told["requests"] / told["seconds"], told["p50_s"], told["p99_s"])


def _wrk(
    program: str, question: Question, body: Path, script: Path, seconds: float, connections: int
) -> list[str]:
    headers = "\n".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(text)}"
        for name, text in question.headers.items()
    )
    script.write_text(_WRK_SCRIPT.format(body=json.dumps(str(body)), headers=headers))
    # wrk takes whole seconds.
    duration = f"{max(1, round(seconds))}s"
    return [
        *(program, "-t1", f"-c{connections}", f"-d{duration}", "--timeout", "30s"),
        *("-s", str(script), question.url),
    ]


class _Asking(asyncio.Protocol):
    """One connection: sends, reads a whole answer, sends again."""

    def __init__(self, request: bytes, until: float, took: list[float]) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.n_failed = 0
        self._request, self._until, self._took = request, until, took
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again when an answer is complete, unless time is up."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._took.append(time.perf_counter() - self._sent)
        self.n_failed += b" 200 " not in head.partition(b"\r\n")[0]
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """End; a connection that was closed on us is a failure."""
        self.n_failed += time.perf_counter() < self._until
        if not self.over.done():
            self.over.set_result(None)

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, text = line.partition(b":")
        if name.lower() == b"content-length":
            return int(text)
    raise RuntimeError("An answer has no content-length.")


async def _ask_all(question: Question, seconds: float, connections: int) -> dict[str, float]:
    address = urlsplit(question.url)
    head = [f"POST {address.path} HTTP/1.1", f"Host: {address.netloc}"]
    head += [f"{name}: {text}" for name, text in question.headers.items()]
    head += [f"Content-Length: {len(question.body)}", "", ""]
    request = "\r\n".join(head).encode() + question.body
    took: list[float] = []
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    asking = [
        (
            await loop.create_connection(
                lambda: _Asking(request, began + seconds, took),
                address.hostname or "",
                address.port or 80,
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(one.over for one in asking))
    return {
        "requests": len(took),
        "seconds": time.perf_counter() - began,
        "p50_s": float(np.quantile(took, 0.5)),
        "p99_s": float(np.quantile(took, 0.99)),
        "failed": sum(one.n_failed for one in asking),
    }


def main() -> None:
    """Be the client: URL, file with the body, headers as JSON, seconds, connections."""
    import uvloop

    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("url", "body", "headers", "seconds", "connections"):
        parser.add_argument(name)
    asked = parser.parse_args()
    question = Question(asked.url, Path(asked.body).read_bytes(), json.loads(asked.headers))
    told = uvloop.run(_ask_all(question, float(asked.seconds), int(asked.connections)))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
