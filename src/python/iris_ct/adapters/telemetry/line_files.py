"""Files of lines: each line appended in one write, whole, by any number of processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A year of a busy model; small enough for any editor.
MAX_BYTES = 5_000_000
KEEP = 5


def append_line(path: Path, line: str, *, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> None:
    """Append one line; a full file is first renamed to ``<name>.1``, that one to ``<name>.2``.

    Parameters
    ----------
    line : str
        Without a line break.
    max_bytes : int
        Size from which a file counts as full.
    keep : int
        Renamed files that stay; older ones are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        _rotate(path, max_bytes, keep)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # A line that a power loss has torn must not swallow this one.
            torn = "\n" if _ends_within_line(descriptor) else ""
            os.write(descriptor, f"{torn}{line}\n".encode())
        finally:
            os.close(descriptor)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other writers of this file away."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _rotate(path: Path, max_bytes: int, keep: int) -> None:
    if not path.exists() or path.stat().st_size < max_bytes:
        return
    for number in range(keep, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)


def _ends_within_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
