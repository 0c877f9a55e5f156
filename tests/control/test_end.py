"""The control process ends with its gateway, also while it has something to tell it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from starlette.applications import Starlette

from iris_ct.control.board import Board
from iris_ct.control.main import Control, repeat
from iris_ct.core.errors import StoreError


def test_a_table_that_comes_after_the_gateways_end_waits_for_nobody(tmp_path: Path) -> None:
    """A look may be under way when the gateway is killed."""

    async def push_late() -> tuple[int, int]:
        control = Control(Starlette(), Board(tmp_path, address="", pid=1))
        early = asyncio.ensure_future(control.push(b"{}"))
        await asyncio.sleep(0)
        control.ended(None)
        late = await asyncio.wait_for(control.push(b"{}"), 30)
        return (await asyncio.wait_for(early, 30)).status, late.status

    assert asyncio.run(push_late()) == (503, 503)


def test_what_fails_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Predictions that cannot be logged, say, must not end what plans and answers beside that."""

    value = "4711 of a row"

    async def fail_often() -> int:
        over, n_turns = asyncio.Event(), 0

        async def turn() -> None:
            nonlocal n_turns
            n_turns += 1
            if n_turns == 5:
                over.set()
            if n_turns == 4:
                raise StoreError("Another mishap.")
            raise ValueError(value)

        await asyncio.wait_for(repeat(turn, 0.001, "Something", over), 30)
        return n_turns

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(fail_often()) == 5
    lines = [one.message.splitlines() for one in caplog.records]
    assert [said[0] for said in lines] == [
        "Something failed: ValueError",
        "Something failed: Another mishap.",
        "Something failed: ValueError",
    ]
    assert "in turn" in lines[0][-2]
    assert value not in caplog.text
