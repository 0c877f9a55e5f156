"""The control process ends with its gateway, also while it has something to tell it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.applications import Starlette

from iris_ct.control.board import Board
from iris_ct.control.main import Control


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
