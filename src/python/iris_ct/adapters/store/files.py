"""Where facts lie on disk, how a file becomes one, and which files nobody owns.

Every file carries the token of the `FactFiles` that wrote it, and a token is alive as long as its
lock file under ``store/.writers`` is locked: the operating system lets go when the process ends,
however it ends. `orphans` lists files of dead tokens only.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iris_ct.adapters.durable import sync
from iris_ct.core.errors import IntegrityError, StoreError, StoreUnavailableError

PART = ".part"
STORE, QUARANTINE, ARTIFACTS, TEMPORARY = "store", "quarantine", "artifacts", "tmp"
_WRITERS = ".writers"


class FactFiles:
    """The files of one store; owned by one `SqlStore`, used by any number of threads.

    Parameters
    ----------
    home : Path
        Directory to which the catalogue's paths are relative.
    synced : bool
        Sync files and directories to the disk; False only where losing the data is no loss.
    """

    def __init__(self, home: Path, *, synced: bool = True) -> None:
        self.home = home.absolute()
        self.synced = synced
        self._numbers = itertools.count(1)
        with disk(self.home):
            self._writers = self.home / STORE / _WRITERS
            self._writers.mkdir(parents=True, exist_ok=True)
            self.token, self._lock = _locked_token(self._writers)

    def close(self) -> None:
        """Give up the token; what this store has written but not catalogued is now an orphan."""
        if self._lock < 0:
            return
        (self._writers / self.token).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    def new(self, room: str, model: str, *folder: str, stem: str, suffix: str) -> Path:
        """Choose the absolute place of a new file, which no other writer can choose.

        Parameters
        ----------
        room : str
            `STORE`, `QUARANTINE` or `ARTIFACTS`.
        stem : str
            Begins the name; anything but letters, digits, ``-`` and ``_`` becomes ``_``.
        """
        plain = "".join(c if (c.isalnum() and c.isascii()) or c in "-_" else "_" for c in stem)[
            :80
        ]
        directory = self.home.joinpath(room, model, *folder)
        with disk(directory):
            directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{plain}.{self.token}-{next(self._numbers)}{suffix}"

    def publish(self, final: Path) -> None:
        """Sync ``<final>.part``, rename it to ``final`` and sync the directory."""
        part = part_of(final)
        with disk(final):
            if self.synced:
                sync(part)
            part.rename(final)
            if self.synced:
                sync(final.parent)

    def relative(self, path: Path) -> str:
        """Give a path as the catalogue keeps it."""
        return path.relative_to(self.home).as_posix()

    def absolute(self, relative: str) -> Path:
        """Give a catalogued file's place.

        Raises
        ------
        StoreError
            If the file was purged or is missing.
        """
        if not relative:
            raise StoreError("That fact has no file: nothing was stored, or it was purged.")
        path = self.home / relative
        if not path.exists():
            raise IntegrityError(
                f"The catalogue names {relative}, but there is no such file under {self.home}. "
                "Restore it from a backup together with the database."
            )
        return path

    def remove(self, paths: list[Path]) -> None:
        """Remove files or directories; those already gone are fine."""
        for path in paths:
            with disk(path):
                if path.is_dir():
                    for inner in path.iterdir():
                        inner.unlink()
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a directory for spilled data, removed at the end."""
        path = self.home / TEMPORARY / f"spill.{self.token}-{next(self._numbers)}.d"
        with disk(path):
            path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def clear_scratch(self) -> None:
        """Remove what dead processes have spilled."""
        for path in (self.home / TEMPORARY).glob("spill.*"):
            token = _token_of(path)
            if token not in (None, self.token) and not _is_alive(self._writers / str(token)):
                shutil.rmtree(path, ignore_errors=True)

    def orphans(self) -> dict[str, list[Path]]:
        """List, by model, what dead writers left behind, catalogued or not.

        Notes
        -----
        The caller must look into the catalogue *after* this: a writer that was dead by now can
        have catalogued its file before, but never will again.
        """
        alive: dict[str, bool] = {}
        found: dict[str, list[Path]] = {}
        for room in (STORE, QUARANTINE, ARTIFACTS):
            for model in sorted(p for p in (self.home / room).glob("*") if p.is_dir()):
                for path in sorted(model.rglob("*")):
                    token = _token_of(path)
                    if token is None:
                        continue
                    if token not in alive:
                        alive[token] = token == self.token or _is_alive(self._writers / token)
                    if not alive[token]:
                        found.setdefault(model.name, []).append(path)
        return found


def part_of(final: Path) -> Path:
    """Give the temporary name of a file, in the same directory."""
    return final.with_name(final.name + PART)


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    with disk(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _token_of(path: Path) -> str | None:
    """Read the token from ``<stem>.<token>-<number>.<suffix>``."""
    parts = path.name.split(".")
    if len(parts) < 3 or "-" not in parts[1]:
        return None
    token, _, number = parts[1].partition("-")
    return token if len(token) == 12 and number.isdigit() else None


def _locked_token(writers: Path) -> tuple[str, int]:
    """Make a lock file and lock it; a sweeper may remove it in between, so look again."""
    while True:
        token = secrets.token_hex(6)
        path = writers / token
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return token, descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _is_alive(lock: Path) -> bool:
    """Tell whether a process holds that lock; clear it away if none does."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Say which file an operating system's error is about."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> StoreUnavailableError:
    """Make the error that says which file the operating system refused; it may have room later."""
    return StoreUnavailableError(
        f"The disk refused {path} ({error.strerror or type(error).__name__}). "
        "See whether it is full, mounted and writable, then repeat the step."
    )
