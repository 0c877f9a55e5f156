"""The durable queue of predictions: append-only segments, written before the answers go out.

A segment is a file ``<microseconds>-<token>.journal``: a head of eight bytes, then records. A
record is its length and its CRC-32 (each 32 bits, little endian) and the record as msgpack. One
``append`` is one ``write``: what it has written survives the end of the process, however that
ends. A thread syncs to the disk every ``sync_s`` seconds: a loss of power can take that much.

A segment ends at the first mark `END`. Whoever folds the queue may write it, also into the
segment of a process that lives or of one that was killed. A writer needs no lock for that: writes
that append follow one another, and after each the writer looks where it ended. If that is further
than its own bytes reach, the mark came before them: they do not count, and the writer writes them
once more into another segment. Only who makes, seals or shortens a file holds its lock (``flock``).

Light on purpose: nothing but the standard library, msgspec and NumPy is imported.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import struct
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

import msgspec

from iris_ct.adapters.durable import sync, write_whole
from iris_ct.core.errors import JournalFullError, StoreError
from iris_ct.core.scoring.record import Entry, Segment, SegmentContent

HEAD = b"CTJRNL1\n"
END = struct.pack("<II", 0, 0xE4D0E4D0)

MAX_BYTES = 256 << 20
"""Bytes of all segments beyond which nothing is taken: some ten million keyless rows."""
SEGMENT_BYTES = 16 << 20
SYNC_S = 1.0

_SUFFIX = ".journal"
_PLAN = ".fold"
_SET_ASIDE = "set-aside"
_FRAME = struct.Struct("<II")
_frame = _FRAME.pack
_now = time.monotonic
# How long a count of the other writers' bytes is believed.
_COUNT_S = 1.0
# A full queue is looked at again not more often than this.
_FULL_S = 0.05
# How often an idle thread looks whether its writer is still used.
_LOOK_S = 60.0


def journal_dir(home: Path) -> Path:
    """Give where the queue of a home lies."""
    return home / "serving" / "journal"


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
            block = _framed(self._encode(entries[0]))
        elif entries:
            block = b"".join([_framed(payload) for payload in map(self._encode, entries)])
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
        total = sum(size for _, size in _sizes(self.directory))
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
        with _locked(self._descriptor):
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
            with _locked(self._descriptor):
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
        name = f"{time.time_ns() // 1000:016d}-{secrets.token_hex(6)}{_SUFFIX}"
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


class FolderJournal:
    """`ports.Journal`: the segments of all writers of one directory.

    Parameters
    ----------
    directory : Path
        Where they lie; need not be there.
    inbox : Path, optional
        Folder of the models' inboxes, which get the labels of feedback; default that of the home
        of which `journal_dir` gives the directory.
    """

    def __init__(self, directory: Path, *, inbox: Path | None = None) -> None:
        self.directory = directory
        self._inbox = inbox or directory.parents[1] / "inbox"
        self._decode: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)

    @contextmanager
    def folding(self) -> Iterator[None]:
        """Be the only one who folds; waits for another one to end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.directory / ".folding", flags, 0o640)
        try:
            with _locked(descriptor):
                yield
        finally:
            os.close(descriptor)

    def segments(self) -> list[Segment]:
        """List what waits, oldest first."""
        return [
            Segment(name, size, int(name.partition("-")[0]))
            for name, size in sorted(_sizes(self.directory))
        ]

    def begun(self) -> dict[str, list[str]]:
        """Give the folds that were begun and not finished: segment names by the fold's id."""
        plans = sorted(self.directory.glob(f"*{_PLAN}")) if self.directory.is_dir() else []
        return {path.stem: json.loads(path.read_bytes()) for path in plans}

    def begin(self, names: Sequence[str]) -> str:
        """Seal segments, so that nothing is added to them, and plan to fold them; give an id."""
        for name in names:
            self._seal(name)
        fold_id = secrets.token_hex(8)
        with write_whole(self.directory / f"{fold_id}{_PLAN}") as file:
            file.write(json.dumps(list(names)).encode())
        return fold_id

    def read(self, name: str) -> SegmentContent | None:
        """Read a segment; None if it is gone.

        Raises
        ------
        StoreError
            If it is no segment.
        """
        try:
            content = (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None
        if not content.startswith(HEAD):
            if HEAD.startswith(content.partition(END)[0]):
                return SegmentContent([], len(content), 0)
            raise StoreError(
                f"{self.directory / name} is no journal of predictions of this release: it "
                f"begins otherwise than {HEAD!r}. Move it away, or use the release that wrote it."
            )
        return self._parse(memoryview(content))

    def hand_over_labels(self, model: str, name: str, content: bytes) -> None:
        """Put a CSV file of labels where labels arrive; the same name again changes nothing."""
        folder = self._inbox / model / "labels"
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(folder / name) as file:
            file.write(content)

    def finish(self, fold_id: str, *, kept: Sequence[str] = ()) -> None:
        """Remove the segments of a fold, then its plan; ``kept`` ones are set aside instead."""
        plan = self.directory / f"{fold_id}{_PLAN}"
        for name in json.loads(plan.read_bytes()):
            if name in kept:
                aside = self.directory / _SET_ASIDE
                aside.mkdir(exist_ok=True)
                with suppress(FileNotFoundError):
                    (self.directory / name).rename(aside / name)
            else:
                (self.directory / name).unlink(missing_ok=True)
        # Should the power fail now, removed segments may be there again: their plan must be too.
        sync(self.directory)
        plan.unlink()

    def _seal(self, name: str) -> None:
        try:
            descriptor = os.open(self.directory / name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            with _locked(descriptor):
                # Also behind another mark: a record may end with the bytes of one, and only the
                # first that stands where a record would begin counts.
                os.write(descriptor, END)
        finally:
            os.close(descriptor)

    def _parse(self, content: memoryview) -> SegmentContent:
        entries: list[Entry] = []
        at, damaged, last = len(HEAD), 0, len(content)
        if content[-len(END) :] == END:
            last -= len(END)
        while at + _FRAME.size <= last:
            length, checksum = _FRAME.unpack_from(content, at)
            if content[at : at + _FRAME.size] == END:
                # What follows its writer has written once more elsewhere.
                last = at
                break
            end = at + _FRAME.size + length
            if length == 0 or end > last:
                break
            payload = content[at + _FRAME.size : end]
            entry = self._entry(payload) if crc32(payload) == checksum else None
            if entry is None:
                damaged += _FRAME.size + length
            else:
                entries.append(entry)
            at = end
        return SegmentContent(entries, last - at, damaged)

    def _entry(self, payload: memoryview) -> Entry | None:
        try:
            return self._decode.decode(payload)
        except msgspec.DecodeError:
            return None


def _framed(payload: bytes) -> bytes:
    return _frame(len(payload), crc32(payload)) + payload


def _sizes(directory: Path) -> list[tuple[str, int]]:
    """Give names and sizes of all segments; one may go while we look."""
    found = []
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX):
                with suppress(FileNotFoundError):
                    found.append((entry.name, entry.stat().st_size))
    return found


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


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
