"""Wake-ups: threads of one process by condition variables, processes by named pipes.

A ring is a hint to look into the store and carries nothing that counts: a lost one costs at most
the patience of the waiter. A pipe nobody reads is no error, so an absent host may be rung too.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_logger = logging.getLogger(__name__)


class Signal:
    """A counter of rings that threads can wait on."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """Rings so far. Read it before looking, wait with it after."""
        return self._count

    def ring(self) -> None:
        """Wake all waiters."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> bool:
        """Wait until there are more rings than were seen; False when the time is over."""
        with self._condition:
            return self._condition.wait_for(lambda: self._count != seen, max(0.0, timeout_s))


class Signals:
    """Named signals of one process. Used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signals: dict[str, Signal] = {}

    def get(self, name: str) -> Signal:
        """Return the signal of a name, made at first use."""
        with self._lock:
            return self._signals.setdefault(name, Signal())

    def ring_all(self) -> None:
        """Wake everybody, for a ring that does not say for whom it is."""
        with self._lock:
            signals = list(self._signals.values())
        for signal in signals:
            signal.ring()


class Doorbell:
    """A named pipe that other processes ring; a thread of this process answers.

    Parameters
    ----------
    path : Path
        The pipe; made if missing, left behind at the end (a ring of it then goes nowhere).
    answer : callable
        Called with the words that were rung, in the answering thread.
    """

    def __init__(self, path: Path, answer: Callable[[list[str]], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Read and write, so that the pipe never reaches its end when a ringer closes.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop_reader, self._stop_writer = os.pipe()
        self._answer = answer
        self._thread = threading.Thread(target=self._listen, name="host-doorbell", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        rest = b""
        while True:
            ready = wait_readable([self._pipe, self._stop_reader])
            if self._stop_reader in ready:
                return
            *words, rest = (rest + os.read(self._pipe, 65536)).split(b"\n")
            try:
                self._answer([w.decode("utf-8", "replace") for w in words])
            except Exception:
                # A store that is away for a moment must not make this process deaf for ever.
                _logger.exception("A ring was not answered.")

    def close(self) -> None:
        """Stop answering."""
        os.write(self._stop_writer, b"x")
        self._thread.join()
        for descriptor in (self._pipe, self._stop_reader, self._stop_writer):
            os.close(descriptor)


def wait_readable(descriptors: Iterable[int]) -> set[int]:
    """Wait until something can be read; gives where.

    ``select`` would refuse descriptors from 1024 on, which a process with many stores reaches.
    """
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        return {key.fd for key, _ in selector.select()}


def ring(path: Path, word: str) -> bool:
    """Ring another process's pipe; False when nobody is there."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # Nobody reads, nobody ever did, or the host is another user's: it looks by itself later.
        if error.errno in {errno.ENXIO, errno.ENOENT, errno.EACCES}:
            return False
        raise
    try:
        os.write(pipe, word.encode() + b"\n")
    except BlockingIOError:
        # The pipe is full of rings: whoever reads it has been told.
        return True
    except BrokenPipeError:
        return False
    finally:
        os.close(pipe)
    return True
