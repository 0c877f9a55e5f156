"""The writer of the journal: what it has appended survives the end of its process."""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from iris_ct.adapters.durable import sync
from iris_ct.adapters.journal.segment import END, HEAD, SUFFIX, framed, locked, sizes
from iris_ct.core.errors import JournalFullError
from iris_ct.core.scoring.record import Entry

MAX_BYTES = 256 << 20
"""Bytes of all segments beyond which nothing is taken: some ten million keyless rows."""
SEGMENT_BYTES = 16 << 20
SYNC_S = 1.0

_now = time.monotonic
# How long a count of the other writers' bytes is believed.
_COUNT_S = 1.0
# A full queue is looked at again not more often than this.
_FULL_S = 0.05
# How often an idle thread looks whether its writer is still used.
_LOOK_S = 60.0


class JournalWriter:
    """One writer; owned by whoever answers, used by any number of its threads.

    Parameters
    ----------
    directory : Path
        Where all segments lie; made if it is not there.
    max_bytes : int
        Bytes of the segments of all writers beyond which `append` refuses. The others' bytes are
        counted once a second, so that the limit may be passed by what they write in that time.
    segment_bytes : int
        A segment that has reached this size is closed and another one begun.
    sync_s : float
        Seconds between two syncs to the disk; 0 syncs within every `append`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        sync_s: float = SYNC_S,
    ) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._sync_s = sync_s
        self._encode = msgspec.msgpack.Encoder().encode
        self._thread_lock = threading.Lock()
        self._descriptor = -1
        self._size = 0
        self._ended: list[int] = []
        self._others = 0
        self._counted_at = -_COUNT_S
        self._will_sync = False
        self._dirty = threading.Event()
        self._syncer: threading.Thread | None = None
        _forget_in_forks(self)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, all or none.

        Raises
        ------
        JournalFullError
            If the segments together hold too much, or the disk takes no more. Nothing was
            written then.
        """
        if len(entries) == 1:
            block = framed(self._encode(entries[0]))
        elif entries:
            block = b"".join([framed(payload) for payload in map(self._encode, entries)])
        else:
            return
        # A single prediction waits for this, so that its usual way calls little.
        with self._thread_lock:
            held = self._others + self._size + len(block)
            if held > self._max_bytes or _now() - self._counted_at >= _COUNT_S:
                self._admit(len(block))
            if not self._put(block):
                self._write_anew(block)
            if self._size >= self._segment_bytes:
                self._others += self._size
                self._end()
            if not self._will_sync:
                self._sync_soon()

    def close(self) -> None:
        """Close the segment and sync it; the next `append` begins another one."""
        with self._thread_lock:
            if self._descriptor >= 0:
                self._end()
        self.sync()

    def _admit(self, n_bytes: int) -> None:
        """Count the queue, if that is due, and refuse what does not fit."""
        now = time.monotonic()
        if now - self._counted_at >= _COUNT_S:
            self._count(now)
        if self._others + self._size + n_bytes <= self._max_bytes:
            return
        if now - self._counted_at >= _FULL_S:
            self._count(now)
        if self._others + self._size + n_bytes > self._max_bytes:
            raise JournalFullError(
                f"The journal of predictions in {self.directory} holds "
                f"{self._others + self._size:,} of at most {self._max_bytes:,} bytes, so the "
                "request was not answered and nothing was lost. Start the production or 'ct "
                "serve', which fold the journal into the log of predictions; if one runs, see "
                "its log why it does not."
            )

    def _count(self, now: float) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
            self._leave()
        total = sum(size for _, size in sizes(self.directory))
        self._others = max(0, total - self._size)
        self._counted_at = now

    def _write_anew(self, block: bytes) -> None:
        """Write into another segment: there is none, or somebody has sealed it and folds it."""
        while True:
            self._leave()
            self._begin()
            self._counted_at = -_COUNT_S
            if self._put(block):
                return

    def _put(self, block: bytes) -> bool:
        """Append; tell whether it counts, which it does not behind the mark of who sealed."""
        descriptor = self._descriptor
        if descriptor < 0:
            return False
        try:
            written = os.write(descriptor, block)
        except OSError as error:
            raise self._refused(error.strerror or type(error).__name__) from error
        size = self._size + written
        # Appending moves the position to the end of what was appended.
        if os.lseek(descriptor, 0, os.SEEK_CUR) != size:
            return False
        if written < len(block):
            self._take_back(size)
            raise self._refused("it took a part of what was written")
        self._size = size
        return True

    def _take_back(self, size: int) -> None:
        """Remove what was written last; behind a torn record nothing could be read."""
        with locked(self._descriptor):
            if os.fstat(self._descriptor).st_size == size:
                os.ftruncate(self._descriptor, self._size)
                return
        self._leave()

    def _end(self) -> None:
        """Close the segment; its file stays open until it is synced."""
        # Without the mark, on a full disk, whoever folds it writes it.
        with suppress(OSError):
            os.write(self._descriptor, END)
        self._ended.append(self._descriptor)
        self._descriptor, self._size = -1, 0

    def _refused(self, reason: str) -> JournalFullError:
        return JournalFullError(
            f"The disk refused the journal of predictions in {self.directory}: {reason}. The "
            "request was not answered. See whether the disk is full, mounted and writable."
        )

    def _begin(self) -> None:
        try:
            self._make()
            with locked(self._descriptor):
                is_sealed = os.fstat(self._descriptor).st_size > 0
                if not is_sealed:
                    os.write(self._descriptor, HEAD)
        except OSError as error:
            self._leave()
            raise self._refused(error.strerror or type(error).__name__) from error
        self._size = len(HEAD)
        if is_sealed:
            # Somebody folds what there is, and found this one without its head.
            self._leave()

    def _make(self) -> None:
        name = f"{time.time_ns() // 1000:016d}-{secrets.token_hex(6)}{SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.directory.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.directory / name, flags, 0o640)

    def _leave(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._size = -1, 0

    def _sync_soon(self) -> None:
        """See to it that what was written is synced; ``_thread_lock`` must be held."""
        if self._sync_s == 0:
            self._sync_files()
            return
        self._will_sync = True
        self._dirty.set()
        if self._syncer is None or not self._syncer.is_alive():
            self._syncer = threading.Thread(
                target=_sync_now_and_then,
                args=(weakref.ref(self), self._sync_s, self._dirty),
                name="journal-sync",
                daemon=True,
            )
            self._syncer.start()

    def sync(self) -> None:
        """Sync what was written to the disk; a writer does so itself every ``sync_s`` seconds."""
        with self._thread_lock:
            self._will_sync = False
            self._dirty.clear()
            ended, self._ended = self._ended, []
            # A second descriptor, so that nobody who appends waits for the disk.
            current = [os.dup(self._descriptor)] if self._descriptor >= 0 else []
        self._sync_and_close(ended + current)

    def _sync_files(self) -> None:
        ended, self._ended = self._ended, []
        self._sync_and_close(ended)
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def _sync_and_close(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if descriptors:
            sync(self.directory)

    def _forget(self) -> None:
        """Drop, in a forked child, the segment and its lock, which are the parent's."""
        for descriptor in self._ended:
            os.close(descriptor)
        self._leave()
        self._ended = []
        self._thread_lock = threading.Lock()
        self._will_sync, self._dirty, self._syncer = False, threading.Event(), None


def _sync_now_and_then(
    writer: weakref.ref[JournalWriter], period_s: float, dirty: threading.Event
) -> None:
    """Sync a writer's segments while there is something to sync, for as long as it lives."""
    while True:
        if dirty.wait(_LOOK_S):
            time.sleep(period_s)
        alive = writer()
        if alive is None:
            return
        if dirty.is_set():
            alive.sync()
        del alive


def _forget_in_forks(writer: JournalWriter) -> None:
    held = weakref.ref(writer)

    def forget() -> None:
        alive = held()
        if alive is not None:
            alive._forget()

    os.register_at_fork(after_in_child=forget)
