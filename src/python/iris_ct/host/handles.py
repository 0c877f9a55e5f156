"""The ``iris_handle`` of a component: the dispatch methods of IRIS' ``IOP`` classes, in Python.

The names and the order of arguments are those of ``IOP.Common`` and ``IOP.BusinessProcess``; iop
calls them, so they are not ours to choose.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from iris_ct.host.activation import Activation
from iris_ct.host.bodies import CallStructure, to_body, to_payload
from iris_ct.host.database import to_text
from iris_ct.host.errors import HostError, RequestFailedError, RequestTimeoutError
from iris_ct.host.node import reply_or_raise
from iris_ct.host.records import Message

# Response codes of Ens.CallStructure.
_CALL_ANSWERED, _CALL_TIMED_OUT, _CALL_FAILED = 1, 2, 3
# What dispatchIsRequestDone says.
_NOT_YET, _DONE = 1, 2

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class Handle:
    """What the handles of all components offer."""

    iris_class: ClassVar[str]

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    # iop passes a handle through its deserialiser, which asks what it is.

    def _IsA(self, name: str) -> bool:
        return name == self.iris_class

    def _ClassName(self, full: int = 0) -> str:
        return self.iris_class if full else self.iris_class.rpartition(".")[2]

    def dispatchSendRequestSync(
        self, target: str, request: Any, timeout: float = -1, description: str | None = None
    ) -> Any:
        """Send and wait; the reply's body, None for none."""
        activation = self.activation
        message_id = activation.request(
            target, to_payload(request), description=description, waiter=activation.slot
        )
        reply = activation.wait(message_id, float(timeout)).reply
        return to_body(reply, message_id)

    def dispatchSendRequestSyncMultiple(
        self, calls: list[CallStructure], timeout: float = -1
    ) -> list[CallStructure]:
        """Send several and wait for all; each call gets its response and code."""
        activation = self.activation
        ids = [
            activation.request(
                call.TargetDispatchName,
                to_payload(call.Request),
                description=None,
                waiter=activation.slot,
            )
            for call in calls
        ]
        deadline = time.monotonic() + float(timeout)
        for call, message_id in zip(calls, ids, strict=True):
            left_s = -1.0 if timeout < 0 else max(0.0, deadline - time.monotonic())
            try:
                reply = activation.wait(message_id, left_s).reply
            except RequestTimeoutError:
                call.ResponseCode = _CALL_TIMED_OUT
            except RequestFailedError:
                call.ResponseCode = _CALL_FAILED
            else:
                call.Response = to_body(reply, message_id)
                call.ResponseCode = _CALL_ANSWERED
        return calls

    def dispatchSendRequestAsyncNG(
        self,
        target: str,
        request: Any,
        timeout: float,
        description: str | None,
        message_id: Any,
        queue_name: Any,
        end_time: Any,
    ) -> None:
        """Send, and leave in the references where to ask for the reply."""
        activation = self.activation
        message_id.value = activation.request(
            target, to_payload(request), description=description, waiter=activation.slot
        )
        queue_name.value = activation.slot
        end_time.value = time.monotonic() + float(timeout)

    def dispatchIsRequestDone(
        self, timeout: float, end_time: float, queue_name: str, message_id: int, response: Any
    ) -> int | str:
        """Say whether the reply is there; a text is an error."""
        if self.activation.must_stop():
            # Raising would only end iop's waiting task, not the handler that awaits it.
            return "The host stops."
        message = self.activation.node.mailbox.get(message_id)
        if message.answered:
            try:
                response.value = to_body(reply_or_raise(message).reply, message_id)
            except RequestFailedError as error:
                return str(error)
            return _DONE
        if float(timeout) >= 0 and time.monotonic() >= end_time:
            return f"No reply to message {message_id} from {queue_name} within {timeout:g} s."
        return _NOT_YET


class SlotHandle(Handle):
    """The handle of a service or an operation; lives as long as its slot.

    The slot sets `activation` before each call of the component.
    """

    iris_class = "IOP.Common"

    def dispatchSendRequestAsync(
        self, target: str, request: Any, description: str | None = None
    ) -> None:
        """Send and go on; a reply is not wanted."""
        self.activation.request(target, to_payload(request), description=description)


class ProcessHandle(Handle):
    """The handle of a business process; lives for one event.

    Parameters
    ----------
    activation : Activation
        The event.
    process : Message
        The request that the process is about.
    """

    iris_class = "IOP.BusinessProcess"

    def __init__(self, activation: Activation, process: Message) -> None:
        super().__init__(activation)
        self.process_id = process.id
        self._properties: dict[str, Any] = _unpack(process.properties)
        self._frozen = False

    @property
    def properties(self) -> str:
        """The persistent properties, as they are stored."""
        return _pack(self._properties)

    def freeze_properties(self, frozen: bool) -> None:
        """Ignore (or heed again) what the start-up of an instance would save.

        A new Python instance is made for every event. From the second event on its defaults must
        not replace what the process has stored.
        """
        self._frozen = frozen

    def getPersistentProperty(self, name: str) -> Any:
        """Return a stored value; the empty text for none, as an array of IRIS does."""
        return self._properties.get(name, "")

    def setPersistentProperty(self, name: str, value: Any) -> None:
        """Keep a value; it is stored together with the end of the event."""
        if not self._frozen:
            self._properties[name] = value

    def dispatchReply(self, response: Any) -> None:
        """Answer the sender now; the process goes on."""
        node, event = self.activation.node, self.activation.message
        if event is None:
            raise HostError("A business process can only reply while it handles a message.")
        node.wake(node.mailbox.answer(self.process_id, event, to_payload(response)))

    def dispatchSetTimer(self, timeout: float | str, completion_key: str | None = None) -> None:
        """Ask for an event after a time: seconds, or an XML duration such as ``PT30S``."""
        due = datetime.now(UTC) + timedelta(seconds=_seconds(timeout))
        self.activation.timer(self.process_id, to_text(due), completion_key)

    def dispatchSendRequestAsync(
        self,
        target: str,
        request: Any,
        response_required: int = 1,
        completion_key: str | None = None,
        description: str | None = None,
    ) -> None:
        """Send and go on; a wanted response comes back as an event of this process."""
        self.activation.request(
            target,
            to_payload(request),
            description=description,
            process_id=self.process_id,
            wants_response=bool(response_required),
            completion_key=completion_key,
        )


def _seconds(timeout: float | str) -> float:
    if isinstance(timeout, str):
        found = _DURATION.fullmatch(timeout.strip())
        if found is not None and timeout.strip() not in {"P", "PT"}:
            days, hours, minutes, seconds = (float(g or 0) for g in found.groups())
            return days * 86400 + hours * 3600 + minutes * 60 + seconds
    try:
        return float(timeout)
    except ValueError:
        raise HostError(
            f"A timer was set for {timeout!r}. Expected seconds, or a duration such as PT30S."
        ) from None


def _pack(properties: dict[str, Any]) -> str:
    plain = {
        name: {"bytes": b64encode(v).decode()} if isinstance(v, bytes) else v
        for name, v in properties.items()
    }
    return json.dumps(plain, sort_keys=True) if plain else ""


def _unpack(stored: str) -> dict[str, Any]:
    plain = json.loads(stored) if stored else {}
    return {n: b64decode(v["bytes"]) if isinstance(v, dict) else v for n, v in plain.items()}
