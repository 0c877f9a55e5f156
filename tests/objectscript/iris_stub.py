"""A module ``iris`` that knows what a public source says of it, and raises on everything else.

It stands for one process of an instance whose production is the embedded host: what a business
service is handed goes to the host that runs the home, and what IRIS' tables would say of messages
is asked of that host. The numbers are chapters of the reference of verified facts about IRIS,
iris.md; "iop" is the source code of iris-pex-embedded-python 4.1.1.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

from iris_ct.core.errors import StoreError
from iris_ct.host import RequestFailedError
from iris_ct.host.bodies import Body
from iris_ct.procedures.door import Door

USER = "maria"

# What the product may use of the module and of what it gives, and where that is said.
FACTS = {
    "sql": "5",
    "sql.prepare": "5",
    "execute": "5",
    "cls": "5",
    "tlevel": "5",
    "IOP.Director.dispatchCreateBusinessService": "7.6, iop: cls/IOP/Director.cls",
    "IOP.Message._New": "iop: messages/serialization.py",
    "IOP.Director.StatusProduction": "iop: runtime/director.py",
    "service.GetClass": "iop: cls/IOP/Common.cls",
    "service._SessionId": "4.1 (percent names), Docs class reference Ens.BusinessService",
    "service.ForceSessionId": "Docs class reference Ens.BusinessService",
}

_ACTIVE = "SELECT COUNT(*) FROM Ens.MessageHeader WHERE Status IN (1, 2, 3, 6)"


class NotAFactError(AttributeError):
    """The product has used something of IRIS that no listed source confirms."""

    def __init__(self, name: str) -> None:
        super().__init__(f"iris: '{name}' is on no list of verified facts")


class Known:
    """An object of which only what is listed can be used; ``used`` keeps what was."""

    used: set[str] = set()  # noqa: RUF012 - one list for all objects of the process

    def __init__(self, prefix: str, offered: dict[str, Any]) -> None:
        object.__setattr__(self, "_prefix", prefix)
        object.__setattr__(self, "_offered", offered)

    def __getattr__(self, name: str) -> Any:
        full = self._full(name)
        self.used.add(full)
        return self._offered[name]

    def __setattr__(self, name: str, value: object) -> None:
        self._full(name)
        self._offered[name] = value

    def _full(self, name: str) -> str:
        full = f"{self._prefix}{name}"
        if full not in FACTS or name not in self._offered:
            raise NotAFactError(full)
        return full


class IrisModule(types.ModuleType):
    """The module: an attribute that is no listed fact raises."""

    def __init__(self, door: Callable[[], Door]) -> None:
        super().__init__("iris")
        # Python itself asks modules for names such as __path__; those are none of IRIS'.
        self._door = door
        self._known = Known(
            "",
            {
                "sql": Known("sql.", {"prepare": self._prepare}),
                "execute": _execute,
                "cls": self._class,
                "tlevel": lambda: 0,
            },
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._known, name)

    def _class(self, name: str) -> Known:
        if name == "IOP.Message":
            # iop serialises in the process that sends.
            return Known("IOP.Message.", {"_New": Body})
        if name != "IOP.Director":
            raise NotAFactError(f"cls({name!r})")
        return Known(
            "IOP.Director.",
            {
                "dispatchCreateBusinessService": self._create_service,
                "StatusProduction": lambda: {"Production": "CT.Production", "Status": "running"},
            },
        )

    def _create_service(self, name: str) -> Known:
        if name != "Requests":
            raise RuntimeError(f"ERROR <Ens>ErrBusinessDispatchNameNotRegistered: {name}")
        offered: dict[str, Any] = {"_SessionId": "", "ForceSessionId": lambda: 1}
        handle = Known("service.", offered)
        offered["GetClass"] = lambda: Service(self._door(), handle)
        return handle

    def _prepare(self, text: str) -> Statement:
        return Statement(text, self._door())


class Service:
    """The business service Requests in this process, as iop makes it of a Python class."""

    def __init__(self, door: Door, handle: Known) -> None:
        self._door = door
        self.iris_handle = handle

    def on_process_input(self, message: Any) -> Any:
        """Hand the message to the production; the session is known afterwards."""
        try:
            reply, session = self._door.call(message)
        except StoreError as error:
            if not isinstance(error.__cause__, RequestFailedError):
                raise
            # What iop makes of an exception in an item: IOP.Common, DisplayTraceback.
            words = f"Exception in Python class: Item - StoreError - {error.__cause__.reason}"
            raise RuntimeError(words) from error
        self.iris_handle._SessionId = session
        return reply


class Statement:
    """A prepared SELECT over IRIS' own tables, as far as the product asks them."""

    def __init__(self, text: str, door: Door) -> None:
        self._text = text
        self._door = door

    def execute(self, *given: object) -> Iterator[list[Any]]:
        """Count the messages under way, of all sessions; another statement is no listed one."""
        if self._text != _ACTIVE or given:
            raise NotAFactError(f"sql: {self._text}")
        return iter([[self._door.pending()]])


def _execute(text: str) -> str:
    """Answer the one ObjectScript text that is sent."""
    if text != "return $username":
        raise NotAFactError(f"execute({text!r})")
    return USER
