"""What the routes of ``/api/iop`` answer, in the shapes of iop's own class for IRIS.

``IOP.Service.Remote.Rest.v1`` (iop 4.1.1) is the model: its names, types and words. Knows nothing
of HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from iris_ct.host.bodies import Payload
from iris_ct.host.client import HostClient
from iris_ct.host.director import SEVERITIES, EmbeddedDirector
from iris_ct.host.entry import encode
from iris_ct.host.errors import HostError, TargetUnknownError
from iris_ct.host.items import ItemSpec
from iris_ct.host.keeper import HostKeeper
from iris_ct.host.message_names import check_message_name
from iris_ct.host.records import EventRow

Json = Any

# The names of IRIS' own namespace here, and of the ones that iop and this product use there.
NAMESPACES = frozenset({"", "EMBEDDED", "USER", "IRISAPP"})
# As many as one poll of a client should ever have missed.
_MAX_ENTRIES = 10_000
# Digits of what every database takes as a number.
_LONGEST_NUMBER = 18
# A client of iop has given up by then.
_TEST_TIMEOUT_S = 60.0
_SUPER = {
    "service": "IOP.BusinessService",
    "process": "IOP.BusinessProcess",
    "operation": "IOP.BusinessOperation",
}


class RestAnswers:
    """Answers for one host. Any thread may call the methods.

    Parameters
    ----------
    keeper : HostKeeper
        Starts, stops and replaces the host.
    client : HostClient
        Reads the store, also while the host is stopped.
    """

    def __init__(self, keeper: HostKeeper, client: HostClient) -> None:
        self._keeper = keeper
        self._client = client

    @property
    def _director(self) -> EmbeddedDirector:
        return EmbeddedDirector(self._keeper.host)

    @property
    def _name(self) -> str:
        return self._keeper.host.plan.production_name

    @property
    def _state(self) -> str:
        return "running" if self._keeper.host.is_running else "stopped"

    # -- production ------------------------------------------------------------------------------

    def version(self) -> Json:
        """Give the version of the interface."""
        return {
            "version": "1.0.0",
            "description": "Interoperability Embedded Python Service API",
        }

    def status(self) -> Json:
        """Give the production and its state."""
        return {"production": self._name, "status": self._state}

    def list(self) -> Json:
        """Give the production, its state and times."""
        return {
            self._name: {
                "Status": self._state.capitalize(),
                "LastStartTime": _time(self._keeper.started_at),
                "LastStopTime": _time(self._keeper.stopped_at),
                "AutoStart": 0,
            }
        }

    def default(self) -> Json:
        """Give the production that is meant when none is named."""
        return {"production": self._name}

    def set_default(self, production: str) -> Json:
        """Accept the host's own production only."""
        self._check_name(production)
        return {"production": production}

    def start(self, production: str) -> Json:
        """Start the production."""
        waiting = self._keeper.uploads.next if self._keeper.uploads else None
        if waiting is None:
            self._check_name(production)
        self._keeper.start()
        return {"status": "started", "production": self._name}

    def stop(self) -> Json:
        """Stop the production when its queues are empty."""
        self._keeper.stop()
        return {"status": "stopped"}

    def kill(self) -> Json:
        """Stop the production at once."""
        self._keeper.stop(drain_timeout_s=0.0)
        return {"status": "killed"}

    def restart(self) -> Json:
        """Stop and start the production."""
        self._keeper.restart()
        return {"status": "restarted"}

    def update(self) -> Json:
        """Take up an uploaded production."""
        self._keeper.update()
        return {"status": "updated"}

    # -- items -----------------------------------------------------------------------------------

    def start_component(self, component: str) -> Json:
        """Switch an item on."""
        self._director.start_component(_said(component, "NoComponentSpecified"))
        return {"status": "started", "component": component}

    def stop_component(self, component: str) -> Json:
        """Switch an item off."""
        self._director.stop_component(_said(component, "NoComponentSpecified"))
        return {"status": "stopped", "component": component}

    def restart_component(self, component: str) -> Json:
        """Switch an item off and on."""
        self._director.restart_component(_said(component, "NoComponentSpecified"))
        return {"status": "restarted", "component": component}

    def bindings(self, *, unused: bool) -> Json:
        """Give the class of each item; none is ever unused."""
        if unused:
            return []
        return [
            {
                "class": ref.class_name,
                "super": _SUPER[ref.kind],
                **_python_class(ref),
                "classpaths": "",
                "used": 1,
                "used_by": [{"production": self._name, "item": ref.name}],
            }
            for ref in self._keeper.host.production.items
            if ref.component_class is not None
        ]

    def unbind(self, classname: str) -> Json:
        """Refuse: there are no proxy classes."""
        self._director.unbind_component(_said(classname, "NoClassSpecified"))

    # -- looks -----------------------------------------------------------------------------------

    def log(self, top: str, since_id: str) -> Json:
        """Give entries of the event log: the newest first, or those after an id in order."""
        if since_id:
            entries = self._client.events(_MAX_ENTRIES, after_id=_whole("since_id", since_id))
            return [_entry(row) for row in entries]
        entries = self._client.events(min(_whole("top", top or "10"), _MAX_ENTRIES))
        return [_entry(row) for row in reversed(entries)]

    def export(self, production: str) -> Json:
        """Give the definition as iop writes it."""
        return self._director.export_production(production or self._name)

    def connections(self, production: str) -> Json:
        """Give the targets of each item."""
        if production not in {"", self._name}:
            return _not_loaded(production)
        edges = self._keeper.host.production.edges
        return {
            "production": self._name,
            "items": [
                {
                    "item": ref.name,
                    "class_name": ref.class_name,
                    "kind": ref.kind,
                    **({"adapter_class_name": adapter} if (adapter := _adapter(ref)) else {}),
                    "iop": 1,
                    **_python_class(ref),
                    "connections": sorted({e.target for e in edges if e.source_item == ref.name}),
                    "warnings": [],
                }
                for ref in self._keeper.host.production.items
            ],
            "warnings": [],
        }

    def queues(self, production: str) -> Json:
        """Give the length of each item's queue."""
        if production not in {"", self._name}:
            return _not_loaded(production)
        lengths = self._client.queues()
        return {
            "production": self._name,
            "items": [
                {
                    "item": ref.name,
                    "queue_name": ref.name,
                    "class_name": ref.class_name,
                    "exists": 1,
                    "count": lengths.get(ref.name, 0),
                }
                for ref in self._keeper.host.production.items
            ],
            "warnings": [],
        }

    # -- test ------------------------------------------------------------------------------------

    def test(self, target: str, classname: str, body: Json, *, restart: bool) -> Json:
        """Send one message to an item and give its reply."""
        spec = self._item(target)
        if classname:
            items = self._keeper.host.plan.items.values()
            check_message_name(classname, [item.component_class for item in items])
        if restart:
            self._director.restart_component(spec.name)
        if classname:
            content = body if isinstance(body, str) else json.dumps({} if body is None else body)
            payload = Payload(classname, content or "{}")
        else:
            payload = encode(None)
        reply = self._keeper.host.exchange(spec.name, payload, _TEST_TIMEOUT_S).reply
        if not reply.class_name:
            return {}
        return {"body": reply.content, "classname": reply.class_name, "truncated": False}

    def _item(self, name: str) -> ItemSpec:
        items = self._keeper.host.plan.items
        if name not in items:
            raise TargetUnknownError(
                f"{name!r} is no item of production {self._name!r}. Expected one of: "
                f"{', '.join(sorted(items))}."
            )
        return items[name]

    def _check_name(self, production: str) -> None:
        self._director.set_default_production(production)


def check_namespace(namespace: str) -> None:
    """Refuse a namespace that nobody would mean this host by.

    Raises
    ------
    HostError
        With the word that iop's class for IRIS uses.
    """
    if namespace.upper() not in NAMESPACES:
        raise HostError(
            f"NamespaceDoesNotExist: {namespace!r}. This host answers to "
            f"{', '.join(sorted(NAMESPACES - {''}))}."
        )


def _said(value: str, missing: str) -> str:
    if not value:
        raise HostError(f"{missing}: the request does not say which.")
    return value


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise HostError(f"{name} is {text[:50]!r}, expected a whole number from 0 to 10^18 - 1.")
    return int(text)


def _python_class(ref: Any) -> dict[str, str]:
    component_class = ref.component_class
    return {"module": component_class.__module__, "classname": component_class.__qualname__}


def _adapter(ref: Any) -> str:
    return str(ref.adapter_class_name or "")


def _not_loaded(production: str) -> dict[str, Any]:
    return {
        "production": production,
        "items": [],
        "warnings": [f"Production could not be loaded: {production}"],
    }


def _entry(row: EventRow) -> Mapping[str, Any]:
    return {
        "id": row.id,
        "config_name": row.item,
        "job": str(row.pid),
        "message_id": "" if row.message_id is None else str(row.message_id),
        "session_id": "" if row.session_id is None else str(row.session_id),
        "source_class": row.source_class,
        "source_method": row.source_method,
        "text": row.content,
        "time_logged": _time(row.logged_at),
        "type": SEVERITIES.get(row.severity, "Unknown"),
    }


def _time(instant: str) -> str:
    """Write an instant as IRIS does: UTC, without a zone, milliseconds."""
    if not instant:
        return ""
    moment = datetime.fromisoformat(instant).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
