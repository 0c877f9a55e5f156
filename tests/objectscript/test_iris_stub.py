"""The pretended module ``iris`` knows listed facts only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.objectscript.iris_stub import FACTS, IrisModule, NotAFactError


def no_door() -> Any:
    raise AssertionError("nothing is to be asked")


IRIS: Any = IrisModule(no_door)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("tstart", lambda: IRIS.tstart()),
        ("sql.exec", lambda: IRIS.sql.exec("SELECT 1")),
        ("sql.prepare_once", lambda: IRIS.sql.prepare_once("SELECT 1")),
        ("cls('%SYS.Task')", lambda: IRIS.cls("%SYS.Task")),
        ("IOP.Director.StopProduction", lambda: IRIS.cls("IOP.Director").StopProduction()),
        ("IOP.Message.%OpenId", lambda: IRIS.cls("IOP.Message")._OpenId(1)),
        ("execute", lambda: IRIS.execute("halt")),
    ],
)
def test_what_is_on_no_list_raises(name: str, use: Callable[[], object]) -> None:
    with pytest.raises(NotAFactError, match=name.replace("%", "_").partition("(")[0]):
        use()


def test_what_is_listed_names_its_source() -> None:
    assert all(FACTS.values())
    assert IRIS.execute("return $username") == "maria"
    assert IRIS.cls("IOP.Director").StatusProduction()["Status"] == "running"


def test_a_service_of_another_name_is_refused_as_iris_does_it() -> None:
    with pytest.raises(RuntimeError, match="ErrBusinessDispatchNameNotRegistered: Inbox"):
        IRIS.cls("IOP.Director").dispatchCreateBusinessService("Inbox")
