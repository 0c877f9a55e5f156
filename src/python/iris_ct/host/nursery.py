"""A process that imports the production once and forks the processes of strict mode from it.

A fresh interpreter per slot would import the same modules again each time, which costs a second of
processor time and 100 MB apiece. The nursery runs no component and has no connection open, so what
a forked process shares with its siblings is code alone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from iris_ct.host.component import describe
from iris_ct.host.defaults import DefaultSetting, to_rows
from iris_ct.host.errors import ComponentStartError
from iris_ct.host.foreign import Foreign
from iris_ct.host.plan import HostPlan, load_production
from iris_ct.host.signals import wait_readable
from iris_ct.host.worker import die_with, run_slot

_MAX_REQUEST_BYTES = 65536
_KILLED = -signal.SIGKILL


class Child:
    """A forked process, as its supervisor sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code = 0
        self._ended = threading.Event()

    def wait(self) -> int:
        """Wait for the end; returns the exit code, negative for a signal."""
        self._ended.wait()
        return self._code

    def end(self, code: int) -> None:
        """Note the end."""
        self._code = code
        self._ended.set()

    def kill(self) -> None:
        """Kill the process."""
        if not self._ended.is_set():
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """The supervisor's side. `fork` may be called by any thread.

    Parameters
    ----------
    production : str
        ``module:attribute``, imported once.
    wakes, defaults
        As of `HostPlan.from_production`.
    """

    def __init__(
        self,
        production: str,
        *,
        wakes: Mapping[str, float] | None = None,
        defaults: Iterable[DefaultSetting] = (),
    ) -> None:
        self._production = production
        self._wakes = dict(wakes or {})
        self._defaults = to_rows(defaults)
        self._forking = threading.Lock()
        # What the present nursery answers to the one request that may be under way; None: it died.
        self._answers: SimpleQueue[str | Child | None] = SimpleQueue()
        self._channel: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failure = ""

    def fork(self, settings: dict[str, Any], orders: int, reports: int) -> Child:
        """Make the process of a slot.

        Parameters
        ----------
        settings : dict
            Plain values for `run_slot`.
        orders, reports : int
            Descriptors it reads from and writes to.

        Raises
        ------
        ComponentStartError
            If the production could not be imported, or the nursery died before it answered.
        """
        with self._forking:
            if self._channel is None:
                self._open()
            try:
                if self._channel is not None:
                    request = json.dumps(settings).encode()
                    socket.send_fds(self._channel, [request], [orders, reports])
                    child = self._answers.get()
                    if isinstance(child, Child):
                        return child
            except OSError as error:
                self._channel = None
                raise ComponentStartError(f"the production's process died: {error}") from error
            self._channel = None
            raise ComponentStartError(self._failure or "the production's process died")

    def close(self) -> None:
        """End the nursery; its children have been ended before."""
        with self._forking:
            if self._channel is not None:
                with suppress(OSError):
                    self._channel.shutdown(socket.SHUT_RDWR)
            if self._thread is not None:
                self._thread.join()

    def _open(self) -> None:
        if self._failure:
            # What could not be imported once cannot be imported now.
            return
        self._answers = SimpleQueue()
        ours, theirs = socket.socketpair()
        # The kernel ties a child to the thread that started it, so that thread stays.
        self._thread = threading.Thread(
            target=self._attend,
            args=(ours, theirs, self._answers),
            name="host-nursery",
            daemon=True,
        )
        self._thread.start()
        failure = self._answers.get()
        if failure == "":
            self._channel = ours
        elif isinstance(failure, str):
            self._failure = failure

    def _attend(
        self,
        ours: socket.socket,
        theirs: socket.socket,
        inbox: SimpleQueue[str | Child | None],
    ) -> None:
        children: dict[int, Child] = {}
        settings = {
            "channel": theirs.fileno(),
            "parent": os.getpid(),
            "production": self._production,
            "wakes": self._wakes,
            "defaults": self._defaults,
            "import_path": sys.path,
        }
        # It reads its settings before anything is imported: they hold the import path.
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import json, sys\n"
                "settings = json.loads(sys.stdin.readline())\n"
                "sys.path[:] = settings['import_path']\n"
                "from iris_ct.host.nursery import run_nursery\n"
                "run_nursery(settings)\n",
            ],
            stdin=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
            text=True,
        )
        theirs.close()
        with process, ours, ours.makefile("r") as answers:
            if process.stdin is not None:
                process.stdin.write(json.dumps(settings) + "\n")
                process.stdin.flush()
            for line in answers:
                answer = json.loads(line)
                if "ready" in answer:
                    inbox.put(str(answer["ready"]))
                elif "born" in answer:
                    children[answer["born"]] = Child(answer["born"])
                    inbox.put(children[answer["born"]])
                else:
                    children.pop(answer["died"]).end(answer["code"])
            if self._channel is ours:
                self._channel = None
            # Its children die with it, by the kernel.
            for child in children.values():
                child.end(_KILLED)
            inbox.put(None)


def run_nursery(settings: dict[str, Any]) -> None:
    """Import the production, then fork whenever asked, until the supervisor goes."""
    die_with(settings["parent"])
    # Ctrl-C reaches the whole group; only the host decides how it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=settings["channel"])
    channel.set_inheritable(False)
    with Foreign() as importing:
        plan = HostPlan.from_production(
            load_production(settings["production"]),
            wakes=settings["wakes"],
            defaults=[DefaultSetting(**row) for row in settings["defaults"]],
        )
    if importing.error is not None:
        _answer(channel, ready=describe(importing.error))
        return
    alarm_reader, alarm_writer = os.pipe()
    os.set_blocking(alarm_writer, False)
    signal.set_wakeup_fd(alarm_writer)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    _answer(channel, ready="")
    while True:
        ready = wait_readable([channel.fileno(), alarm_reader])
        if alarm_reader in ready:
            os.read(alarm_reader, 4096)
            _reap(channel)
        if channel.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(channel, _MAX_REQUEST_BYTES, 2)
            if not request:
                return
            _fork(channel, plan, json.loads(request), descriptors)


def _answer(channel: socket.socket, **answer: Any) -> None:
    channel.sendall(json.dumps(answer).encode() + b"\n")


def _reap(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _answer(channel, died=pid, code=os.waitstatus_to_exitcode(status))


def _fork(
    channel: socket.socket, plan: HostPlan, settings: dict[str, Any], descriptors: list[int]
) -> None:
    parent = os.getpid()
    with warnings.catch_warnings():
        # Libraries may keep idle threads of their own; none of ours runs here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _be_born(channel, plan, settings | {"parent": parent}, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    _answer(channel, born=pid)


def _be_born(
    channel: socket.socket, plan: HostPlan, settings: dict[str, Any], descriptors: list[int]
) -> None:
    """Be the process of a slot, and never return into the nursery's loop."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel.close()
        orders: IO[str] = os.fdopen(descriptors[0])
        run_slot(settings, plan, orders, descriptors[1])
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
