"""What the host reads from a production, and what it refuses before anything starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from iop import (
    BusinessOperation,
    BusinessService,
    PollingBusinessService,
    Production,
    setting,
    target,
)
from tests.host import productions
from tests.host.productions import Broken, Entry, Worker

from iris_ct.host import ComponentStartError, Host, HostPlan, PlanError
from iris_ct.host.actions import Rule, decide, parse_actions
from iris_ct.host.plan import load_production
from iris_ct.host.schedule import parse_schedule


class Configured(BusinessOperation):
    """One setting of each type, written in each way iop has."""

    Ratio: float = 0.5
    Rows: int = 10
    Strict: bool = False
    Name: str = ""
    Depth = setting(3, data_type=int)

    def on_message(self, request: Any) -> Any:
        return None


class Watcher(PollingBusinessService):
    def on_poll(self) -> None:
        return


class Wandering(BusinessService):
    Somewhere = target()
    Known = target("Work")

    def on_message(self, request: Any = None) -> Any:
        return None


def test_a_plan_holds_what_the_production_says() -> None:
    prod = Production("P", actor_pool_size=3)
    prod.service("Watch", Watcher, adapter_settings={"CallInterval": "0.5"})
    prod.operation(
        "Work",
        Configured,
        pool_size="2",
        enabled="false",
        settings={"Ratio": "0.25", "Rows": "7", "Strict": "1", "Name": "x", "Depth": "9"},
    )
    prod.process("Route", productions.Router, pool_size=0, settings={"Output": "Work"})
    plan = HostPlan.from_production(prod)
    watch, work, route = (plan.items[name] for name in ("Watch", "Work", "Route"))
    assert (watch.kind, watch.polls, watch.call_interval_s) == ("service", True, 0.5)
    assert (work.pool_size, work.enabled, work.slots) == (2, False, ("Work#0", "Work#1"))
    assert work.settings == {"Ratio": 0.25, "Rows": 7, "Strict": True, "Name": "x", "Depth": 9}
    assert (work.retry_interval_s, work.failure_timeout_s) == (5.0, 15.0)
    assert route.pool_size == 3, "pool 0 of a process is the actor pool"


def test_settings_of_iris_may_come_as_other_settings() -> None:
    """Only so does iop's own strict validation let them pass."""
    prod = Production("P")
    work = prod.operation("Work", Worker)
    rows = {"RetryInterval": "2", "FailureTimeout": "-1", "ReplyCodeActions": "E=RF"}
    prod.update_component(
        work,
        other_settings=[{"@Target": "Host", "@Name": k, "#text": v} for k, v in rows.items()],
    )
    prod.validate(strict=True)
    spec = HostPlan.from_production(prod).items["Work"]
    assert (spec.retry_interval_s, spec.failure_timeout_s) == (2.0, -1.0)
    assert spec.reply_actions == (Rule("", "RF"),)


def test_all_reasons_are_told_at_once() -> None:
    prod = Production("P")
    prod.service("Source", Wandering, pool_size="x")
    prod.service("Ftp", Watcher, adapter_settings={"CallInterval": "0.01"})
    prod.operation(
        "Work",
        Configured,
        pool_size=-1,
        schedule="START:WEEK-01-01T08",
        settings={"Rows": "many", "ReplyCodeActions": "E#6059=R", "RetryInterval": "soon"},
    )
    prod.operation("Native", class_name="EnsLib.EMail.OutboundOperation")
    prod.operation("Adapted", Configured, adapter_class="EnsLib.FTP.OutboundAdapter")
    with pytest.raises(PlanError) as refused:
        HostPlan.from_production(prod)
    for reason in (
        "item 'Source': pool size is 'x', expected a whole number of 0 or more",
        "item 'Source': target Somewhere is not connected",
        "item 'Ftp': CallInterval is '0.01', expected 0.1 or more",
        "item 'Work': pool size is -1",
        "item 'Work': schedule: 'START:WEEK-01-01T08' is not START: or STOP:",
        "item 'Work': setting Rows is 'many', expected int",
        "item 'Work': ReplyCodeActions: code 'E#6059' is not known here",
        "item 'Work': RetryInterval is 'soon', expected a number of seconds",
        "item 'Native': class EnsLib.EMail.OutboundOperation is not a Python class",
        "item 'Adapted': adapter EnsLib.FTP.OutboundAdapter is not available without IRIS",
    ):
        assert reason in str(refused.value)


def test_a_route_to_a_service_or_to_nobody_is_refused() -> None:
    prod = Production("P")
    prod.service("Entry", Entry, settings={"Output": "Other"})
    prod.service("Other", Entry, settings={"Output": "Nobody"})
    with pytest.raises(PlanError) as refused:
        HostPlan.from_production(prod)
    assert "target Output is 'Other', a service; services take no requests" in str(refused.value)
    assert "target Output is 'Nobody', which is no item" in str(refused.value)


def test_an_unknown_setting_is_refused() -> None:
    prod = Production("P")
    prod.operation("Work", Configured, settings={"Rowz": "1"})
    with pytest.raises(PlanError, match="Rowz"):
        HostPlan.from_production(prod)


def test_nothing_starts_and_no_store_is_made_when_the_plan_fails(
    sqlite_url: str, lock_path: Path, tmp_path: Path
) -> None:
    prod = Production("P")
    prod.service("Source", Wandering)
    with pytest.raises(PlanError):
        Host(prod, store_url=sqlite_url, lock_path=lock_path)
    assert not (tmp_path / "store.sqlite").exists()
    assert not lock_path.exists()


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no.such.module:prod", "cannot be imported"),
        ("tests.host.productions:nothing", "cannot be imported"),
        ("tests.host.productions:NOTES", "is a str. Expected one iop.Production"),
        ("tests.host.productions", "Expected 'module:attribute'"),
    ],
)
def test_a_wrong_reference_to_a_production_is_told(reference: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        load_production(reference)


def test_strict_mode_needs_the_name_of_the_production(sqlite_url: str, lock_path: Path) -> None:
    with pytest.raises(PlanError, match="every process imports the production by itself"):
        Host(productions.small, store_url=sqlite_url, lock_path=lock_path, processes=True)


@pytest.mark.parametrize("processes", [False, True])
def test_a_failed_on_init_stops_the_start_and_frees_the_store(
    sqlite_url: str, lock_path: Path, processes: bool
) -> None:
    host = Host(
        "tests.host.test_plan:broken",
        store_url=sqlite_url,
        lock_path=lock_path,
        processes=processes,
    )
    with pytest.raises(ComponentStartError, match="Work#0: OSError: the licence server is away"):
        host.start()
    assert not host.is_running
    with Host(productions.small, store_url=sqlite_url, lock_path=lock_path):
        pass


def _broken() -> Production:
    prod = Production("P")
    prod.operation("Work", Broken)
    return prod


broken = _broken()


@pytest.mark.parametrize(
    ("actions", "error", "may_retry", "outcome"),
    [
        ("E=F", "x", True, "error"),
        ("E=R", "x", True, "retry"),
        ("E=R", "x", False, "completed"),
        ("E=RF", "x", False, "error"),
        ("E=RS", "x", False, "suspended"),
        ("E=C", "x", True, "completed"),
        ("E=W", "x", True, "completed"),
        ("E=D", "x", True, "error"),
        ("E*time=R,E=F", "it TIMEd out", True, "retry"),
        ("E*time=R,E=F", "refused", True, "error"),
        ("E*time=R", "refused", True, "error"),
    ],
)
def test_reply_code_actions_decide_as_iris_documents(
    actions: str, error: str, may_retry: bool, outcome: str
) -> None:
    assert decide(parse_actions(actions), error, may_retry=may_retry).outcome == outcome


@pytest.mark.parametrize("text", ["E", "=F", "E=X", "N=C", "E#5=R", ""])
def test_reply_code_actions_that_are_not_known_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected E or E\*text|is not CODE=ACTIONS"):
        parse_actions(text)


@pytest.mark.parametrize(
    ("now", "active"),
    [
        (datetime(2026, 3, 2, 7, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 2, 8, tzinfo=UTC), True),
        (datetime(2026, 3, 2, 16, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 2, 17, tzinfo=UTC), False),
        (datetime(2026, 3, 3, 0, tzinfo=UTC), False),
    ],
)
def test_a_daily_schedule_has_its_hours(now: datetime, active: bool) -> None:
    office = parse_schedule("START:*-*-*T08:00:00,STOP:*-*-*T17:00:00")
    assert office.is_active(now) is active


def test_a_yearly_schedule_looks_back_as_far_as_it_must() -> None:
    """On from 29 February 2024 until 1 March 2026; the years between name no switch."""
    plan = parse_schedule("START:*-02-29T00:00,STOP:2026-03-01T00:00")
    assert plan.is_active(datetime(2026, 2, 28, 23, tzinfo=UTC))
    assert not plan.is_active(datetime(2026, 3, 1, tzinfo=UTC))
