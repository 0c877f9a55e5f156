"""States of the sessions of one stateful model, in a file that all its workers share.

Loaded by ``foreign_worker.py`` from beside it, in the environment of the model: the standard library
only, and nothing of this product. Knows of a request no more than its ``jsonData``.

In the folder of a service and model: ``states.db``, an SQLite file whose rows are named by the
SHA-256 of the session's id, and ``locks``, an empty file. Who works on a session locks one byte of
it, which the system unlocks when a process ends, however it ends. What was kept survives the process;
a loss of power can take the last moments, as of the journal of predictions.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Where a message names its session, and where the model finds and leaves the state.
META, SESSION_ID, STATE = "mxe-meta", "sessionId", "state"
_LONGEST_ID = 256
FORGET = ""
"""No state is this text: the session has none any more."""

# What a table of this release is; another number is another release's.
_FORMAT = 1
# Beyond every session's byte of the file of locks.
_OPENING = 1 << 60
_NAME_BYTES = 7
# Seconds for which an answer is kept, for a request whose worker ended before it was passed on.
_ANSWERED_S = 60.0
# Seconds, and new sessions, between two looks for what is to be forgotten.
_TIDY_S, _TIDY_NEW = 1.0, 100
# Seconds after which a session that is only read counts as used again.
_TOUCH_S = 60.0
# Seconds that a write waits for another process's.
_BUSY_S = 5.0
# Bytes of the write-ahead log that stay on the disk.
_LOG_BYTES = 8 << 20
_TABLES = """
CREATE TABLE session (name BLOB PRIMARY KEY, used_at REAL NOT NULL, state TEXT NOT NULL);
CREATE INDEX session_used_at ON session (used_at);
CREATE TABLE answered (request BLOB PRIMARY KEY, answered_at REAL NOT NULL, answer TEXT NOT NULL);
CREATE INDEX answered_at ON answered (answered_at);
"""

Refuse = Callable[[str, int], Exception]
"""Makes what is raised, of a text and an HTTP status."""


class Sessions:
    """The states of one model in one service; owned by one thread of one worker.

    Parameters
    ----------
    folder : Path
        Of this service and model; made if it is not there.
    max_bytes : int
        Of a state as JSON; of an answer that is kept, too.
    max_sessions : int
        Beyond it those that were not used for longest are forgotten.
    idle_s : float
        Seconds without use after which a session is forgotten.
    refuse : callable
        Makes what is raised if the file cannot be used: nobody's request is wrong then.
    now_s : callable
        Seconds since 1970, alike in all processes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        max_sessions: int,
        idle_s: float,
        refuse: Refuse,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.max_bytes = max_bytes
        self.folder, self._refuse, self._now_s = folder, refuse, now_s
        self._max_sessions, self._idle_s = max_sessions, idle_s
        self._database: sqlite3.Connection | None = None
        self._locks = -1
        self._opened: tuple[int, int] | None = None
        self._tidied_s, self._n_new = 0.0, 0
        with self.told(opens=True):
            self._open()

    def name_of(self, asked: Any) -> str | None:
        """Give the id of the session that ``jsonData`` names; None: it names none.

        Raises
        ------
        Exception
            Made by ``refuse``, of status 400: the id is none.
        """
        meta = asked.get(META) if isinstance(asked, dict) else None
        if meta is None:
            return None
        if not isinstance(meta, dict):
            raise self._refuse(f"jsonData.{META} must be an object.", 400)
        name = meta.get(SESSION_ID)
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if name is None or (isinstance(name, str) and 0 < len(name) <= _LONGEST_ID):
            return name
        raise self._refuse(
            f"jsonData.{META}.{SESSION_ID} must be text of 1 to {_LONGEST_ID} characters, a whole "
            "number, or null.",
            400,
        )

    def passing(self, asked: Any, name: str | None, state: str | None) -> Any:
        """Give what the model is to get: the state that was kept, and none that a client says."""
        if not isinstance(asked, dict) or not asked.get(META):
            return asked
        meta = {key: value for key, value in asked[META].items() if key != STATE}
        if name is not None:
            meta[STATE] = None if state is None else json.loads(state)
        return {**asked, META: meta}

    def take_state(self, said: Any) -> str | None:
        """Take state and id out of the ``jsonData`` of an answer, so that it can be kept.

        Returns
        -------
        str or None
            As `Held.keep` takes it: JSON, `FORGET` where the model gave null; None: it gave none.

        Raises
        ------
        Exception
            Made by ``refuse``, of status 500: the state is no JSON, or too large.
        """
        if not isinstance(said, dict):
            return None
        given = said.pop(META, None)
        meta = dict(given) if isinstance(given, dict) else {}
        has_state, state = STATE in meta, meta.pop(STATE, None)
        meta.pop(SESSION_ID, None)
        if meta:
            said[META] = meta
        if state is None:
            return FORGET if has_state else None
        return self._text(state)

    def put_name(self, said: Any, asked: Any) -> None:
        """Say in the ``jsonData`` of an answer whose it is, as the request said it."""
        meta = asked.get(META) if isinstance(asked, dict) else None
        if isinstance(said, dict) and meta and SESSION_ID in meta:
            said[META] = {**said.get(META, {}), SESSION_ID: meta[SESSION_ID]}

    def _text(self, state: Any) -> str:
        """Write a state down; no value of it is in what is raised."""
        try:
            text = json.dumps(state, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):
            text = ""
        if not text:
            raise self._refuse("The state from the model is no JSON; the old one stays.", 500)
        if len(text) > self.max_bytes:
            raise self._refuse(
                f"The state from the model has {len(text)} bytes, more than {self.max_bytes} "
                "(CT_SERVE_SESSION_KB); the old one stays.",
                500,
            )
        return text

    @contextlib.contextmanager
    def held(self, session: str) -> Iterator[Held | None]:
        """Have a session for oneself; None if another worker has it now."""
        name = _digest(session)
        place = int.from_bytes(name[:_NAME_BYTES], "big")
        with self.told():
            database, locks = self._open(), self._locks
            is_free = _lock(locks, place)
        if not is_free:
            yield None
            return
        try:
            yield Held(self, database, name)
        finally:
            fcntl.lockf(locks, fcntl.LOCK_UN, 1, place)

    def peek(self, session: str) -> str | None:
        """Give the state of a session, for one who will change nothing."""
        with self.told():
            return self.read(self._open(), _digest(session))

    # For `Held`.

    @contextlib.contextmanager
    def told(self, *, opens: bool = False) -> Iterator[None]:
        """Say what is wrong with the files: in the log, not to who asks. No state is in it."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = (
                f"The states of sessions in {self.folder} cannot be used: {error}. If the file "
                "is damaged, move the folder away: sessions then begin anew."
            )
            if not opens:
                sys.stderr.write(f"{text}\n")
                text = "The states of sessions cannot be used now; the service's log says why."
            raise self._refuse(text, 503) from error

    def read(self, database: sqlite3.Connection, name: bytes) -> str | None:
        """Give a state that is not too old."""
        row = database.execute(
            "SELECT state FROM session WHERE name = ? AND used_at > ?",
            (name, self._now_s() - self._idle_s),
        ).fetchone()
        return None if row is None else str(row[0])

    def write(
        self,
        database: sqlite3.Connection,
        name: bytes,
        state: str,
        request: bytes,
        said: str,
    ) -> None:
        """Keep a state and what was answered, both or neither."""
        now = self._now_s()
        answer = said if len(said) <= self.max_bytes else ""
        with _transaction(database):
            if state == FORGET:
                database.execute("DELETE FROM session WHERE name = ?", (name,))
            else:
                changed = database.execute(
                    "UPDATE session SET used_at = ?, state = ? WHERE name = ?", (now, state, name)
                ).rowcount
                if not changed:
                    self._n_new += 1
                    database.execute("INSERT INTO session VALUES (?, ?, ?)", (name, now, state))
            database.execute(
                "INSERT OR REPLACE INTO answered VALUES (?, ?, ?)", (request, now, answer)
            )
            if self._n_new >= _TIDY_NEW or abs(now - self._tidied_s) > _TIDY_S:
                self._tidied_s, self._n_new = now, 0
                self._tidy(database, now)

    def touch(self, database: sqlite3.Connection, name: bytes) -> None:
        """Note that a session is used, if that was long ago."""
        now = self._now_s()
        stale = (name, now - min(_TOUCH_S, self._idle_s / 4))
        found = database.execute("SELECT 1 FROM session WHERE name = ? AND used_at < ?", stale)
        if found.fetchone() is not None:
            with _transaction(database):
                database.execute("UPDATE session SET used_at = ? WHERE name = ?", (now, name))

    def _tidy(self, database: sqlite3.Connection, now: float) -> None:
        """Forget what is too old, and what was not used for longest where there are too many."""
        database.execute("DELETE FROM answered WHERE answered_at < ?", (now - _ANSWERED_S,))
        database.execute("DELETE FROM session WHERE used_at < ?", (now - self._idle_s,))
        (there,) = database.execute("SELECT count(*) FROM session").fetchone()
        if there > self._max_sessions:
            database.execute(
                "DELETE FROM session WHERE name IN "
                "(SELECT name FROM session ORDER BY used_at LIMIT ?)",
                (there - self._max_sessions,),
            )

    def _open(self) -> sqlite3.Connection:
        """Open the files, again if the folder is no longer the one that was opened."""
        if self._database is not None and self._opened == _identity(self.folder):
            return self._database
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        self._opened = _identity(self.folder)
        self._locks = _own_file(self.folder / "locks")
        # Two that make the tables at once would be in each other's way.
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, _OPENING)
        try:
            self._database = _connect(self.folder / "states.db")
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, _OPENING)
        return self._database

    def close(self) -> None:
        """Close the files."""
        if self._database is not None:
            self._database.close()
        if self._locks >= 0:
            os.close(self._locks)
        self._database, self._locks = None, -1


class Held:
    """One session, while this worker alone has it."""

    def __init__(self, sessions: Sessions, database: sqlite3.Connection, name: bytes) -> None:
        self._sessions, self._database, self._name = sessions, database, name

    def state(self) -> str | None:
        """Give its state as JSON; None if it has none."""
        with self._sessions.told():
            return self._sessions.read(self._database, self._name)

    def answered(self, request: bytes) -> str | None:
        """Give what was kept of a request's answer; empty if it was too large, None if nothing."""
        with self._sessions.told():
            row = self._database.execute(
                "SELECT answer FROM answered WHERE request = ?", (self._mine(request),)
            ).fetchone()
        return None if row is None else str(row[0])

    def keep(self, state: str, request: bytes, answer: str) -> None:
        """Keep a state, or `FORGET` it, and that this request has led to it."""
        with self._sessions.told():
            self._sessions.write(self._database, self._name, state, self._mine(request), answer)

    def touch(self) -> None:
        """Note that it is used."""
        with self._sessions.told():
            self._sessions.touch(self._database, self._name)

    def _mine(self, request: bytes) -> bytes:
        return hashlib.sha256(self._name + request).digest()


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()


def _lock(locks: int, place: int) -> bool:
    """Lock one byte, unless another process has it."""
    try:
        fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _own_file(path: Path) -> int:
    """Open a file that nobody else may read, made if it is not there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite gives its files beside this one the same mode.
    os.close(_own_file(path))
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "secure_delete=ON",
            f"journal_size_limit={_LOG_BYTES}",
        ):
            database.execute(f"PRAGMA {pragma}").fetchall()
        _make_tables(database)
    except BaseException:
        database.close()
        raise
    return database


def _make_tables(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found not in {0, _FORMAT}:
        raise sqlite3.DatabaseError(f"their format is {found}, expected {_FORMAT}")
    if not found:
        database.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={_FORMAT};COMMIT;")


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # After some errors SQLite has gone back already.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
