"""Asks `Access` as the gateway does, in an event loop that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from iris_ct.serving.access import Access, AccessOptions, Principal, Refusal

Decision = Principal | Refusal
LOCALHOST = (b"host", b"localhost:8080")


class HandClock:
    """A clock that goes when it is told to."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Door:
    """An `Access` with its loop and its clock."""

    def __init__(self, options: AccessOptions, runner: asyncio.Runner, **parts: Any) -> None:
        self.clock = HandClock()
        self.access = Access(options, clock=self.clock, **parts)
        self._runner = runner

    def ask(
        self, method: str, path: str, token: str | None = None, *headers: tuple[bytes, bytes]
    ) -> Decision:
        """Ask once; wait where the issuer must be asked."""
        return self.ask_all([(method, path, token, *headers)])[0]

    def ask_all(self, requests: list[tuple[Any, ...]]) -> list[Decision]:
        """Ask several at once."""

        async def one(
            method: str, path: str, token: str | None, *headers: tuple[bytes, bytes]
        ) -> Decision:
            every = list(headers) or [LOCALHOST]
            if token is not None:
                every.append((b"authorization", b"Bearer " + token.encode()))
            told = self.access.check(
                {"method": method, "path": path, "headers": every}, dict(every)
            )
            return await told if isawaitable(told) else told

        async def all_of_them() -> list[Decision]:
            return list(await asyncio.gather(*(one(*request) for request in requests)))

        return self._runner.run(all_of_them())

    def settle(self) -> None:
        """Let what is under way end."""
        self._runner.run(self.access.close())

    def later(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.at += seconds


@contextmanager
def door(options: AccessOptions, **parts: Any) -> Iterator[Door]:
    """Make one."""
    with asyncio.Runner() as runner:
        made = Door(options, runner, **parts)
        yield made
        made.settle()


def status(decision: Decision) -> int:
    """Give the status of a refusal, 200 for one who may."""
    return decision.status if isinstance(decision, Refusal) else 200
