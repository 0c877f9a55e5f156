"""Clients that ask without a pause in every protocol, and check each answer as it comes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.cli.running import MODEL

AB = "rentals-ab"
"""A service with two versions and weights."""

ENOUGH = 50
"""So many wrong answers say all there is to say."""

_ROW = [8, 12.5, "dry", False]
_NAMES = ["hour", "temperature", "weather", "holiday"]
_SET = 40


@dataclass
class Seen:
    """What the clients saw.

    Attributes
    ----------
    answered : Counter
        By puid, how many answers.
    rows : dict
        By puid, the rows that were asked, also of requests without an answer.
    wrong : list of str
        What should not be.
    images : Counter
        By image, how often it answered the service with weights.
    """

    answered: Counter[str] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    images: Counter[str] = field(default_factory=Counter)
    champions: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    is_end_expected: bool = False

    @property
    def n_answered(self) -> int:
        """How many answers came."""
        return self.answered.total()


def _seldon(service: str, n: int, puid: str) -> tuple[str, bytes]:
    rows = [_ROW] * n
    message = {"meta": {"puid": puid}, "data": {"names": _NAMES, "ndarray": rows}}
    return f"/model-endpoints/{service}", json.dumps(message).encode()


def _open_inference(service: str, n: int, puid: str) -> tuple[str, bytes]:
    kinds = ["FP64", "FP64", "BYTES", "BOOL"]
    inputs = [
        {"name": name, "shape": [n], "datatype": kind, "data": [cell] * n}
        for name, kind, cell in zip(_NAMES, kinds, _ROW, strict=True)
    ]
    path = f"/v2/models/{service}/infer"
    return path, json.dumps({"id": puid, "inputs": inputs}).encode()


def _mlflow(service: str, n: int, puid: str) -> tuple[str, bytes]:
    split = {"columns": _NAMES, "data": [_ROW] * n}
    path = f"/invocations?service={service}"
    return path, json.dumps({"dataframe_split": split}).encode()


_ASK: list[Callable[[str, int, str], tuple[str, bytes]]] = [_seldon, _open_inference, _mlflow]


class Client:
    """One connection that is opened again only after it broke."""

    def __init__(self, number: int, netloc: str, seen: Seen, stop: Callable[[], bool]) -> None:
        self._number, self._seen, self._stop = number, seen, stop
        host, _, port = netloc.partition(":")
        self._netloc, self._address = netloc, (host, int(port))
        # A seed, so that a run can be repeated.
        self._random = random.Random(number)  # noqa: S311 - no secret

    async def run(self) -> None:
        """Ask until it is told to stop, or the gateway is killed as expected."""
        try:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                n = 0
                while not self._stop() and len(self._seen.wrong) < ENOUGH:
                    await self._ask(n, reader, writer)
                    n += 1
                await self._expect_silence(reader)
            finally:
                writer.close()
                await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if not self._seen.is_end_expected:
                self._seen.wrong.append(f"client {self._number}: {type(error).__name__}: {error}")

    async def _ask(
        self, n: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        puid = f"soak-{self._number}-{n}"
        kind = self._random.randrange(len(_ASK))
        service = AB if self._random.random() < 0.5 else MODEL
        rows = _SET if self._random.random() < 0.05 else 1
        path, body = _ASK[kind](service, rows, puid)
        self._seen.rows[puid] = rows
        began = time.monotonic()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self._netloc}\r\nSeldon-Puid: {puid}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        said = await reader.readexactly(length)
        self._seen.slowest_s = max(self._seen.slowest_s, time.monotonic() - began)
        self._check(puid, kind, service, rows, int(head.split(b" ", 2)[1]), said)

    def _check(
        self, puid: str, kind: int, service: str, rows: int, status: int, said: bytes
    ) -> None:
        seen = self._seen
        if status != 200:
            seen.wrong.append(f"{puid}: {status} {said[:300]!r}")
            return
        told: dict[str, Any] = json.loads(said)
        seen.answered[puid] += 1
        if kind == 0:
            values, named = told["data"]["ndarray"], told["meta"]["puid"]
            (image,) = told["meta"]["requestPath"].values()
            (seen.images if service == AB else seen.champions)[image] += 1
        elif kind == 1:
            values, named = told["outputs"][0]["data"], told["id"]
        else:
            values, named = told["predictions"], puid
        if named != puid or len(values) != rows:
            seen.wrong.append(f"{puid}: {len(values)} rows of {rows} for {named}")

    async def _expect_silence(self, reader: asyncio.StreamReader) -> None:
        """Hold that no answer comes that nobody asked for."""
        try:
            more = await asyncio.wait_for(reader.read(1), 0.5)
        except TimeoutError:
            return
        if more:
            self._seen.wrong.append(f"client {self._number}: an answer too many")
