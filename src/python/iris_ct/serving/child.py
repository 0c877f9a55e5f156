"""One child process at the other end of a framed socket: its start, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from iris_ct.serving.frames import HELLO, JSON, Drain, FrameError, FrameProtocol

_log = logging.getLogger(__name__)

# Seconds that a process has to end by itself, once its stream has ended.
_KILL_AFTER_S = 1.0
# Bytes of a log's end in which the reason of a failed start is looked for.
_TAIL = 4096


class ChildError(Exception):
    """A child did not become able to answer; says what its log says last."""


class Link(FrameProtocol):
    """Our end of a child's stream; knows when it is ready and when it has gone."""

    def __init__(self) -> None:
        super().__init__()
        # Whether it can answer: True with its Hello, False if it ended before.
        self.hello: asyncio.Future[bool] = self.loop.create_future()
        self.gone = asyncio.Event()
        self.error: Exception | None = None

    def received(self, kind: int, request_id: int, payload: bytes) -> None:
        """Take the child's first word; the rest is `answered`."""
        if kind & ~JSON == HELLO:
            self.json = bool(kind & JSON)
            if not self.hello.done():
                self.hello.set_result(True)
        else:
            self.answered(kind, request_id, payload)

    def answered(self, kind: int, request_id: int, payload: bytes) -> None:
        """Handle what is no Hello."""
        raise NotImplementedError

    def broken(self, error: FrameError) -> None:
        """Close a stream that cannot be read, and remember why."""
        self.error = error
        super().broken(error)

    def ended(self, error: Exception | None) -> None:
        """Wake those who wait for this child."""
        self.gone.set()
        if not self.hello.done():
            self.hello.set_result(False)


L = TypeVar("L", bound=Link)


@dataclass(frozen=True)
class Program:
    """What a child runs.

    Attributes
    ----------
    command
        Makes the command from the number of the child's socket.
    log
        File that gets its standard output and standard error.
    name
        What messages call it.
    env
        What is added to the environment.
    hidden
        Names of variables that begin like this are not passed on.
    """

    command: Callable[[int], Sequence[str]]
    log: Path
    name: str
    env: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()


def _environment(program: Program) -> dict[str, str]:
    passed = {
        name: text for name, text in os.environ.items() if not name.startswith(program.hidden)
    }
    return {**passed, **dict(program.env)}


class Child(Generic[L]):
    """A running child; belongs to the event loop that started it."""

    def __init__(self, process: asyncio.subprocess.Process, link: L, log: Path) -> None:
        self.process, self.link, self.log = process, link, log
        self.pid = process.pid

    def kill(self) -> None:
        """End it now; its stream's end tells the rest."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self, within_s: float) -> None:
        """Let it answer what came before, and end it in any case."""
        self.link.send(Drain())
        await self.wait(within_s)

    async def wait(self, within_s: float = _KILL_AFTER_S) -> None:
        """Wait for its end; kill it when the time is over."""
        try:
            await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        if self.link.transport is not None:
            # What it answered at its end may still be unread.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.link.gone.wait(), _KILL_AFTER_S)


async def start_child(
    program: Program,
    make_link: Callable[[], L],
    *,
    within_s: float,
    keep: Callable[[Child[L]], None] = lambda _child: None,
) -> Child[L]:
    """Start a child and wait for its Hello.

    Parameters
    ----------
    program
        What it runs.
    make_link
        Makes our end of the stream.
    within_s
        Seconds it has.
    keep
        Is given the child before it is ready, so that it can be ended meanwhile.

    Raises
    ------
    ChildError
        If it cannot be started, ends, or is not ready in time.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise ChildError(f"{program.name} cannot be started: {error}.") from error
    try:
        process = await _spawn(program, theirs)
    except OSError as error:
        ours.close()
        raise ChildError(f"{program.name} cannot be started: {error}.") from error
    finally:
        theirs.close()
    _transport, link = await asyncio.get_running_loop().create_connection(make_link, sock=ours)
    child = Child(process, link, program.log)
    keep(child)
    try:
        is_ready = await asyncio.wait_for(asyncio.shield(link.hello), within_s)
    except TimeoutError:
        child.kill()
        await child.wait()
        raise ChildError(
            f"{program.name} was not ready within {within_s:g} s. Look at {program.log}."
        ) from None
    if not is_ready:
        await child.wait()
        raise ChildError(
            f"{program.name} ended with code {process.returncode} before it was ready: "
            f"{last_line(program.log) or 'it said nothing'}"
        ) from link.error
    return child


async def _spawn(program: Program, theirs: socket.socket) -> asyncio.subprocess.Process:
    command = list(program.command(theirs.fileno()))
    program.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output = os.open(program.log, flags, 0o600)
    try:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        os.write(output, f"== {at} start {program.name}\n".encode())
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(theirs.fileno(),),
            env=_environment(program),
            # Ctrl-C is for the gateway, which then lets its children finish.
            start_new_session=True,
        )
    finally:
        os.close(output)


def last_line(log: Path) -> str:
    """Give the last line of a log that says something of the newest start."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines and not lines[-1].startswith("== ") else ""


def bound_log(log: Path, max_bytes: int) -> None:
    """Move what a log holds into ``<log>.1`` when it is longer than allowed.

    The child goes on writing to the same file, which it appends to.
    """
    try:
        if log.stat().st_size <= max_bytes:
            return
        before = log.with_name(f"{log.name}.1")
        shutil.copyfile(log, before)
        before.chmod(0o600)
        os.truncate(before, min(before.stat().st_size, max_bytes))
        os.truncate(log, 0)
    except FileNotFoundError:
        return
    except OSError as error:
        # A full disk, say: serving goes on, and the next look tries again.
        _log.warning("%s cannot be kept within %d bytes: %s", log, max_bytes, error)
