"""The way into the production on IRIS, with an ``iris`` of the test's own; not run on IRIS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.instance.fake_iris import FakeIris

from iris_ct import procedures
from iris_ct.core.errors import ConfigError, StoreError
from iris_ct.instance.door import InstanceDoor
from iris_ct.instance.process import this_process
from iris_ct.messages import RetrainingDecided, RetrainingRequested
from iris_ct.procedures.door import told

WISH = RetrainingRequested("bikes", "manual:1", "manual", "Ada")
DECIDED = RetrainingDecided("bikes", "retrain", "asked for", "bikes-cycle-00001", "retrain-1")


@dataclass
class Handle:
    """What IRIS gives a service: its session."""

    _SessionId: Any = 12
    sessions: list[int] = field(default_factory=lambda: [40, 41, 42])

    def ForceSessionId(self) -> None:
        assert self._SessionId == "", "a new session begins without an old one"
        self._SessionId = self.sessions.pop(0)


@dataclass
class Service:
    """A service as iop's director makes it."""

    answer: Callable[[Any], Any]
    iris_handle: Handle = field(default_factory=Handle)
    got: list[Any] = field(default_factory=list)

    def on_process_input(self, message: Any) -> Any:
        self.got.append(message)
        return self.answer(message)


def door(
    service: Service | None = None, iris: FakeIris | None = None, state: str = "running"
) -> Any:
    def create(name: str) -> Service:
        assert name == "Requests"
        assert service is not None
        return service

    return InstanceDoor(
        iris=iris or FakeIris(),
        create_service=create,
        production_state=lambda: state,
        look_s=0.0,
    )


def test_each_call_is_a_session_of_its_own() -> None:
    service = Service(lambda _message: DECIDED)
    here = door(service)
    assert here.call(WISH) == (DECIDED, 40)
    assert here.call(WISH) == (DECIDED, 41)
    assert service.got == [WISH, WISH]


def test_a_client_with_an_open_transaction_is_refused_in_one_sentence() -> None:
    """Its locks would stop the items whose reply it waits for."""
    service, iris = Service(lambda _message: DECIDED), FakeIris(open_transactions=1)
    with pytest.raises(StoreError, match=r"found one, which .* COMMIT or ROLLBACK"):
        door(service, iris).call(WISH)
    assert service.got == []
    iris.open_transactions = 0
    assert door(service, iris).call(WISH) == (DECIDED, 40)


def test_what_an_item_said_is_told_without_what_each_hop_put_in_front() -> None:
    def refuse(_message: Any) -> Any:
        raise RuntimeError(
            "ERROR <Ens>ErrGeneral: Exception in Python class: Requests - RuntimeError - ERROR "
            "<Ens>ErrGeneral: Exception in Python class: PromotionOperation - "
            "ModelVersionNotFoundError - Version 9 of 'bikes' is not known.\nSee 'ct history'."
        )

    with pytest.raises(StoreError) as refused:
        door(Service(refuse)).call(WISH)
    assert str(refused.value) == (
        "The production refused the request: Version 9 of 'bikes' is not known. See 'ct history'."
    )


def test_a_production_that_does_not_run_is_told_with_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"IRIS says it is stopped.*iop --start"):
        door(state="stopped").ensure()
    door().ensure()


def lived() -> FakeIris:
    """One session: Requests asked Trigger, which answered, and Cycle, which is at work."""
    iris = FakeIris()
    iris.header(
        40,
        40,
        Type=1,
        Status=9,
        SourceConfigName="Requests",
        TargetConfigName="Trigger",
        MessageBodyClassName="IOP.Message",
        MessageBodyId=7,
        TimeCreated="2026-11-21 10:00:00.125",
        TimeProcessed="2026-11-21 10:00:00.25",
    )
    iris.header(
        41,
        40,
        Type=2,
        Status=9,
        SourceConfigName="Trigger",
        TargetConfigName="Requests",
        MessageBodyClassName="IOP.Message",
        MessageBodyId=8,
        CorrespondingMessageId=40,
        TimeCreated="2026-11-21 10:00:00.5",
        TimeProcessed="2026-11-21 10:00:00.5",
    )
    iris.header(
        42,
        40,
        Type="Request",
        Status=3,
        SourceConfigName="Requests",
        TargetConfigName="Cycle",
        MessageBodyClassName="IOP.Message",
        MessageBodyId=9,
        TimeCreated="2026-11-21 10:00:01",
    )
    iris.header(
        43,
        40,
        Type=1,
        Status="Error",
        SourceConfigName="Cycle",
        TargetConfigName="Training",
        MessageBodyClassName="CT.Msg.PredictRequest",
        MessageBodyId=1,
        TimeCreated="2026-11-21 10:00:02",
    )
    iris.body(7, "iris_ct.messages.RetrainingRequested", json.dumps({"model": "bikes"}))
    iris.body(
        8,
        "iris_ct.messages.RetrainingDecided",
        json.dumps({"model": "bikes", "outcome": "retrain", "reason": "asked for"}),
    )
    iris.events.append(
        (1, "Training", "4711", 43, 40, "C", "m", "the disk is full", "2026-11-21 10:00:03", 2)
    )
    iris.events.append((2, "Cycle", "4712", "", "", "C", "m", "begun", "2026-11-21 10:00:04", 4))
    return iris


def test_a_session_is_told_as_the_host_tells_it() -> None:
    answer = procedures.trace(door(iris=lived()), 40)
    seen = [
        (row["message_id"], row["parent_id"], row["depth"], row["to"], row["status"])
        for row in answer["messages"]
    ]
    assert seen == [
        (40, None, 0, "Trigger", "completed"),
        (42, None, 0, "Cycle", "running"),
        (43, 42, 1, "Training", "error"),
    ]
    first = answer["messages"][0]
    assert (first["request"], first["reply"]) == ("RetrainingRequested", "RetrainingDecided")
    assert first["body"] == {"model": "bikes"}
    assert first["created_at"] == "2026-11-21T10:00:00.125+00:00"
    # From the time at which it was taken to the reply: 0.5 - 0.25.
    assert first["seconds"] == 0.25
    assert answer["messages"][2]["error"] == "the disk is full"
    assert (answer["active"], answer["errors"]) == (1, 1)


def test_the_replies_of_a_session_say_what_became_of_a_wish() -> None:
    said = told(door(iris=lived()), 40)
    assert (said["decision"], said["reason"]) == ("retrain", "asked for")
    assert said["failure"] == "the disk is full"


def test_sessions_are_listed_newest_first() -> None:
    iris = lived()
    iris.header(50, 50, Type=1, Status=9, SourceConfigName="Schedule", TargetConfigName="Trigger")
    listed = procedures.sessions(door(iris=iris), newest=5)
    assert [row["session"] for row in listed] == [50, 40]
    assert (listed[1]["messages"], listed[1]["active"], listed[1]["errors"]) == (3, 1, 1)
    assert listed[1]["begins"] == "RetrainingRequested"
    assert listed[1]["ended_at"] is None


def test_the_event_log_is_told_oldest_first() -> None:
    entries = procedures.host_log(door(iris=lived()), newest=5)
    assert [(e["id"], e["severity"], e["item"], e["text"]) for e in entries] == [
        (1, "error", "Training", "the disk is full"),
        (2, "info", "Cycle", "begun"),
    ]
    assert (entries[0]["session"], entries[1]["session"]) == (40, None)
    assert [e["id"] for e in procedures.host_log(door(iris=lived()), after_id=1)] == [2]


def test_waiting_ends_with_the_session_or_with_the_production() -> None:
    iris = lived()
    here = door(iris=iris)
    assert here.pending() == 1
    assert here.wait(50), "of that session nothing is under way"
    assert not door(iris=iris, state="stopped").wait(40)
    next(header for header in iris.headers if header["ID"] == 42)["Status"] = 9
    assert here.wait(40)


@pytest.mark.parametrize(
    "refused",
    [
        lambda here: here.suspend(7),
        lambda here: here.resend(7),
        lambda here: here.forget(datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_iris_does_itself_is_refused_with_the_place_where_it_is_done(
    refused: Callable[[Any], Any],
) -> None:
    with pytest.raises(StoreError, match=r"Management Portal|Task Manager"):
        refused(door())


def test_a_driver_called_iris_is_not_an_iris_process() -> None:
    """The installed packages of that name connect from outside, or give mocks for what is missing."""
    with pytest.raises(ConfigError, match="does not run inside an IRIS process"):
        this_process()
