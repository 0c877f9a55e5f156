"""Stands in for the ``iris`` module while a host runs in this process.

Only what iop asks for is answered; every other class of IRIS raises, because the wrapper's own
answer off IRIS would be a mock that swallows what it is told. Binding uses the wrapper's public
``iris.runtime`` and the public names ``iris.system`` and ``iris.IOP``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import iris
from iris_ct.host.bodies import Body, CallStructure
from iris_ct.host.errors import HostError, UnsupportedError

LOG_ASSERT, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_TRACE, LOG_ALERT = 1, 2, 3, 4, 5, 6


class LogSink(Protocol):
    """Where a component's log entries and console lines go."""

    def log(self, severity: int, source_class: str, source_method: str, content: str) -> None:
        """Write an entry of the event log."""

    def write_console(self, severity: int, content: str, event_name: str) -> None:
        """Write a line of the console log."""


# The handler that runs in this thread (or task); threads a component starts by itself see none.
current_sink: ContextVar[LogSink | None] = ContextVar("iris_ct_host_sink", default=None)

_lock = threading.Lock()
_sinks: list[LogSink | None] = []


@contextmanager
def bound(sink: LogSink | None = None) -> Iterator[None]:
    """Answer for IRIS in this process for the time of the block.

    Parameters
    ----------
    sink : LogSink, optional
        Takes log entries of threads that run no handler. Without one such entries raise.
    """
    bind(sink)
    try:
        yield
    finally:
        unbind(sink)


def bind(sink: LogSink | None) -> None:
    """Begin to answer for IRIS; calls nest."""
    with _lock:
        _sinks.append(sink)
        if len(_sinks) > 1:
            return
        iris.runtime.bind_backends(embedded_module=_Module(), embedded_cls=_cls)
        # "auto" would hand out mocks for iris.sql, iris.gref and whatever else is not there.
        iris.runtime.configure(mode="embedded")
        iris.system = _System()
        iris.IOP = _Refused("IOP")


def unbind(sink: LogSink | None) -> None:
    """End what one call of `bind` began; the last one gives the module back as it was."""
    with _lock:
        _sinks.remove(sink)
        if _sinks:
            return
        iris.runtime.reset()
        del iris.system, iris.IOP


def _sink() -> LogSink:
    sink = current_sink.get()
    if sink is not None:
        return sink
    known = [s for s in _sinks if s is not None]
    if len(known) == 1:
        return known[0]
    raise HostError(
        f"A log entry came from a thread that runs no handler, and {len(known)} hosts run in "
        "this process, so it is not clear whose event log it belongs to. Log from the handler."
    )


class _Module:
    """The part of the embedded ``iris`` module that the wrapper looks up by itself."""

    class ref:
        """A value passed by reference."""

        def __init__(self, value: Any = "") -> None:
            self.value = value


class _Refused:
    """A name space of IRIS that is not offered: any use raises."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedError(
            f"iris.{self._name}.{name} exists only in IRIS; the embedded host does not offer it. "
            "Generator requests are one user of iris.IOP: send one message per element instead."
        )


class _Status:
    @staticmethod
    def GetOneStatusText(status: Any) -> str:
        return str(status)


class _System(_Refused):
    Status = _Status

    def __init__(self) -> None:
        super().__init__("system")


class _EventLog:
    @staticmethod
    def Log(severity: int, class_name: str, method: str, content: str) -> int:
        _sink().log(int(severity), str(class_name), str(method), str(content))
        return 1

    @staticmethod
    def LogAssert(class_name: str, method: str, content: str) -> int:
        _sink().log(LOG_ASSERT, str(class_name), str(method), str(content))
        return 1


class _Console:
    @staticmethod
    def WriteToConsoleLog(
        content: str, flag: int = 0, severity: int = 0, event_name: str = "Utility.Event"
    ) -> int:
        _sink().write_console(int(severity), str(content), str(event_name))
        return 1


class _Maker:
    """A class of IRIS of which only ``_New()`` is called."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._New = make


_CLASSES: dict[str, Any] = {
    "IOP.Message": _Maker(Body),
    "Ens.CallStructure": _Maker(CallStructure),
    "Ens.Util.Log": _EventLog,
    "%SYS.System": _Console,
}


def _cls(name: str) -> Any:
    try:
        return _CLASSES[name]
    except KeyError:
        raise UnsupportedError(
            f"Class {name} exists only in IRIS; the embedded host offers "
            f"{', '.join(sorted(_CLASSES))}. Put the call behind a port, or run this on IRIS."
        ) from None
