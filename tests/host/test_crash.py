"""Nothing is lost, and what was begun is finished, after kill -9 of any process at any point.

A child process runs a small production whose handlers kill it. Each test says what must have
happened how often, in both modes of running again and in threads as in processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.host.productions import Task, flag, notes
from tests.servers import postgres_url

from iris_ct.host import Host, HostClient

pytestmark = pytest.mark.integration

LONG_S = 90.0
RunHost = Callable[..., int]


@pytest.fixture
def run_host(lock_path: Path, sqlite_url: str) -> RunHost:
    def run(
        production: str, replay: bool, processes: bool, *task: str, url: str = sqlite_url
    ) -> int:
        return subprocess.run(
            _command(url, lock_path, production, replay, processes, *task),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=2 * LONG_S,
            check=False,
        ).returncode

    return run


def _command(
    url: str, lock_path: Path, production: str, replay: bool, processes: bool, *task: str
) -> list[str]:
    arguments = [url, str(lock_path), production, str(replay), str(processes), *task]
    return [sys.executable, "-m", "tests.host.crashing", *arguments]


def _count(prefix: str) -> Counter[str]:
    return Counter(line for line in notes() if line.startswith(prefix))


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("replay", [True, False])
def test_a_host_killed_in_a_step_finishes_after_the_next_start(
    run_host: RunHost, replay: bool, place: int
) -> None:
    """The operation in which the kill falls runs twice; with replay no other step does.

    Without, the process begins again: the steps before the kill are sent anew.
    """
    flag(f"die at {place}").touch()
    assert run_host("small", replay, False, "Entry", "steps", "0") == -signal.SIGKILL
    assert run_host("small", replay, False) == 0
    steps = _count("step")
    assert steps.pop(f"step {place}") >= 2
    if replay:
        assert steps == {f"step {n}": 1 for n in (1, 2, 3) if n != place}
        assert _count("router") == {"router steps 0": 2}
    else:
        assert all(steps[f"step {n}"] >= 2 for n in range(1, place))
        assert all(steps[f"step {n}"] >= 1 for n in range(place + 1, 4))


@pytest.mark.parametrize("replay", [True, False])
def test_a_killed_process_of_one_item_is_started_again(run_host: RunHost, replay: bool) -> None:
    """Strict mode: only the operation's process dies, its message goes back to the queue."""
    flag("die at 2").touch()
    assert run_host("small", replay, True, "Entry", "steps", "0") == 0
    assert _count("step") == {"step 1": 1, "step 2": 2, "step 3": 1}
    assert _count("router") == {"router steps 0": 1}


@pytest.mark.parametrize("replay", [True, False])
def test_children_die_with_their_host_and_the_next_one_finishes(
    run_host: RunHost, lock_path: Path, sqlite_url: str, replay: bool
) -> None:
    """Strict mode: the supervisor is killed while an operation of a child is running."""
    child = subprocess.Popen(
        _command(sqlite_url, lock_path, "small", replay, True, "Entry", "pass-wait", "0"),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    _wait_until(lambda: "waiting" in notes())
    worker = int(flag("pid").read_text())
    child.kill()
    child.wait()
    _wait_until(lambda: not _lives(worker))
    flag("go").touch()
    assert run_host("small", replay, True) == 0
    assert notes().count("waited") >= 1
    with HostClient(sqlite_url, lock_path) as client:
        assert {row.status for row in client.trace(1)} == {"completed"}


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("replay", [True, False])
def test_a_fan_out_is_finished_after_a_kill(
    run_host: RunHost, lock_path: Path, sqlite_url: str, replay: bool, processes: bool
) -> None:
    """Persistent properties outlive the kill: the sum is that of all responses, 0 + 1 + 2 + 3."""
    flag("die at 2").touch()
    code = run_host("fan_only", replay, processes, "FanEntry", "step", "4")
    assert code == (0 if processes else -signal.SIGKILL)
    assert run_host("fan_only", replay, processes) == 0
    with HostClient(sqlite_url, lock_path) as client:
        process = client.trace(1)[1]
        assert process.reply_body == '{"number":6,"text":"0123"}'
        assert {row.status for row in client.trace(1)} <= {"completed", "cancelled"}


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("replay", [True, False])
def test_kills_at_random_times_lose_nothing(
    lock_path: Path, sqlite_url: str, replay: bool, processes: bool
) -> None:
    """Many fan-outs of five are under way; the host is killed again and again (seed 7).

    At the end every sum is 0 + 2 + 4 + 6 + 8.
    """
    n_fans, n_kills = (12, 2) if processes else (40, 4)
    pauses = np.random.default_rng(7).uniform(0.1, 0.7, size=n_kills)
    with HostClient(sqlite_url, lock_path) as client:
        sessions = [client.send("FanEntry", Task("double", 5)) for _ in range(n_fans)]
        for pause in pauses:
            command = _command(sqlite_url, lock_path, "fan_only", replay, processes)
            _kill_at_work(client, command, float(pause))
        with Host(
            "tests.host.productions:fan_only",
            store_url=sqlite_url,
            lock_path=lock_path,
            replay=replay,
            processes=processes,
        ) as last:
            assert last.wait_idle(LONG_S)
        for session in sessions:
            entry, process = client.trace(session)[:2]
            assert (entry.status, process.status) == ("completed", "completed")
            assert process.reply_body == '{"number":20,"text":"01234"}'


def test_a_killed_host_finishes_on_postgresql_too(run_host: RunHost, lock_path: Path) -> None:
    url = postgres_url()
    flag("die at 2").touch()
    assert run_host("small", True, False, "Entry", "steps", "0", url=url) == -signal.SIGKILL
    assert run_host("small", True, True, url=url) == 0
    assert _count("step") == {"step 1": 1, "step 2": 2, "step 3": 1}
    with HostClient(url, lock_path) as client:
        assert client.holder() is None
        assert client.pending() == 0


def test_a_handler_that_does_not_repeat_itself_fails_loudly(
    run_host: RunHost, lock_path: Path, sqlite_url: str
) -> None:
    """Its first send depends on what changed meanwhile; the store knows what it was."""
    assert run_host("small", True, False, "Entry", "random", "0") == -signal.SIGKILL
    assert run_host("small", True, False) == 0
    with HostClient(sqlite_url, lock_path) as client:
        router = next(row for row in client.trace(1) if row.target == "Router")
        assert router.status == "error"
        assert router.failure.startswith("ReplayMismatchError: The handler of message 2 at 'Route")
        assert "send number 1 was a request" in router.failure


def test_a_message_that_kills_its_processes_is_suspended(lock_path: Path, sqlite_url: str) -> None:
    """After five deaths the message is more likely the killer than the victim."""
    name = "tests.host.productions:small"
    with Host(name, store_url=sqlite_url, lock_path=lock_path, processes=True) as host:
        host.send("Entry", Task("always-die"))
        _wait_until(lambda: len(host.journal.messages("suspended")) == 1)
        assert notes().count("died") == 5

        def is_told() -> bool:
            # The event is written a moment after the message is suspended.
            events = host.journal.events(1000, severities=[2])
            return any("5 processes died" in event.content for event in events)

        _wait_until(is_told)
        host.stop(drain_timeout_s=0.0)


def test_a_host_outlives_the_process_its_children_come_from(
    lock_path: Path, sqlite_url: str
) -> None:
    """All children die with it, and are all started again."""
    name = "tests.host.productions:small"
    with Host(name, store_url=sqlite_url, lock_path=lock_path, processes=True) as host:
        before = set(host.pids.values())
        os.kill(_parent(min(before)), signal.SIGKILL)
        _wait_until(lambda: not before & set(host.pids.values()))
        assert host.call("Entry", Task("pass", 4), LONG_S).number == 4
        assert len(host.pids) == 3
    assert not any(_lives(pid) for pid in before)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _kill_at_work(client: HostClient, command: list[str], pause_s: float) -> None:
    """Start a host, let it end some messages, and kill it a moment later."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = len(client.messages("completed", 10_000))
    host = subprocess.Popen(command, env=environment)
    _wait_until(
        lambda: len(client.messages("completed", 10_000)) > done or host.poll() is not None
    )
    time.sleep(pause_s)
    host.kill()
    host.wait()


def _wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not reached():
        assert time.monotonic() < deadline, notes()
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child nobody has waited for yet is dead all the same.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
