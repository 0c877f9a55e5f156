"""The errors of the host, and what the package exports."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest
from tests.host import productions
from tests.host.productions import Task, notes

import iris_ct.host
from iris_ct.host import Host, HostError, RequestFailedError, errors


def _all_errors() -> list[type[HostError]]:
    found: list[type[HostError]] = []
    classes: list[type[HostError]] = [HostError]
    while classes:
        found.append(classes[0])
        classes += classes.pop(0).__subclasses__()
    return found


@pytest.mark.parametrize("kind", _all_errors())
def test_errors_survive_the_way_between_processes(kind: type[HostError]) -> None:
    back = pickle.loads(pickle.dumps(kind("which thing, what to do")))
    assert (type(back), str(back)) == (kind, "which thing, what to do")


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    for kind in _all_errors():
        assert kind.__name__ in errors.__doc__


def test_all_is_what_is_exported() -> None:
    assert sorted(iris_ct.host.__all__) == iris_ct.host.__all__
    for name in iris_ct.host.__all__:
        assert hasattr(iris_ct.host, name)


def test_two_hosts_in_one_process_keep_their_logs_apart(tmp_path: Path) -> None:
    hosts = [
        Host(
            productions.make(), store_url=f"sqlite:///{tmp_path}/{n}", lock_path=tmp_path / f"{n}l"
        )
        for n in "ab"
    ]
    with hosts[0], hosts[1]:
        hosts[0].call("Direct", Task("log"), 60)
        hosts[1].call("Direct", Task("pass", 1), 60)
        logged = [[e.content for e in host.journal.events()] for host in hosts]
    assert "to the event log" in logged[0]
    assert "to the event log" not in logged[1]
    assert "worker 1" in notes()


def test_a_console_that_fails_does_not_fail_a_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(severity: int, content: str, event_name: str) -> None:
        raise OSError("no space left on device")

    host = Host(
        productions.make(),
        store_url=f"sqlite:///{tmp_path}/s",
        lock_path=tmp_path / "l",
        console=full,
    )
    with host:
        host.call("Direct", Task("log"), 60)
    assert "The console refused a line of event Worker.do_log." in caplog.text


def test_calls_from_many_threads_get_their_own_replies(tmp_path: Path) -> None:
    """Twenty threads, each with its own number; the operation doubles it."""
    replies: dict[int, int] = {}
    host = Host(
        productions.make(pool_size=2, router_pool=2),
        store_url=f"sqlite:///{tmp_path}/s",
        lock_path=tmp_path / "l",
    )
    with host:

        def ask(number: int) -> None:
            replies[number] = host.call("Direct", Task("double", number), 60).number

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == {n: 2 * n for n in range(20)}


def test_the_innermost_reason_reaches_the_caller_unchanged(tmp_path: Path) -> None:
    """Through a process and a service: no hop adds its own words; the log tells the way."""
    host = Host(
        productions.make(), store_url=f"sqlite:///{tmp_path / 's'}", lock_path=tmp_path / "l"
    )
    with host, pytest.raises(RequestFailedError) as caught:
        host.call("Entry", Task("fail", 7), 60)
    assert caught.value.failure == "ValueError: cannot do 7"
    assert caught.value.reason == "cannot do 7"
    assert str(caught.value) == "Message 1 to 'Entry' failed: ValueError: cannot do 7"


def test_a_reason_may_itself_speak_of_errors() -> None:
    """The door to the production must not cut a text at a word that looks like a class."""
    text = "UnknownModelError: There is no model 'x'. ParserError: none."
    error = pickle.loads(pickle.dumps(RequestFailedError("Message 1 failed", text)))
    assert error.reason == "There is no model 'x'. ParserError: none."
    assert RequestFailedError("Message 1 failed", "KeyError: ").reason == "KeyError"
    assert RequestFailedError("Message 1 failed").reason == "Message 1 failed"
