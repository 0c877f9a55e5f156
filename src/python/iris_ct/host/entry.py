"""How a message enters: serialised by iop, addressed to a service, stored as an input."""

from __future__ import annotations

from typing import Any

from iop.messages.dispatch import dispatch_deserializer, dispatch_serializer

from iris_ct.host.bodies import Payload, to_body, to_payload
from iris_ct.host.records import INPUT, REQUEST, Message, Send
from iris_ct.host.runtime import bound


def encode(message: Any) -> Payload:
    """Serialise a message as iop does; None is a call without input."""
    with bound():
        return to_payload(dispatch_serializer(message))


def decode(reply: Payload, message_id: int) -> Any:
    """Turn a stored reply into the message it was, None for none."""
    with bound():
        return dispatch_deserializer(to_body(reply, message_id))


def input_to(item: str, payload: Payload, source: str, waiter: str | None = None) -> Send:
    """Make the input that asks a service to process a message, as a new session."""
    return Send(kind=INPUT, source=source, target=item, payload=payload, waiter=waiter)


def request_to(item: str, payload: Payload, source: str) -> Send:
    """Make a request to a process or operation, as a new session whose sender waits."""
    return Send(kind=REQUEST, source=source, target=item, payload=payload, waiter=source)


def reply_of(message: Message) -> Any:
    """Return what an answered message was answered with."""
    return decode(message.reply, message.id)
