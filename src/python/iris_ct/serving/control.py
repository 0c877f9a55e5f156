"""The control process as the gateway sees it: kept running, asked, and listened to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from iris_ct.core.errors import ConfigError
from iris_ct.serving.child import Child, ChildError, Link, Program, bound_log, start_child
from iris_ct.serving.frames import (
    ANSWER,
    ROUTES,
    Answer,
    FrameError,
    Http,
    Stats,
    message_of,
)
from iris_ct.serving.options import GatewayOptions
from iris_ct.serving.paths import protocol_of, refuse, refuse_path
from iris_ct.serving.routes import RouteTable, parse_routes

if TYPE_CHECKING:
    from iris_ct.serving.gateway import Request

_log = logging.getLogger(__name__)

# Seconds that a page may take, and that one waits for a control process that is starting.
_ANSWER_S = 60.0
_ARRIVAL_S = 15.0
# Seconds before it is started again, doubled each time it ends without having been ready.
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0
# Headers that are between two neighbours and not passed on, and the token, which the gateway
# has turned into a principal.
_HOP = frozenset(
    {
        b"authorization",
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"content-encoding", b"content-length", b"proxy-authorization", b"proxy-connection"),
    }
)

# Serves a table; gives why what is not served, by "<service>/<branch>".
Apply = Callable[[RouteTable], Awaitable[dict[str, str]]]


class ControlLink(Link):
    """Our end of the control process's stream."""

    def __init__(self, line: ControlLine) -> None:
        super().__init__()
        self._line = line
        self._asked: dict[int, asyncio.Future[Answer | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, request: Http) -> Answer | None:
        """Forward a request; None if the process ended meanwhile."""
        request_id = self.next_id()
        asked = self._asked[request_id] = self.loop.create_future()
        self.send(request, request_id)
        try:
            return await asyncio.wait_for(asked, _ANSWER_S)
        except TimeoutError:
            text = "The control process did not answer in time."
            return refuse(protocol_of(request.path), 504, text)
        finally:
            self._asked.pop(request_id, None)

    def answered(self, kind: int, request_id: int, payload: bytes) -> None:
        """Take an answer or a route table."""
        if kind == ANSWER:
            asked = self._asked.get(request_id)
            if asked is not None and not asked.done():
                asked.set_result(message_of(kind, payload))
        elif kind == ROUTES:
            task = self.loop.create_task(self._apply(message_of(kind, payload).json, request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            raise FrameError(f"A frame of kind {kind} is none of the control process.")

    async def _apply(self, text: bytes, request_id: int) -> None:
        try:
            table = parse_routes(text, source="The control process's message")
        except ConfigError as error:
            self.send(_told({"": str(error)}), request_id)
            return
        self.send(_told(await self._line.apply(table)), request_id)

    def ended(self, error: Exception | None) -> None:
        """Wake those who wait for a page."""
        super().ended(error)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)


class ControlLine:
    """Keeps the control process running and forwards to it; belongs to the gateway's loop.

    Parameters
    ----------
    command
        Makes its command from the number of its socket; None: there is none.
    apply
        Serves a route table that it sends.
    """

    def __init__(
        self,
        options: GatewayOptions,
        command: Callable[[int], Sequence[str]] | None,
        apply: Apply,
    ) -> None:
        self.apply = apply
        self.n_restarts = 0
        self._options = options
        self._program = command and Program(
            command, options.serving_dir / "logs" / "control.log", "The control process"
        )
        self._child: Child[ControlLink] | None = None
        self._link: ControlLink | None = None
        self._arrival = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        if self._program is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep(self._program))

    async def end(self) -> None:
        """Let it end."""
        self._over.set()
        if self._child is not None:
            if self._link is None:
                self._child.kill()
            await self._child.end(self._options.drain_s)
        if self._task is not None:
            await self._task

    def tell(self, stats: bytes) -> None:
        """Send statistics, if it listens."""
        if self._link is not None:
            self._link.send(Stats(stats))

    def look(self) -> None:
        """Keep its log within its bound."""
        if self._program is not None:
            bound_log(self._program.log, self._options.log_max_mb << 20)

    async def forward(self, request: Request) -> Answer:
        """Answer a request by the control process."""
        if self._program is None:
            return refuse_path(request.path)
        body = await request.body()
        with request.gateway.waiting.holding(len(body)):
            return await self._ask(request, body)

    async def _ask(self, request: Request, body: bytes) -> Answer:
        who = request.principal
        http = Http(
            request.method,
            request.path,
            request.query,
            [
                (name.decode("latin-1"), text.decode("latin-1"))
                for name, text in request.scope["headers"]
                if name not in _HOP
            ],
            body,
            (who.name, who.role, list(who.domains)),
        )
        try:
            await asyncio.wait_for(self._arrival.wait(), _ARRIVAL_S)
        except TimeoutError:
            return _away(request.path)
        link = self._link
        answer = await link.ask(http) if link is not None else None
        return answer or _away(request.path)

    async def _keep(self, program: Program) -> None:
        delay = _FIRST_DELAY_S
        while not self._over.is_set():
            try:
                child = await start_child(
                    program,
                    lambda: ControlLink(self),
                    within_s=self._options.start_timeout_s,
                    keep=self._remember,
                )
            except ChildError as error:
                if not self._over.is_set():
                    _log.warning("%s Look at %s.", error, program.log)
                delay = min(2 * delay, _LONGEST_DELAY_S)
            else:
                delay = _FIRST_DELAY_S
                self._link = child.link
                self._arrival.set()
                await child.link.gone.wait()
                self._arrival.clear()
                self._link = None
                await child.wait()
            self._child = None
            if not self._over.is_set():
                self.n_restarts += 1
                await self._pause(delay)

    def _remember(self, child: Child[ControlLink]) -> None:
        self._child = child
        if self._over.is_set():
            child.kill()

    async def _pause(self, delay: float) -> None:
        try:
            await asyncio.wait_for(self._over.wait(), delay)
        except TimeoutError:
            return


def _away(path: str) -> Answer:
    text = "The control process is being started; try again in a moment."
    return refuse(protocol_of(path), 503, text)


def _told(errors: dict[str, str]) -> Answer:
    return Answer(200, msgspec.json.encode({"ok": not errors, "errors": errors}))
