"""The part of iop and of its wrapper that the host stands on, held in place.

iop calls these names from ObjectScript and may change them in any release. When a test here fails
after an upgrade, compare the named method with ``iop/cls/IOP/*.cls`` of that release, then change
the host and this page together. Verified with iop 4.1.1, iris-embedded-python-wrapper 0.6.1.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, get_type_hints

import iop
import pytest
from iop.messages.dispatch import dispatch_deserializer, dispatch_serializer
from tests.host.productions import Entry, Fan, Poller, Result, Router, Task, Worker

import iris
from iris_ct.host.bodies import Body, NativeBody, to_body, to_payload
from iris_ct.host.director import EmbeddedDirector
from iris_ct.host.errors import UnsupportedError
from iris_ct.host.runtime import bound

COMMON = {
    "_set_iris_handles": ["handle_current", "handle_partner"],
    "_dispatch_on_connected": ["host_object"],
    "_dispatch_on_init": ["host_object"],
    "_dispatch_on_tear_down": ["host_object"],
}
CALLED: dict[type, dict[str, list[str]]] = {
    iop.BusinessService: COMMON | {"_dispatch_on_process_input": ["request"]},
    iop.PollingBusinessService: COMMON | {"_dispatch_on_process_input": ["request"]},
    iop.BusinessOperation: COMMON | {"_dispatch_on_message": ["request"]},
    iop.BusinessProcess: COMMON
    | {
        "_dispatch_on_request": ["host_object", "request"],
        "_dispatch_on_response": [
            "host_object",
            "request",
            "response",
            "call_request",
            "call_response",
            "completion_key",
        ],
        "_dispatch_on_complete": ["host_object", "request", "response"],
    },
}


@pytest.mark.parametrize(
    ("base", "name"), [(base, name) for base, names in CALLED.items() for name in names]
)
def test_the_called_methods_take_what_the_host_gives(base: type, name: str) -> None:
    parameters = list(inspect.signature(getattr(base, name)).parameters)
    assert parameters == ["self", *CALLED[base][name]]


class Recorder:
    """A handle that notes which dispatch methods iop calls, with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("dispatch") and "PersistentProperty" not in name:
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return [] if "Multiple" in name else None

        return call


def _opened(component_class: Any) -> tuple[Any, Recorder]:
    recorder = Recorder()
    component: Any = component_class.__new__(component_class)
    component._set_iris_handles(recorder, None)
    return component, recorder


def test_sends_reach_the_handle_in_the_known_order() -> None:
    with bound():
        service, seen = _opened(Entry)
        service.send_request_sync("T", Task("a"), 5, "why")
        service.send_request_async("T", Task("a"), "why")
        process, seen_by_process = _opened(Router)
        process.send_request_async("T", Task("a"), "why", "key", True)
        process.set_timer(5, "key")
        process.reply(Result())
    (sync, (target, body, timeout, why)), (asynchronous, rest) = seen.calls
    assert (sync, target, timeout, why) == ("dispatchSendRequestSync", "T", 5, "why")
    assert isinstance(body, Body)
    assert (asynchronous, rest[0], rest[2]) == ("dispatchSendRequestAsync", "T", "why")
    (name, arguments), timer, (reply, _) = seen_by_process.calls
    assert name == "dispatchSendRequestAsync"
    assert (arguments[0], *arguments[2:]) == ("T", 1, "key", "why")
    assert timer == ("dispatchSetTimer", (5, "key"))
    assert reply == "dispatchReply"


def test_a_handle_is_stored_by_every_kind_of_component() -> None:
    for component_class in (Entry, Poller, Router, Worker):
        component, recorder = _opened(component_class)
        assert component.iris_handle is recorder


def test_persistent_properties_go_through_the_host_object() -> None:
    stored: dict[str, Any] = {"total": 5, "seen": b"01"}

    class HostObject:
        def getPersistentProperty(self, name: str) -> Any:
            return stored[name]

        def setPersistentProperty(self, name: str, value: Any) -> None:
            stored[name] = value

    with bound():
        process, _ = _opened(Fan)
        call = to_body(to_payload(dispatch_serializer(Task("a", 1))))
        answer = to_body(to_payload(dispatch_serializer(Result(number=2))))
        process._dispatch_on_response(HostObject(), call, None, call, answer, "call 7")
    assert stored == {"total": 7, "seen": b"017"}


def test_a_handler_is_found_by_the_class_of_the_message() -> None:
    with bound():
        worker, _ = _opened(Worker)
        worker._dispatch_on_init(None)
        reply = worker._dispatch_on_message(dispatch_serializer(Task("double", 4)))
    assert dict(worker.DISPATCH) == {"tests.host.productions.Task": "on_task"}
    assert (reply.classname, reply.json) == (
        "tests.host.productions.Result",
        '{"number":8,"text":""}',
    )


def test_a_service_is_told_to_wait_by_its_attribute() -> None:
    assert iop.BusinessService._wait_for_next_call_interval is False


@pytest.mark.parametrize("message", [Task("x", 3), Result(number=3, text="ä")])
def test_bodies_survive_the_store(message: Any) -> None:
    with bound():
        payload = to_payload(dispatch_serializer(message))
        back = dispatch_deserializer(to_body(payload, 17))
    assert type(back) is type(message)
    assert back.get_iris_id() == "17"
    if dataclasses.is_dataclass(message):
        assert back == message
    else:
        # iop: a deserialised pydantic message carries its id and is unequal to the original.
        assert back.model_dump() == message.model_dump()


def test_a_body_of_iris_stays_an_object_of_iris() -> None:
    with bound():
        alert = NativeBody("Ens.AlertRequest", {"AlertText": "x"})
        assert dispatch_deserializer(alert) is alert
        assert dispatch_serializer(alert) is alert


def test_pickled_messages_are_refused() -> None:
    class Secret(iop.PydanticPickleMessage):
        text: str = ""

    with bound():
        body = dispatch_serializer(Secret())
        # 4.1.1 tests for a plain message first, so even this one is JSON and never a pickle.
        assert isinstance(body, Body)


def test_logging_calls_the_two_known_classes() -> None:
    entries: list[tuple[Any, ...]] = []

    class Sink:
        def log(self, *entry: Any) -> None:
            entries.append(("log", *entry))

        def write_console(self, *entry: Any) -> None:
            entries.append(("console", *entry))

    with bound(Sink()):
        worker, _ = _opened(Worker)
        for level in ("trace", "log_info", "log_warning", "log_error", "log_alert"):
            getattr(worker, level)("x")
        worker.log_error("y", to_console=True)
        worker.log_assert("z")
    assert [(e[0], e[1]) for e in entries[:5]] == [("log", n) for n in (5, 4, 3, 2, 6)]
    assert entries[5][:3] == ("console", 2, "y")
    assert entries[6][:2] == ("log", 1)


def test_unbound_names_of_iris_raise_instead_of_giving_mocks() -> None:
    with bound():
        with pytest.raises(UnsupportedError, match=r"Class Ens\.Director exists only in IRIS"):
            iris.cls("Ens.Director")
        with pytest.raises(UnsupportedError):
            _ = iris.IOP.Generator
        with pytest.raises(UnsupportedError):
            _ = iris.system.Process
        with pytest.raises(RuntimeError):
            iris.gref("^x")
        with pytest.raises(RuntimeError):
            _ = iris.sql
        assert iris.ref(5).value == 5
        assert iris.system.Status.GetOneStatusText("why") == "why"


def test_the_iris_module_is_given_back() -> None:
    before = (iris.runtime.mode, iris.runtime.state)
    with bound(), bound():
        assert iris.runtime.mode == "embedded"
    assert (iris.runtime.mode, iris.runtime.state) == before
    assert "system" not in vars(iris)


def test_the_production_object_has_what_the_plan_reads() -> None:
    wanted = {
        "name",
        "component_class",
        "class_name",
        "kind",
        "pool_size",
        "enabled",
        "schedule",
        "host_settings",
        "adapter_settings",
        "other_settings",
        "adapter_class_name",
    }
    assert wanted <= {f.name for f in dataclasses.fields(iop.ComponentRef)}
    prod = iop.Production("P")
    assert (prod.items, prod.edges, prod.actor_pool_size) == ((), (), 2)
    assert get_type_hints(iop.ProductionValidationReport)["issues"]


def test_the_director_has_every_method_of_the_protocol() -> None:
    wanted = {n for n in vars(iop.DirectorProtocol) if not n.startswith("_")}
    assert wanted <= set(vars(EmbeddedDirector))
    for name in wanted - {"namespace"}:
        ours = inspect.signature(getattr(EmbeddedDirector, name)).parameters
        theirs = inspect.signature(getattr(iop.DirectorProtocol, name)).parameters
        assert list(ours) == list(theirs), name
