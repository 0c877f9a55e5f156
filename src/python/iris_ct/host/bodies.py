"""Message bodies and other objects that IRIS would hand to iop, as plain Python.

iop takes an object for one of IRIS when the module of its class starts with ``iris``; this
package's name does, so nothing is pretended. A body is stored as two texts, the name of its class
and its JSON: readable in the trace and free of pickle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from iris_ct.host.errors import UnsupportedError

# iop writes classes of IRIS with this prefix too (`iris.Ens.AlertRequest`).
NATIVE_PREFIX = "iris."


@dataclass(frozen=True)
class Payload:
    """A message body as it is stored.

    Attributes
    ----------
    class_name : str
        Full name of the Python message class, or ``iris.<Class>`` for a class of IRIS; empty for
        "no body".
    content : str
        The JSON text of the body; empty for "no body".
    """

    class_name: str = ""
    content: str = ""


class _IrisObject:
    """The few methods of a persistent IRIS object that iop calls."""

    def __init__(self, iris_class: str) -> None:
        self._iris_class = iris_class
        self._identity = ""

    def _IsA(self, name: str) -> bool:
        return name in {self._iris_class, "%Persistent"}

    def _ClassName(self, full: int = 0) -> str:
        return self._iris_class if full else self._iris_class.rpartition(".")[2]

    def _Id(self) -> str:
        return self._identity


class Body(_IrisObject):
    """What ``iris.cls("IOP.Message")._New()`` gives: a class name and a JSON text."""

    def __init__(self) -> None:
        super().__init__("IOP.Message")
        self.classname = ""
        self.json = ""
        self.type = "String"


class NativeBody(_IrisObject):
    """A body of one of the few IRIS classes which the host itself sends (alerts, timers)."""

    def __init__(self, iris_class: str, properties: dict[str, str]) -> None:
        super().__init__(iris_class)
        self.__dict__.update(properties)


class CallStructure:
    """What ``iris.cls("Ens.CallStructure")._New()`` gives: one call of a group of sync sends."""

    def __init__(self) -> None:
        self.TargetDispatchName = ""
        self.Request: Any = None
        self.Response: Any = None
        self.ResponseCode = 0


def to_payload(body: Any) -> Payload:
    """Turn a body that iop serialised into its stored form.

    Raises
    ------
    UnsupportedError
        If iop handed over anything but a JSON message, an alert or nothing.
    """
    if body is None or body == "":
        return Payload()
    if isinstance(body, Body):
        return Payload(body.classname, body.json)
    if isinstance(body, NativeBody):
        public = {k: v for k, v in vars(body).items() if not k.startswith("_")}
        return Payload(NATIVE_PREFIX + body._ClassName(1), json.dumps(public, sort_keys=True))
    raise UnsupportedError(
        f"A message body of type {type(body).__qualname__} cannot be carried by the embedded "
        "host. Expected a dataclass that extends iop.Message, or an iop.PydanticMessage."
    )


def to_body(payload: Payload, identity: int | None = None) -> Body | NativeBody | None:
    """Turn a stored body into the object iop deserialises; ``None`` for no body."""
    if not payload.class_name:
        return None
    body: Body | NativeBody
    if payload.class_name.startswith(NATIVE_PREFIX):
        name = payload.class_name.removeprefix(NATIVE_PREFIX)
        body = NativeBody(name, json.loads(payload.content))
    else:
        body = Body()
        body.classname = payload.class_name
        body.json = payload.content
    body._identity = "" if identity is None else str(identity)
    return body
