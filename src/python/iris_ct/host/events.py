"""One event of a business process: its request, a response, or a timer.

The process is stored, the instance is not: each event gets a new Python instance, which is given
the persistent properties. When nothing is outstanding at the end of an event, ``on_complete`` is
called within it and the process ends.
"""

from __future__ import annotations

from iris_ct.host.activation import Activation
from iris_ct.host.bodies import NativeBody, Payload, to_body
from iris_ct.host.component import ProcessComponent, describe, log_failure, logging_to
from iris_ct.host.foreign import Foreign
from iris_ct.host.handles import ProcessHandle
from iris_ct.host.node import Node, reply_or_raise
from iris_ct.host.plan import ItemSpec
from iris_ct.host.records import REQUEST, RESPONSE, Message


def run_event(node: Node, spec: ItemSpec, slot: str, event: Message) -> None:
    """Run the handler of one event and store what came of it."""
    process = event if event.kind == REQUEST else node.mailbox.get(event.process_id or 0)
    call = None if event.call_id is None else node.mailbox.get(event.call_id)
    activation = Activation(node, spec, slot, event)
    handle = ProcessHandle(activation, process)
    component = ProcessComponent(spec, handle)
    draft, done, failure = Payload(), True, ""
    with logging_to(activation):
        with Foreign() as run:
            draft, done = _run(node, component, process, event, call)
        activation.check_uninterrupted()
        if run.error is not None:
            failure = describe(run.error)
            log_failure(activation, run.error)
            if spec.alert_on_error:
                node.alert(failure, item_name=spec.name, message=event)
            activation.check_uninterrupted()
        if done:
            wake = node.mailbox.end_process(process.id, event, draft, failure, handle.properties)
            node.wake(wake)
        else:
            node.mailbox.pause_process(process.id, event, draft, handle.properties)
            # Another event of this process may have waited for this one.
            node.ring_item(spec.name)
        handle.freeze_properties(True)
        component.close()


def _run(
    node: Node, component: ProcessComponent, process: Message, event: Message, call: Message | None
) -> tuple[Payload, bool]:
    if call is not None and call.failure:
        # On IRIS an error response ends the process, unless a native OnError says otherwise.
        reply_or_raise(call)
    handle = component.handle
    handle.freeze_properties(event.kind != REQUEST)
    component.open()
    handle.freeze_properties(False)
    request = to_body(process.payload, process.id)
    if event.kind == REQUEST:
        draft = component.handle_request(request)
    else:
        draft = component.handle_response(
            request,
            to_body(process.draft),
            _call_request(call),
            _call_response(event, call),
            event.completion_key or "",
        )
    responses, timers = node.mailbox.outstanding(process.id, event)
    # A timer set earlier was the longest wait for responses that have all come by now; one set in
    # this event, with nothing else outstanding, is what the process wants to wait for.
    if responses or timers:
        return draft, False
    return component.handle_complete(request, draft), True


def _call_request(call: Message | None) -> object:
    if call is None:
        return NativeBody("Ens.AlarmRequest", {})
    return to_body(call.payload, call.id)


def _call_response(event: Message, call: Message | None) -> object:
    if event.kind == RESPONSE and call is not None:
        return to_body(call.reply, call.id)
    return NativeBody("Ens.AlarmResponse", {})
