"""One host per store; other processes talk to it through the store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from tests.host import productions
from tests.host.conftest import MakeHost
from tests.host.productions import Task, flag, notes

from iris_ct.host import (
    Host,
    HostClient,
    HostLockedError,
    RequestFailedError,
    RequestTimeoutError,
    StoreError,
    TargetUnknownError,
)
from iris_ct.host.database import Database
from iris_ct.host.lock import HostLock

LONG_S = 60.0


def test_a_second_host_says_who_holds_the_store_and_touches_nothing(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    host = make_host()
    before = host.journal.events(1000)
    second = Host(productions.small, store_url=store_url, lock_path=lock_path)
    with pytest.raises(HostLockedError) as refused:
        second.start()
    assert f"process {os.getpid()} on {socket.gethostname()} since {host.since}" in str(
        refused.value
    )
    assert "Stop that host first" in str(refused.value)
    assert not second.is_running
    assert host.journal.events(1000) == before
    assert host.call("Direct", Task("pass", 1), LONG_S).number == 1


def test_another_lock_file_does_not_open_the_same_store(
    make_host: MakeHost, store_url: str, tmp_path: Path
) -> None:
    make_host()
    other = Host(productions.small, store_url=store_url, lock_path=tmp_path / "other.lock")
    with pytest.raises(HostLockedError):
        other.start()


def test_a_refused_host_makes_no_tables(store_url: str, lock_path: Path) -> None:
    database = Database(store_url)
    lock = HostLock(lock_path, database)
    lock.acquire()
    with pytest.raises(HostLockedError):
        Host(productions.small, store_url=store_url, lock_path=lock_path).start()
    lock.release()
    database.close()
    engine = create_engine(store_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_the_holder_is_told_by_the_lock_and_not_by_the_file(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    lock_path.write_text('{"pid": 1, "machine": "elsewhere", "since": "long ago"}')
    with HostClient(store_url, lock_path) as client:
        assert client.holder() is None
        host = make_host()
        holder = client.holder()
        assert holder is not None
        assert (holder.pid, holder.since) == (os.getpid(), host.since)
        host.stop()
        assert client.holder() is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(make_host: MakeHost, lock_path: Path) -> None:
    host = make_host()
    child = os.fork()
    if child == 0:
        time.sleep(LONG_S)
        os._exit(0)
    try:
        host.stop()
        make_host().stop()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_client_calls_a_running_host(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    make_host()
    with HostClient(store_url, lock_path) as client:
        assert client.call("Entry", Task("pass", 5), LONG_S).number == 5
        with pytest.raises(RequestFailedError, match="cannot do 6"):
            client.call("Entry", Task("fail", 6), LONG_S)
        with pytest.raises(TargetUnknownError, match="one of: Direct, Entry"):
            client.send("Worker", Task())
        session = client.send("Entry", Task("pass", 7))
        assert client.wait_session(session, LONG_S)
        assert [row.target for row in client.trace(session)] == ["Entry", "Router", "Worker"]
        assert client.sessions(1)[0].session_id == session
        assert client.queues() == {}
        assert client.pending() == 0


def test_a_client_in_another_process_is_noticed_at_once(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    """By the pipe; a slot would look by itself only after five seconds."""
    host = make_host()
    code = (
        "import sys; from pathlib import Path; from iris_ct.host import HostClient\n"
        "from tests.host.productions import Task\n"
        "HostClient(sys.argv[1], Path(sys.argv[2])).send('Direct', Task('async-pass', 1))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-c", code, store_url, str(lock_path)], check=True, env=environment
    )
    assert host.wait_session(1, LONG_S)
    row = host.journal.trace(1)[0]
    assert row.started_at is not None
    assert row.source.startswith("client ")


def test_what_a_client_sends_to_an_absent_host_is_done_later(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    with HostClient(store_url, lock_path) as client:
        session = client.send("Direct", Task("async-pass", 4))
        with pytest.raises(RequestTimeoutError, match="No host runs on this store"):
            client.call("Direct", Task("pass", 5), 0.05)
        assert client.queues() == {"Direct": 2}
        make_host()
        assert client.wait_session(session, LONG_S)
        assert client.wait_idle(LONG_S)
    assert [n for n in notes() if n.startswith("worker ") and n != "worker init"] == [
        "worker 4",
        "worker 5",
    ]


def test_a_client_suspends_resumes_and_resends(
    make_host: MakeHost, store_url: str, lock_path: Path
) -> None:
    with HostClient(store_url, lock_path) as client:
        first = client.send("Direct", Task("async-pass", 1))
        client.suspend(first)
        make_host()
        second = client.resend(first)
        assert client.wait_session(second, LONG_S)
        assert [row.id for row in client.messages("suspended")] == [first]
        client.resume(first)
        assert client.wait_session(first, LONG_S)
        assert client.message(second).session_id == second
    assert notes().count("worker 1") == 2


@pytest.mark.parametrize("processes", [False, True])
def test_an_idle_host_uses_next_to_no_processor_time(
    sqlite_url: str, lock_path: Path, processes: bool
) -> None:
    """Over three seconds, less than 5 % of one core, all processes together."""
    name = "tests.host.productions:small"
    with Host(name, store_url=sqlite_url, lock_path=lock_path, processes=processes) as host:
        host.call("Entry", Task("pass", 1), LONG_S)
        before = _processor_time_s([os.getpid(), *host.pids.values()])
        time.sleep(3)
        used = _processor_time_s([os.getpid(), *host.pids.values()]) - before
    assert used < 0.15


def _processor_time_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_strict_mode_does_what_threads_do(sqlite_url: str, lock_path: Path) -> None:
    """Chain, error, fan-out, log, console and resend, each item in its own process."""
    lines: list[tuple[int, str, str]] = []
    with Host(
        "tests.host.productions:retrying",
        store_url=sqlite_url,
        lock_path=lock_path,
        processes=True,
        replay=False,
        console=lambda *line: lines.append(line),
    ) as host:
        assert len(set(host.pids.values())) == len(host.pids) == 9
        assert host.call("Entry", Task("pass", 7), LONG_S).number == 7
        assert host.call("FanEntry", Task("double", 4), LONG_S).number == 12
        assert host.call("WaiterEntry", Task("alarm"), LONG_S).text == "alarm"
        assert host.call("Direct", Task("flaky", 2), LONG_S).number == 2
        with pytest.raises(RequestFailedError, match="cannot do 5"):
            host.call("Entry", Task("fail", 5), LONG_S)
        host.call("Direct", Task("log"), LONG_S)
        host.set_enabled("Worker", False)
        session = host.send("Direct", Task("async-pass", 9))
        assert not host.wait_session(session, 0.5)
        host.set_enabled("Worker", True)
        assert host.wait_session(session, LONG_S)
        assert host.wait_idle(LONG_S)
    assert lines == [(1, "to the console", "Worker.do_log")]
    assert "alert Worker: wake somebody" in notes()
    assert notes().count("worker down") == 1


def test_pool_slots_are_processes_in_strict_mode(sqlite_url: str, lock_path: Path) -> None:
    """Two messages that each wait for the other to begin: two processes handle them."""
    with Host(
        "tests.host.productions:pair", store_url=sqlite_url, lock_path=lock_path, processes=True
    ) as host:
        for _ in range(2):
            host.send("Direct", Task("async-sleep"))
        assert host.wait_idle(LONG_S)
    pids = {line.split()[3] for line in notes() if line.startswith("sleep begins")}
    assert len(pids) == 2


def test_a_handler_that_runs_on_does_not_stop_the_stop(make_host: MakeHost) -> None:
    """The thread is left behind; what it does afterwards is not written to the store."""
    host = make_host()
    session = host.send("Direct", Task("async-wait"))
    while "waiting" not in notes():
        time.sleep(0.01)
    host.stop(drain_timeout_s=0.1)
    flag("go").touch()
    host = make_host()
    assert host.wait_session(session, LONG_S)
    assert [row.status for row in host.journal.trace(session)] == ["completed", "completed"]
    assert notes().count("waiting") == 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "in memory does not survive"),
        ("mysql://ct@machine/ct", "not in 'mysql'"),
        ("nonsense", "not a database URL"),
    ],
)
def test_an_address_that_cannot_be_a_store_is_told(url: str, reason: str, lock_path: Path) -> None:
    with pytest.raises(StoreError, match=reason):
        Host(productions.small, store_url=url, lock_path=lock_path).start()
