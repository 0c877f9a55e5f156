"""The control process: plans what is served, answers ``/v1`` and the pages, folds the journal.

``python -m iris_ct.control.main --fd N --home DIR --address URL`` is started by the gateway, which
starts it again if it ends. It ends when the gateway does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
from starlette.applications import Starlette

from iris_ct import bootstrap
from iris_ct.bootstrap import Parts
from iris_ct.config import Settings, load_settings
from iris_ct.control.asgi import answer
from iris_ct.control.board import Board
from iris_ct.control.keeper import Keeper, Look
from iris_ct.control.plan import route_table
from iris_ct.control.scaler import Scaler
from iris_ct.control.token_audit import TokenAudit
from iris_ct.core.errors import CTError
from iris_ct.core.rollout import RolloutPolicy, parse_stages
from iris_ct.flow.fold import fold_journal, is_due
from iris_ct.procedures.service_sessions import forget_others
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
    Stats,
    message_of,
)
from iris_ct.serving.paths import protocol_of, refuse

_log = logging.getLogger(__name__)

# Seconds between two looks: how long a promotion takes to be seen.
LOOK_S = 0.5
# Seconds between two looks whether predictions wait to be logged.
_FOLD_S = 5.0
# Seconds between two looks at who may ask.
_TOKENS_S = 2.0
# Seconds after which a table that could not be served whole is sent again.
_AGAIN_S = 30.0
# Seconds after which sessions are looked for that a worker left at its end.
_FORGET_S = 30.0

_GONE = Answer(503, b'{"errors": {}}')


class Control(FrameProtocol):
    """The control process's end of the stream to the gateway."""

    def __init__(self, app: Starlette, board: Board) -> None:
        super().__init__()
        self._app, self._board = app, board
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.over = asyncio.Event()

    def received(self, kind: int, request_id: int, payload: bytes) -> None:
        """Handle one frame."""
        if kind == HTTP:
            task = self.loop.create_task(self._answer(message_of(kind, payload), request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == STATS:
            stats: Stats = message_of(kind, payload)
            self._board.take(stats.json)
        elif kind == ANSWER:
            asked = self._asked.pop(request_id, None)
            if asked is not None and not asked.done():
                asked.set_result(message_of(kind, payload))
        elif kind == DRAIN:
            self.over.set()

    def ended(self, error: Exception | None) -> None:
        """End with the gateway; who waits for its answer gets one."""
        self.over.set()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(_GONE)

    async def push(self, routes: bytes) -> Answer:
        """Hand the gateway a route table; give its answer once it serves it, or why not."""
        if self.over.is_set():
            # The gateway ended while this table was made.
            return _GONE
        request_id = self.next_id()
        asked: asyncio.Future[Answer] = self.loop.create_future()
        self._asked[request_id] = asked
        self.send(Routes(routes), request_id)
        return await asked

    async def _answer(self, request: Http, request_id: int) -> None:
        (told,) = await asyncio.gather(answer(self._app, request), return_exceptions=True)
        if isinstance(told, BaseException):
            _log.error("%s %s failed", request.method, request.path, exc_info=told)
            text = "The control process failed; its log says where."
            told = refuse(protocol_of(request.path), 500, text)
        self.send(told, request_id)


class Pilot:
    """Looks, and lets the gateway follow; belongs to the event loop, the looks to one thread."""

    def __init__(self, parts: Parts, control: Control, board: Board, keeper: Keeper) -> None:
        self._parts, self._control, self._board, self._keeper = parts, control, board, keeper
        self._path = parts.home / "serving" / "routes.json"
        self._revision = _revision_of(self._path)
        self._planned: Look | None = None
        # What the gateway could not start, by service and branch, and by service.
        self._unable: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._sent_at_s = 0.0
        # Hands the plan to the gateway, which may wait for what is slow to start.
        self._push: asyncio.Task[None] | None = None
        self._forgot_at_s = 0.0
        self._tokens = TokenAudit(parts)
        # A thread each: the parts they use belong to one.
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._folds = ThreadPoolExecutor(1, thread_name_prefix="folds")

    async def run(self) -> None:
        """Look, and log what waits, until the end."""
        over = self._control.over
        await asyncio.gather(
            repeat(self._turn, LOOK_S, "A look at what is to be served", over),
            repeat(self._fold, _FOLD_S, "Logging predictions", over),
            repeat(self._tell_tokens, _TOKENS_S, "A look at the tokens", over),
        )

    async def _tell_tokens(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._looks, self._tokens.look)

    async def _fold(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._folds, fold_if_due, self._parts)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        look = await loop.run_in_executor(self._looks, self._look)
        overdue = bool(self._refused) and loop.time() - self._sent_at_s > _AGAIN_S
        is_new = self._planned is None or look.services != self._planned.services
        if is_new or overdue:
            self._planned, self._sent_at_s = look, loop.time()
            self._push = loop.create_task(self._hand_over(self._table(look)))
            # Most plans are followed at once, and then told so at once.
            await asyncio.wait([self._push], timeout=LOOK_S)
        push = self._push
        is_settled = push is not None and push.done()
        if push is not None and is_settled and push.exception() is not None:
            # It is handed over anew at the next look.
            self._push = self._planned = None
            await push
        self._write_state(look, settled=is_settled)
        is_due = is_new or loop.time() - self._forgot_at_s > _FORGET_S
        if is_settled and is_due and not self._refused:
            self._forgot_at_s = loop.time()
            home = self._parts.home
            await loop.run_in_executor(self._looks, forget_others, home, look.models)

    async def _hand_over(self, text: bytes) -> None:
        """Let the gateway serve a table; one that comes after it takes its place at once."""
        told = await self._control.push(text)
        if self._push is asyncio.current_task():
            self._unable = _errors(told)
            self._refused = {key.partition("/")[0]: why for key, why in self._unable.items()}
            _keep(self._path, text)

    def _look(self) -> Look:
        return self._keeper.look(self._board.states(), frozenset(self._unable))

    def _table(self, look: Look) -> bytes:
        self._revision += 1
        settings = self._parts.settings
        return msgspec.json.encode(
            route_table(
                look.services,
                revision=self._revision,
                timeout_s=settings.serve_timeout_s,
                allow_pickle=settings.serve_allow_pickle,
            )
        )

    def _write_state(self, look: Look, *, settled: bool) -> None:
        self._board.write(
            look.services,
            {**self._refused, **look.failures},
            revision=self._revision,
            settled=settled,
            at=self._parts.clock.now(),
        )


async def repeat(
    turn: Callable[[], Awaitable[None]], every_s: float, what: str, over: asyncio.Event
) -> None:
    """Do something again and again; one that fails is told once and stops nothing else."""
    told = ""
    while not over.is_set():
        try:
            await turn()
            told = ""
        except Exception as error:  # noqa: BLE001 - the process has other things to do
            text = f"{what} failed: {_words_of(error)}"
            if text != told:
                _log.warning("%s", text)
            told = text
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), every_s)


def _words_of(error: Exception) -> str:
    """Say what went wrong; what others than our own errors say may hold values of rows."""
    if isinstance(error, CTError):
        return str(error)
    where = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}\n{where}"


def fold_if_due(parts: Parts) -> None:
    """Move waiting predictions into the log, if it is time."""
    if is_due(parts.store, parts.clock):
        fold_journal(parts.store, parts.clock)


def make_app(parts: Parts, board: Board) -> Starlette:
    """Make the application that answers what is not the data plane's."""
    from iris_ct.control import console, rest

    app = Starlette(
        routes=[*rest.routes(parts), *console.routes(parts, board)],
        exception_handlers=rest.REFUSALS,
    )
    app.state.board = board
    return app


def rollout_policy(settings: Settings) -> RolloutPolicy | None:
    """Read how new versions are tried; None if they answer at once."""
    if not settings.serve_rollout:
        return None
    return RolloutPolicy(
        stages=parse_stages(settings.serve_rollout),
        min_requests=settings.serve_rollout_requests,
        min_stage_s=settings.serve_rollout_s,
    )


def main(arguments: Sequence[str]) -> int:
    """Run the process; gives its exit code."""
    parser = argparse.ArgumentParser(prog="iris_ct.control.main")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--address", default="")
    options = parser.parse_args(arguments)
    parts = bootstrap.parts(load_settings(options.home))
    asyncio.run(_run(parts, socket.socket(fileno=options.fd), options.address))
    return 0


async def _run(parts: Parts, stream: socket.socket, address: str) -> None:
    settings = parts.settings
    board = Board(parts.home, address=address, pid=os.getppid())
    app = make_app(parts, board)
    loop = asyncio.get_running_loop()
    _transport, control = await loop.create_connection(lambda: Control(app, board), sock=stream)
    keeper = Keeper(parts, rollout_policy(settings), Scaler(window_s=settings.serve_scale_down_s))
    control.send(Hello(os.getpid()))
    await Pilot(parts, control, board, keeper).run()


def _revision_of(path: Path) -> int:
    """Give the revision of the last route table, so that the next one is higher."""
    try:
        content = msgspec.json.decode(path.read_bytes())
        return int(content["revision"])
    except (FileNotFoundError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 0


def _errors(told: Answer) -> dict[str, str]:
    """Read why branches are not served, by ``<service>/<branch>``."""
    content = msgspec.json.decode(told.body) if told.body else {}
    errors: dict[str, str] = content.get("errors") or {}
    return errors


def _keep(path: Path, text: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
