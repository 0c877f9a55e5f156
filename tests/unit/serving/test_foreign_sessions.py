"""States of sessions are bounded in size, number and age, and their files look after themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from iris_ct.serving.foreign_sessions import FORGET, Held, Sessions

REQUEST = b"request"


class RefusedError(Exception):
    """What a worker would raise."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Clock:
    """A clock that is told what time it is."""

    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Iterator[Sessions]:
    opened = Sessions(
        tmp_path / "s",
        max_bytes=64,
        max_sessions=3,
        idle_s=100.0,
        refuse=RefusedError,
        now_s=clock,
    )
    yield opened
    opened.close()


@contextmanager
def held(sessions: Sessions, name: str) -> Iterator[Held]:
    with sessions.held(name) as one:
        assert one is not None
        yield one


def keep(sessions: Sessions, name: str, state: str, answer: str = "{}") -> None:
    with held(sessions, name) as one:
        one.keep(state, REQUEST, answer)


def test_a_session_that_nobody_uses_is_forgotten(sessions: Sessions, clock: Clock) -> None:
    keep(sessions, "a", "1")
    keep(sessions, "b", "2")
    clock.now_s += 99
    with held(sessions, "b") as one:
        one.touch()
    assert (sessions.peek("a"), sessions.peek("b")) == ("1", "2")
    clock.now_s += 2
    assert (sessions.peek("a"), sessions.peek("b")) == (None, "2")
    keep(sessions, "c", "3")
    assert names(sessions) == 2


def names(sessions: Sessions) -> int:
    """Count the rows, expired or not."""
    with closing(sqlite3.connect(sessions.folder / "states.db")) as database:
        found = database.execute("SELECT count(*) FROM session").fetchone()
    return int(found[0])


def test_of_too_many_sessions_the_one_unused_for_longest_goes(
    sessions: Sessions, clock: Clock
) -> None:
    for name in "abcd":
        clock.now_s += 2
        keep(sessions, name, "1")
    assert [sessions.peek(name) for name in "abcd"] == [None, "1", "1", "1"]
    clock.now_s += 2
    keep(sessions, "b", "2")
    keep(sessions, "e", "1")
    clock.now_s += 2
    keep(sessions, "e", "2")
    assert [sessions.peek(name) for name in "bcde"] == ["2", None, "1", "2"]


def test_many_new_sessions_within_a_moment_are_bounded_too(sessions: Sessions) -> None:
    for number in range(250):
        keep(sessions, str(number), "1")
    assert names(sessions) < 3 + 100


def test_answers_are_kept_for_a_minute_and_only_small_ones(
    sessions: Sessions, clock: Clock
) -> None:
    keep(sessions, "a", "1", "x" * 64)
    keep(sessions, "b", FORGET, "x" * 65)
    with held(sessions, "a") as one:
        assert one.answered(REQUEST) == "x" * 64
        assert one.answered(b"other") is None
    with held(sessions, "b") as one:
        assert one.answered(REQUEST) == ""
    clock.now_s += 61
    keep(sessions, "c", "1")
    with held(sessions, "a") as one:
        assert one.answered(REQUEST) is None


@pytest.mark.parametrize("size", [62, 63])
def test_a_state_may_have_so_many_bytes_and_no_more(sessions: Sessions, size: int) -> None:
    """Two bytes are the quotation marks."""
    said = {"mxe-meta": {"state": "x" * size}}
    if size == 62:
        assert sessions.take_state(said) == '"' + "x" * 62 + '"'
        return
    with pytest.raises(RefusedError, match="65 bytes, more than 64") as refused:
        sessions.take_state(said)
    assert refused.value.status == 500


def test_a_transaction_that_fails_keeps_neither_state_nor_answer(
    sessions: Sessions, tmp_path: Path
) -> None:
    keep(sessions, "a", "1")
    with closing(sqlite3.connect(sessions.folder / "states.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON answered BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        with pytest.raises(RefusedError, match="the service's log says why") as refused:
            keep(sessions, "a", "2")
        assert refused.value.status == 503
        assert sessions.peek("a") == "1"
        database.execute("DROP TRIGGER full")
    keep(sessions, "a", "2")
    assert sessions.peek("a") == "2"


def test_files_of_a_later_release_are_left_alone(sessions: Sessions) -> None:
    sessions.close()
    with closing(sqlite3.connect(sessions.folder / "states.db")) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(RefusedError, match="their format is 2, expected 1"):
        Sessions(sessions.folder, max_bytes=1, max_sessions=1, idle_s=1, refuse=RefusedError)
