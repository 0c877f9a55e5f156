"""One host per store: who holds it, and how a second one is told.

The lock is the kernel's (``flock``), so it ends with its holder, however that ends; the text in
the file is only the notice on the door. A PostgreSQL store is guarded by an advisory lock too,
because hosts on two machines do not share a file; an SQLite store by a second file beside it,
because two hosts may have been given different lock files.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from iris_ct.host.database import Database, utc_now
from iris_ct.host.errors import HostLockedError
from iris_ct.host.tables import holder

# "CThost" as a number: the key of the advisory lock, the same for every release.
ADVISORY_KEY = 0x4354686F7374

# A client that looks who is there holds a shared lock for microseconds.
_PATIENCE_S = 1.0
_PAUSE_S = 0.02


@dataclass(frozen=True)
class HolderInfo:
    """Who runs the host.

    Attributes
    ----------
    pid : int
        Process number on that machine.
    machine : str
        Its host name.
    since : str
        When it started, ISO 8601, UTC.
    """

    pid: int
    machine: str
    since: str

    @classmethod
    def of_this_process(cls) -> HolderInfo:
        """Describe this process, now."""
        return cls(os.getpid(), socket.gethostname(), utc_now())


def read_holder(lock_path: Path) -> HolderInfo | None:
    """Tell who holds a lock file; ``None`` when nobody does, whatever the file says."""
    try:
        descriptor = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _notice(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def read_advisory_holder(database: Database) -> HolderInfo | None:
    """Tell who holds the advisory lock of a PostgreSQL store, on whatever machine."""
    with database.read() as connection:
        found = connection.execute(
            text(
                "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND classid = :high AND objid = :low"
            ),
            {"high": ADVISORY_KEY >> 32, "low": ADVISORY_KEY & 0xFFFFFFFF},
        ).scalar_one()
        return _holder_row(connection) if found else None


def _holder_row(connection: Connection) -> HolderInfo:
    if inspect(connection).has_table(holder.name):
        row = connection.execute(select(holder)).first()
        if row is not None:
            return HolderInfo(row.pid, row.machine, row.since)
    return HolderInfo(0, "another machine", "an unknown time")


def _notice(descriptor: int) -> HolderInfo:
    # The holder may be between locking and writing; then the notice is still empty.
    with suppress(ValueError, KeyError, TypeError):
        return HolderInfo(**json.loads(os.pread(descriptor, 4096, 0)))
    return HolderInfo(0, socket.gethostname(), "this moment")


def _write_notice(descriptor: int, info: HolderInfo) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(info)).encode(), 0)


@contextmanager
def keeping(lock_path: Path) -> Iterator[None]:
    """Let others find this process for the time of the block, while its host is stopped too.

    Each process has a lock file of its own beside the host's; those of killed ones are removed.
    """
    for left in _keeper_files(lock_path):
        if read_holder(left) is None:
            left.unlink(missing_ok=True)
    info = HolderInfo.of_this_process()
    path = lock_path.with_name(f"keeper-{info.machine}-{info.pid}.lock")
    descriptor = _lock_file(path)
    try:
        _write_notice(descriptor, info)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def read_keepers(lock_path: Path) -> list[HolderInfo]:
    """List the processes that keep a host beside this lock file, running or stopped."""
    found = (read_holder(path) for path in _keeper_files(lock_path))
    return [info for info in found if info is not None]


def _keeper_files(lock_path: Path) -> list[Path]:
    return sorted(lock_path.parent.glob("keeper-*.lock"))


class HostLock:
    """The lock of one host: taken before the store is touched, given back last."""

    def __init__(self, lock_path: Path, database: Database) -> None:
        self._paths = [lock_path]
        path = database.engine.url.database
        if database.dialect == "sqlite" and path is not None:
            self._paths.append(Path(f"{path}.host-lock"))
        self._database = database
        self._files: list[int] = []
        self._connection: Connection | None = None

    def acquire(self) -> HolderInfo:
        """Take the lock.

        Raises
        ------
        HostLockedError
            If another host has it.
        """
        info = HolderInfo.of_this_process()
        try:
            for path in self._paths:
                self._files.append(_lock_file(path))
            if self._database.dialect == "postgresql":
                self._connection = self._lock_database()
        except BaseException:
            self.release()
            raise
        for descriptor in self._files:
            _write_notice(descriptor, info)
        return info

    def release(self) -> None:
        """Give the lock back; harmless when it was never taken."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                # The server would notice the end of the session, but a moment later.
                self._connection.execute(select(func.pg_advisory_unlock(ADVISORY_KEY)))
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
        for descriptor in self._files:
            os.close(descriptor)
        self._files.clear()

    def _lock_database(self) -> Connection:
        connection = self._database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        )
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            locked = connection.execute(select(func.pg_try_advisory_lock(ADVISORY_KEY)))
            if locked.scalar_one():
                return connection
            if time.monotonic() > give_up:
                info = _holder_row(connection)
                connection.close()
                raise _locked(f"database {self._database.engine.url.database}", info)
            # The server may not have noticed yet that an earlier holder was killed.
            time.sleep(_PAUSE_S)


def _lock_file(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < give_up:
                time.sleep(_PAUSE_S)
                continue
            info = _notice(descriptor)
            os.close(descriptor)
            raise _locked(f"lock file {path}", info) from None
        _forget_in_forks(descriptor)
        return descriptor


def _forget_in_forks(descriptor: int) -> None:
    """Close the file in forked children, which would otherwise hold the lock after our death."""
    identity = os.fstat(descriptor)

    def close_inherited() -> None:
        with suppress(OSError):
            now = os.fstat(descriptor)
            if (now.st_dev, now.st_ino) == (identity.st_dev, identity.st_ino):
                os.close(descriptor)

    os.register_at_fork(after_in_child=close_inherited)


def _locked(what: str, info: HolderInfo) -> HostLockedError:
    return HostLockedError(
        f"A host runs already on this store: process {info.pid} on {info.machine} since "
        f"{info.since} holds the {what}. Nothing was changed. Stop that host first, or send your "
        "message to it; a second host on one store would do the same work twice."
    )
