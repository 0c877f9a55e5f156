"""What a segment of the journal looks like on the disk, for those who write and those who fold."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

HEAD = b"CTJRNL1\n"
END = struct.pack("<II", 0, 0xE4D0E4D0)
SUFFIX = ".journal"
FRAME = struct.Struct("<II")
_frame = FRAME.pack


def journal_dir(home: Path) -> Path:
    """Give where the queue of a home lies."""
    return home / "serving" / "journal"


def framed(payload: bytes) -> bytes:
    """Put length and checksum before the bytes of a record."""
    return _frame(len(payload), crc32(payload)) + payload


def sizes(directory: Path) -> list[tuple[str, int]]:
    """Give names and sizes of all segments; one may go while we look."""
    found = []
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):
                    found.append((entry.name, entry.stat().st_size))
    return found


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the lock of a file; waits for whoever has it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
