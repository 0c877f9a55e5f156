"""Items that are woken, settings that a production leaves open, and alerts for queues and polls."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import iop
import pytest
from tests.host import productions
from tests.host.conftest import MakeHost
from tests.host.productions import Task, flag, notes

from iris_ct.host import DefaultSetting, Host, HostPlan, PlanError, read_defaults
from iris_ct.host.rest import _ROUTES

LONG_S = 60.0


def wait_until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not reached():
        assert time.monotonic() < deadline, notes()
        time.sleep(0.05)


def count(word: str) -> int:
    return sum(line.startswith(word) for line in notes())


# -- wakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [False, True])
def test_an_item_without_a_job_is_woken_and_leaves_no_message(
    sqlite_url: str, lock_path: Path, processes: bool
) -> None:
    host = Host(
        "tests.host.productions:woken",
        store_url=sqlite_url,
        lock_path=lock_path,
        processes=processes,
        wakes={"Woken": 0.2},
    )
    with host:
        wait_until(lambda: count("woken") >= 3)
        assert host.journal.newest_message_id() == 0
        pids = {int(line.split()[1]) for line in notes() if line.startswith("woken")}
    assert len(pids) == 1
    assert (os.getpid() in pids) is not processes
    assert count("asleep") == 0, "nobody woke it, and it has no job to poll by itself"
    assert count("polled") >= 1


def test_a_woken_item_takes_inputs_too(make_host: MakeHost) -> None:
    """What a task of IRIS does: it calls the service without input."""
    host = make_host("woken")
    host.call("Asleep", None, LONG_S)
    assert count("asleep") == 1


@pytest.mark.parametrize(
    ("wakes", "problem"),
    [
        ({"Nobody": 20.0}, "wake of 'Nobody', which is no item"),
        (
            {"Direct": 20.0},
            "'Direct': a wake is given for it, but it is no PollingBusinessService",
        ),
        ({"Work": 20.0}, "'Work': a wake is given for it, but it is no PollingBusinessService"),
        ({"Poller": 20.0}, "'Poller': a wake is given for it, but it polls by itself"),
        ({"Woken": 0.01}, "CallInterval is 0.01, expected 0.1 or more"),
    ],
)
def test_a_wake_that_fits_no_item_is_refused(wakes: dict[str, float], problem: str) -> None:
    with pytest.raises(PlanError, match=re.escape(problem)):
        HostPlan.from_production(productions.woken, wakes=wakes)


# -- default settings ------------------------------------------------------------------------------


def row(item: str, name: str, text: str, production: str = "*") -> DefaultSetting:
    return DefaultSetting(production, item, "*", name, text)


def plan_of(*defaults: DefaultSetting, **worker: str) -> HostPlan:
    return HostPlan.from_production(productions.make(worker=worker), defaults=defaults)


def test_a_default_setting_fills_what_the_production_leaves_open() -> None:
    """IRIS: first the production, then the system default settings, then the class."""
    assert plan_of().items["Worker"].settings == {}
    assert plan_of(row("Worker", "Factor", "5")).items["Worker"].settings == {"Factor": 5}
    given = plan_of(row("Worker", "Factor", "5"), Factor="7")
    assert given.items["Worker"].settings == {"Factor": 7}
    heeded = plan_of(row("*", "FailureTimeout", "99"), row("*", "AlertOnError", "1"))
    # Settings of IRIS' own are every item's, whether its class declares them or not.
    assert heeded.items["Worker"].failure_timeout_s == 99.0
    assert all(spec.alert_on_error for spec in heeded.items.values())


def test_the_most_specific_default_setting_counts() -> None:
    ranked = [
        row("Worker", "Factor", "5", "Test.Production"),
        row("*", "Factor", "4", "Test.Production"),
        row("Worker", "Factor", "3"),
        row("*", "Factor", "2"),
    ]
    other = row("Worker", "Factor", "9", "Other.Production")
    for begin, expected in enumerate((5, 4, 3, 2)):
        plan = plan_of(other, *reversed(ranked[begin:]))
        assert plan.items["Worker"].settings == {"Factor": expected}


def test_a_default_setting_of_the_adapter_is_filled_too() -> None:
    plan = HostPlan.from_production(
        productions.woken, defaults=[row("*", "CallInterval", "7"), row("Woken", "Word", "up")]
    )
    assert plan.items["Poller"].call_interval_s == 7.0
    assert plan.items["Woken"].settings == {"Word": "up"}


@pytest.mark.parametrize(
    ("default", "problem"),
    [
        (row("Nobody", "Factor", "1"), "default setting Factor of 'Nobody', which is no item"),
        (row("Worker", "Fakter", "1"), "'Worker': default setting Fakter is none of this item's"),
        (row("Entry", "RetryInterval", "9"), "'Entry': default setting RetryInterval is none of"),
        (row("Worker", "Factor", "two"), "setting Factor is 'two', expected int"),
    ],
)
def test_a_default_setting_that_fits_nothing_is_refused(
    default: DefaultSetting, problem: str
) -> None:
    with pytest.raises(PlanError, match=re.escape(problem)):
        plan_of(default)


def test_default_settings_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    good = {"production": "*", "item": "*", "hostclass": "*", "setting": "A", "value": "1"}
    path.write_text(json.dumps([good]))
    assert read_defaults(path) == (DefaultSetting("*", "*", "*", "A", "1"),)
    for wrong, reason in [
        ("{}", "no array"),
        ("[", "no JSON"),
        (json.dumps([good, good | {"value": 1}]), "Row 2"),
        (json.dumps([good | {"valeu": "1"}]), "Row 1"),
        ('[{"item": "*"}]', "Row 1"),
    ]:
        path.write_text(wrong)
        with pytest.raises(PlanError, match=reason):
            read_defaults(path)
    with pytest.raises(PlanError, match="cannot be read"):
        read_defaults(tmp_path / "absent.json")


def test_default_settings_reach_the_processes_of_strict_mode(
    sqlite_url: str, lock_path: Path
) -> None:
    host = Host(
        "tests.host.productions:pair",
        store_url=sqlite_url,
        lock_path=lock_path,
        processes=True,
        defaults=[row("Worker", "Factor", "10")],
    )
    with host:
        assert host.call("Direct", Task("double", 4), LONG_S).number == 40


# -- alerts ----------------------------------------------------------------------------------------


def test_a_queue_that_grows_or_waits_too_long_raises_one_alert_each(make_host: MakeHost) -> None:
    worker = {"QueueCountAlert": "3", "QueueWaitAlert": "0.5"}
    host = make_host(productions.make(worker=worker, alerts=True, enabled=False))
    for number in range(3):
        host.send("Direct", Task("async-pass", number))
    wait_until(lambda: count("alert") == 2)
    first, second = sorted(line for line in notes() if line.startswith("alert"))
    assert first == "alert Worker: QueueCountAlert: 3 messages wait, limit 3"
    assert re.fullmatch(
        r"alert Worker: QueueWaitAlert: a message has waited \d+ s, limit 0.5 s", second
    )
    alerts = [e for e in host.journal.events() if e.severity == 6]
    assert [e.item for e in alerts] == ["Worker", "Worker"]


def test_polls_that_fail_alike_raise_one_alert(make_host: MakeHost) -> None:
    make_host("failing")
    wait_until(lambda: count("failing poll") >= 5)
    assert [line for line in notes() if line.startswith("alert")] == [
        "alert Failing: OSError: the disk is away"
    ]
    flag("other").touch()
    wait_until(lambda: count("alert") == 2)
    alerts = [line for line in notes() if line.startswith("alert")]
    assert alerts[1] == "alert Failing: OSError: another disk"


# -- what iop documents ----------------------------------------------------------------------------


def test_every_route_of_iop_is_served() -> None:
    """The class for IRIS lies in the package of iop; a new release may add a route."""
    cls = Path(iop.__file__).parent / "cls/IOP/Service/Remote/Rest/v1.cls"
    routes = re.findall(r'<Route Url="([^"]+)"\s+Method="(\w+)"', cls.read_text())
    assert {(method, url) for url, method in routes} == {*_ROUTES, ("PUT", "/migrate")}
