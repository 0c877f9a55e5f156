"""The life cycle of one component instance, called as IRIS' ``IOP`` classes call it.

These private names of iop are its interface to IRIS; tests/host/test_iop_contract.py holds them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iris_ct.host.activation import Activation
from iris_ct.host.bodies import Payload, to_body, to_payload
from iris_ct.host.errors import RequestFailedError
from iris_ct.host.foreign import Foreign
from iris_ct.host.handles import Handle, ProcessHandle
from iris_ct.host.plan import ItemSpec
from iris_ct.host.runtime import LOG_ERROR, LOG_WARNING, current_sink

# Longer texts (a database that prints its statement) say nothing more.
_MAX_ERROR_CHARS = 4000


@contextmanager
def logging_to(activation: Activation) -> Iterator[None]:
    """Let log entries of this thread belong to an activation for the time of the block."""
    token = current_sink.set(activation)
    try:
        yield
    finally:
        current_sink.reset(token)


class Component:
    """One Python instance of an item's class. Used by the thread of its slot only."""

    def __init__(self, spec: ItemSpec, handle: Handle) -> None:
        self.spec = spec
        self.handle = handle
        # IRIS never calls __init__, so neither does the host.
        component_class: Any = spec.component_class
        self._instance = component_class.__new__(component_class)

    def open(self) -> None:
        """Hand over handle and settings, then call ``on_connected`` and ``on_init``."""
        self._instance._set_iris_handles(self.handle, None)
        for name, value in self.spec.settings.items():
            setattr(self._instance, name, value)
        # IRIS goes on after a failed on_connected too.
        with Foreign() as call:
            self._instance._dispatch_on_connected(self.handle)
        if call.error is not None:
            log_failure(self.handle.activation, call.error, LOG_WARNING)
        self._instance._dispatch_on_init(self.handle)

    def close(self) -> None:
        """Call ``on_tear_down``; its failure is logged, there is nobody left to tell."""
        with Foreign() as call:
            self._instance._dispatch_on_tear_down(self.handle)
        if call.error is not None:
            log_failure(self.handle.activation, call.error, LOG_WARNING)

    def poll(self) -> bool:
        """Call the service without input; True to wait for the next call interval."""
        # The adapter of IRIS says "wait" before each call; the service may say otherwise.
        self._instance._wait_for_next_call_interval = True
        self._instance._dispatch_on_process_input(None)
        return bool(self._instance._wait_for_next_call_interval)

    def process_input(self, request: Payload, message_id: int) -> Payload:
        """Call the service with an input."""
        body = to_body(request, message_id)
        return to_payload(self._instance._dispatch_on_process_input(body))

    def handle_message(self, request: Payload, message_id: int) -> Payload:
        """Call the operation."""
        body = to_body(request, message_id)
        return to_payload(self._instance._dispatch_on_message(body))


class ProcessComponent(Component):
    """An instance of a business process, made for one event."""

    handle: ProcessHandle

    def handle_request(self, request: Any) -> Payload:
        """Call ``on_request`` (or the handler of the message's class)."""
        return to_payload(self._instance._dispatch_on_request(self.handle, request))

    def handle_response(
        self, request: Any, response: Any, call_request: Any, call_response: Any, key: str
    ) -> Payload:
        """Call ``on_response``."""
        return to_payload(
            self._instance._dispatch_on_response(
                self.handle, request, response, call_request, call_response, key
            )
        )

    def handle_complete(self, request: Any, response: Payload) -> Payload:
        """Call ``on_complete``."""
        return to_payload(
            self._instance._dispatch_on_complete(self.handle, request, to_body(response))
        )


def describe(error: BaseException) -> str:
    """Write an error as one text, as the sender of a request will see it.

    Of a request that failed the reason is passed on, not the way it took; the trace shows that.
    """
    if isinstance(error, RequestFailedError) and error.failure:
        return error.failure
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARS]


def log_failure(activation: Activation, error: BaseException, severity: int = LOG_ERROR) -> None:
    """Write an error with the place it came from into the event log."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "".join(f"\n  {f.filename}:{f.lineno} {f.name}" for f in frames[-12:])
    source = activation.spec.component_class.__name__
    method = frames[-1].name if frames else ""
    content = f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARS]
    activation.log(severity, source, method, content + places)
