"""What a message lives through while the host runs, on each database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.host import productions
from tests.host.conftest import MakeHost
from tests.host.productions import Result, Task, flag, notes

from iris_ct.host import (
    HostStoppedError,
    MessageStateError,
    RequestFailedError,
    RequestTimeoutError,
    TargetUnknownError,
)

LONG_S = 60.0


def _wait_until(reached: Callable[[], bool], timeout_s: float = LONG_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"not reached; notes: {notes()}"
        time.sleep(0.01)


def test_a_call_goes_through_service_process_and_operation(make_host: MakeHost) -> None:
    host = make_host()
    reply = host.call("Entry", Task("pass", 7), LONG_S)
    assert isinstance(reply, Result)
    assert reply.number == 7
    assert notes()[-2:] == ["router pass 7", "worker 7"]


def test_both_kinds_of_message_bodies_arrive_whole(make_host: MakeHost) -> None:
    """Task is a dataclass iop.Message, Result an iop.PydanticMessage."""
    host = make_host()
    assert host.call("Direct", Task("double", 21), LONG_S).number == 42
    trace = host.journal.trace(host.journal.sessions(1)[0].session_id)
    assert trace[1].body_class == "tests.host.productions.Task"
    assert trace[1].reply_body == '{"number":42,"text":""}'


def test_an_error_reaches_the_caller_through_the_chain(make_host: MakeHost) -> None:
    host = make_host()
    with pytest.raises(RequestFailedError, match="ValueError: cannot do 5"):
        host.call("Entry", Task("fail", 5), LONG_S)
    assert [r.status for r in host.journal.trace(1)] == ["error", "error", "error"]
    errors = host.journal.events(severities=[2])
    assert [e.item for e in errors] == ["Worker", "Router", "Entry"]
    assert {e.session_id for e in errors} == {1}


def test_a_send_returns_at_once_and_its_session_ends(make_host: MakeHost) -> None:
    host = make_host()
    session = host.send("Entry", Task("async-pass", 3))
    assert host.wait_session(session, LONG_S)
    assert notes()[-1] == "worker 3"
    assert [(r.source, r.target, r.status) for r in host.journal.trace(session)] == [
        ("host", "Entry", "completed"),
        ("Entry", "Router", "completed"),
        ("Router", "Worker", "completed"),
    ]


def test_a_session_with_work_left_is_not_over(make_host: MakeHost) -> None:
    host = make_host()
    session = host.send("Direct", Task("async-wait"))
    assert not host.wait_session(session, 0.05)
    flag("go").touch()
    assert host.wait_session(session, LONG_S)
    assert host.wait_idle(LONG_S)


def test_an_item_keeps_the_order_of_its_queue(make_host: MakeHost) -> None:
    host = make_host()
    for number in range(40):
        host.send("Direct", Task("async-pass", number))
    assert host.wait_idle(LONG_S)
    done = [line for line in notes() if line.startswith("worker ") and line[7].isdigit()]
    assert done == [f"worker {number}" for number in range(40)]


def test_a_pool_of_two_works_on_two_messages_at_once(make_host: MakeHost) -> None:
    """Each message ends only after both have begun."""
    host = make_host("pools")
    for _ in range(2):
        host.send("Direct", Task("async-sleep"))
    assert host.wait_idle(LONG_S)
    assert notes().count("sleep ends") == 2


def test_a_sync_send_gives_up_after_its_timeout(make_host: MakeHost) -> None:
    host = make_host()
    assert host.call("Entry", Task("impatient"), LONG_S).text == "gave up"
    flag("go").touch()
    assert host.wait_idle(LONG_S)


def test_a_caller_gives_up_after_its_timeout(make_host: MakeHost) -> None:
    host = make_host()
    with pytest.raises(RequestTimeoutError, match=r"message 1 from 'Direct' within 0\.1 s"):
        host.call("Direct", Task("wait"), 0.1)
    flag("go").touch()


def test_several_sync_sends_tell_their_outcomes(make_host: MakeHost) -> None:
    """1 is answered, 3 is failed."""
    host = make_host()
    assert host.call("Entry", Task("several"), LONG_S).text == "2:1 4:1 -:3"


def test_sends_can_be_awaited(make_host: MakeHost) -> None:
    host = make_host()
    assert host.call("Entry", Task("future"), LONG_S).number == 2 + 4


@pytest.mark.parametrize("name", ["standard", "pools"])
def test_a_fan_out_adds_up_what_comes_back(make_host: MakeHost, name: str) -> None:
    """0*2 + 1*2 + ... + 4*2 = 20; each response is one event, then comes on_complete."""
    host = make_host(name)
    reply = host.call("FanEntry", Task("double", 5), LONG_S)
    assert (reply.number, reply.text) == (20, "01234")
    lines = [line for line in notes() if line.startswith("fan")]
    assert lines[0] == "fan request 5"
    assert sorted(lines[1:6]) == [f"fan response call {n} {n}" for n in range(5)]
    assert lines[6:] == ["fan complete"]


def test_a_fan_out_to_nobody_is_complete_at_once(make_host: MakeHost) -> None:
    assert make_host().call("FanEntry", Task("double", 0), LONG_S).number == 0


def test_an_error_among_async_responses_ends_the_process(make_host: MakeHost) -> None:
    host = make_host()
    with pytest.raises(RequestFailedError, match=r"to 'FanEntry' failed: ValueError"):
        host.call("FanEntry", Task("fail", 2), LONG_S)
    assert host.wait_idle(LONG_S)


def test_a_timer_is_an_event_of_its_process(make_host: MakeHost) -> None:
    host = make_host()
    assert host.call("WaiterEntry", Task("alarm"), LONG_S).text == "alarm"


def test_a_timer_that_limits_a_wait_is_dropped_when_all_came(make_host: MakeHost) -> None:
    """The timer is set to ten minutes; the process ends with its only response."""
    host = make_host()
    assert host.call("WaiterEntry", Task("limit"), LONG_S).text == "call"
    assert host.wait_idle(LONG_S)
    assert [r.status for r in host.journal.trace(1) if r.kind == "timer"] == ["cancelled"]


def test_a_process_may_reply_before_its_end(make_host: MakeHost) -> None:
    host = make_host()
    assert host.call("WaiterEntry", Task("early"), LONG_S).text == "early"
    assert host.wait_idle(LONG_S)
    assert notes()[-2:] == ["waiter later", "waiter complete"]


def test_a_polling_service_polls_at_its_interval(make_host: MakeHost) -> None:
    """Four polls take three intervals of 0.1 s at least; each poll is a session of its own."""
    host = make_host(productions.make_poller())
    _wait_until(lambda: sum(line.startswith("poll") for line in notes()) >= 4)
    times = [float(line.split()[1]) for line in notes() if line.startswith("poll")]
    assert times[3] - times[0] >= 0.3
    first = host.journal.sessions(1000)[-1]
    assert [r.target for r in host.journal.trace(first.session_id)] == ["Worker", "Worker"]


def test_an_operation_is_retried_until_it_works(make_host: MakeHost) -> None:
    host = make_host("retrying")
    assert host.call("Direct", Task("flaky", 9), LONG_S).number == 9
    assert notes().count("flaky") == 3


def test_a_retry_keeps_the_order_of_the_queue(make_host: MakeHost) -> None:
    host = make_host("retrying")
    host.send("Direct", Task("async-flaky"))
    host.send("Direct", Task("async-pass", 1))
    assert host.wait_idle(LONG_S)
    lines = [line for line in notes() if line in {"flaky", "worker 1"}]
    assert lines == ["flaky", "flaky", "flaky", "worker 1"]


def test_an_error_that_no_rule_retries_fails_and_alerts(make_host: MakeHost) -> None:
    host = make_host("retrying")
    with pytest.raises(RequestFailedError):
        host.call("Direct", Task("fail", 1), LONG_S)
    assert host.wait_idle(LONG_S)
    assert notes().count("fail 1") == 1
    assert "alert Worker: ValueError: cannot do 1" in notes()


def test_retries_end_with_the_failure_timeout(make_host: MakeHost) -> None:
    host = make_host(
        productions.make(worker={"ReplyCodeActions": "E=RF", "FailureTimeout": "0.2"})
    )
    with pytest.raises(RequestFailedError, match="cannot do 1"):
        host.call("Direct", Task("fail", 1), LONG_S)
    assert notes().count("fail 1") >= 2


def test_a_failed_message_may_be_suspended_and_resumed(make_host: MakeHost) -> None:
    host = make_host(productions.make(worker={"ReplyCodeActions": "E=S"}))
    session = host.send("Direct", Task("async-flaky"))
    for tries in (1, 2):
        _wait_until(lambda: len(host.journal.messages("suspended")) == 1)
        assert notes().count("flaky") == tries
        host.resume(host.journal.messages("suspended")[0].id)
    assert host.wait_session(session, LONG_S)
    assert host.journal.trace(session)[1].status == "completed"


def test_a_failed_message_may_disable_its_item(make_host: MakeHost) -> None:
    host = make_host(productions.make(worker={"ReplyCodeActions": "E=D"}))
    with pytest.raises(RequestFailedError):
        host.call("Direct", Task("fail", 1), LONG_S)
    host.send("Direct", Task("async-pass", 2))
    _wait_until(lambda: host.journal.queues() == {"Worker": 1})
    host.set_enabled("Worker", True)
    assert host.wait_idle(LONG_S)
    assert notes()[-1] == "worker 2"


def test_a_disabled_item_keeps_its_queue(make_host: MakeHost) -> None:
    host = make_host(productions.make(enabled=False))
    host.send("Direct", Task("async-pass", 1))
    _wait_until(lambda: host.journal.queues() == {"Worker": 1})
    assert not host.wait_idle(0.1)
    host.stop()
    assert make_host().wait_idle(LONG_S)
    assert "worker 1" in notes()


def test_an_item_out_of_schedule_keeps_its_queue(make_host: MakeHost) -> None:
    """Started in a year that has not come."""
    host = make_host(productions.make(schedule="START:2999-01-01T00:00:00"))
    host.send("Direct", Task("async-pass", 1))
    _wait_until(lambda: host.journal.queues() == {"Worker": 1})
    assert not host.wait_idle(0.1)


def test_a_queued_message_can_be_suspended_and_resumed(make_host: MakeHost) -> None:
    host = make_host()
    host.send("Direct", Task("async-wait"))
    _wait_until(lambda: "waiting" in notes())
    session = host.send("Direct", Task("async-pass", 1))
    _wait_until(lambda: len(host.journal.trace(session)) == 2)
    queued = host.journal.trace(session)[1].id
    host.suspend(queued)
    flag("go").touch()
    assert host.wait_idle(LONG_S)
    assert "worker 1" not in notes()
    with pytest.raises(MessageStateError, match="is suspended; only a message that is queued"):
        host.suspend(queued)
    host.resume(queued)
    assert host.wait_idle(LONG_S)
    assert "worker 1" in notes()


def test_a_message_is_resent_as_a_new_session(make_host: MakeHost) -> None:
    host = make_host()
    host.call("Direct", Task("pass", 8), LONG_S)
    new = host.resend(2)
    assert host.wait_session(new, LONG_S)
    row = host.journal.trace(new)[0]
    assert (row.session_id, row.resent_from, row.target) == (new, 2, "Worker")
    assert notes().count("worker 8") == 2


def test_components_log_to_the_event_log_console_and_alerts(make_host: MakeHost) -> None:
    lines: list[tuple[int, str, str]] = []
    host = make_host("retrying", console=lambda *line: lines.append(line))
    host.call("Direct", Task("log"), LONG_S)
    assert host.wait_idle(LONG_S)
    entry = next(e for e in host.journal.events() if e.content == "to the event log")
    assert (entry.severity, entry.item, entry.session_id, entry.source_method) == (
        4,
        "Worker",
        1,
        "do_log",
    )
    assert lines == [(1, "to the console", "Worker.do_log")]
    assert "alert Worker: wake somebody" in notes()


def test_what_only_iris_has_raises(make_host: MakeHost) -> None:
    host = make_host()
    with pytest.raises(RequestFailedError, match=r"UnsupportedError: Class %SQL\.Statement"):
        host.call("Entry", Task("sql"), LONG_S)
    with pytest.raises(RequestFailedError, match="UnsupportedError"):
        host.call("Entry", Task("generator"), LONG_S)


def test_a_wrong_address_is_told(make_host: MakeHost) -> None:
    host = make_host()
    with pytest.raises(TargetUnknownError, match="'Nobody' is no business service"):
        host.send("Nobody", Task())
    with pytest.raises(RequestFailedError, match="Target 'Nobody' is no item"):
        host.call("Entry", Task("nowhere"), LONG_S)


def test_a_stop_finishes_what_is_queued_and_tears_down(make_host: MakeHost) -> None:
    host = make_host()
    for number in range(10):
        host.send("Direct", Task("async-pass", number))
    host.stop(drain_timeout_s=LONG_S)
    assert notes()[-2:] == ["worker 9", "worker down"]
    with pytest.raises(HostStoppedError):
        host.send("Direct", Task())


def test_an_interrupted_handler_is_run_again_after_the_next_start(make_host: MakeHost) -> None:
    host = make_host()
    session = host.send("Entry", Task("pass", 1))
    host.wait_session(session, LONG_S)
    host.set_enabled("Worker", False)
    session = host.send("Entry", Task("pass", 2))
    _wait_until(lambda: "router pass 2" in notes())
    host.stop(drain_timeout_s=0.0)
    host = make_host()
    assert host.wait_session(session, LONG_S)
    assert notes().count("router pass 2") == 2
    assert notes().count("worker 2") == 1


@pytest.mark.parametrize("wish", ["stubborn", "future-wait"])
def test_what_an_interrupted_handler_says_counts_for_nothing(
    make_host: MakeHost, wish: str
) -> None:
    """One swallows the interruption and returns, the other awaits in a task of iop."""
    host = make_host()
    session = host.send("Entry", Task(wish))
    _wait_until(lambda: "waiting" in notes())
    host.stop(drain_timeout_s=0.0)
    flag("go").touch()
    host = make_host()
    assert host.wait_session(session, LONG_S)
    assert {row.status for row in host.journal.trace(session)} == {"completed"}
    assert '"text":"waited"' in host.journal.trace(session)[0].reply_body


def test_old_sessions_are_purged_and_others_stay(make_host: MakeHost) -> None:
    host = make_host()
    host.call("Direct", Task("pass", 1), LONG_S)
    host.send("Direct", Task("async-wait"))
    _wait_until(lambda: "waiting" in notes())
    assert host.journal.purge(datetime.now(UTC) + timedelta(seconds=1)) == 2
    assert [s.session_id for s in host.journal.sessions()] == [3]
    flag("go").touch()
    assert host.wait_idle(LONG_S)
