"""What iop's ``Production`` and tools ask of IRIS' director, answered by a host."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import iop

from iris_ct.host.bodies import Payload
from iris_ct.host.entry import encode, reply_of
from iris_ct.host.errors import HostError, UnsupportedError
from iris_ct.host.host import Host
from iris_ct.host.records import EventRow

SEVERITIES = {1: "Assert", 2: "Error", 3: "Warning", 4: "Info", 5: "Trace", 6: "Alert"}
_LOG_INTERVAL_S = 1.0


class EmbeddedDirector(iop.DirectorProtocol):
    """Implements ``iop.DirectorProtocol`` for the one production of a host.

    Parameters
    ----------
    host : Host
        Started and stopped by the director's methods; may run already.

    Examples
    --------
    ``production.with_director(EmbeddedDirector(host)).start()``
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    # -- production --------------------------------------------------------------------------------

    def get_default_production(self) -> str:
        """Return the name of the host's production."""
        return self._host.plan.production_name

    def set_default_production(self, production_name: str = "") -> None:
        """Accept the host's own production only."""
        self._check_name(production_name or None)

    def list_productions(self) -> dict[str, Any]:
        """Return the production and its state."""
        name = self._host.plan.production_name
        since = self._host.since or ""
        return {
            name: {
                "Status": self._state(),
                "LastStartTime": since,
                "LastStopTime": "",
                "AutoStart": False,
            }
        }

    def status_production(self) -> dict[str, Any]:
        """Return the production's name and state."""
        return {
            "Production": self._host.plan.production_name,
            "Status": self._state(),
            "NeedsUpdate": 0,
        }

    def start_production(self, production_name: str | None = None) -> None:
        """Start the host."""
        self._check_name(production_name)
        self._host.start()

    def start_production_with_log(self, production_name: str | None = None) -> None:
        """Start the host, print the event log until interrupted, stop the host."""
        self.start_production(production_name)
        self.log_production()
        self._host.stop()

    def stop_production(self) -> None:
        """Stop the host when its queues are empty."""
        self._host.stop()

    def shutdown_production(self) -> None:
        """Stop the host at once; what is unfinished is finished after the next start."""
        self._host.stop(drain_timeout_s=0.0)

    def restart_production(self) -> None:
        """Stop and start the host."""
        self._host.stop()
        self._host.start()

    def update_production(self) -> None:
        """Refuse: a host reads its production once."""
        raise UnsupportedError(
            "A running host does not take up changes of the production. Restart the process."
        )

    # -- items -------------------------------------------------------------------------------------

    def start_component(self, component_name: str) -> None:
        """Switch an item on."""
        self._host.set_enabled(component_name, enabled=True)

    def stop_component(self, component_name: str) -> None:
        """Switch an item off; its queue is kept."""
        self._host.set_enabled(component_name, enabled=False)

    def restart_component(self, component_name: str) -> None:
        """Switch an item off and on; its Python instance stays."""
        self.stop_component(component_name)
        self.start_component(component_name)

    def list_bindings(self, unused_only: bool = False) -> list[dict[str, Any]]:
        """Return the Python class of each item; none is ever unused."""
        if unused_only:
            return []
        return [
            {
                "item": spec.name,
                "module": spec.component_class.__module__,
                "classname": spec.component_class.__qualname__,
            }
            for spec in self._host.plan.items.values()
        ]

    def unbind_component(self, iris_classname: str) -> None:
        """Refuse: there are no proxy classes."""
        raise UnsupportedError(
            f"There is no proxy class {iris_classname!r} to unbind; the host runs Python classes."
        )

    # -- log ---------------------------------------------------------------------------------------

    def log_production_top(self, top: int = 10) -> None:
        """Print the newest entries of the event log."""
        for entry in self._host.journal.events(top):
            sys.stdout.write(_line(entry))

    def log_production(self) -> None:
        """Print the event log until interrupted from the keyboard."""
        seen = 0
        try:
            while True:
                for entry in self._host.journal.events(10 if seen == 0 else 1000, after_id=seen):
                    sys.stdout.write(_line(entry))
                    seen = entry.id
                sys.stdout.flush()
                time.sleep(_LOG_INTERVAL_S)
        except KeyboardInterrupt:
            return

    # -- test --------------------------------------------------------------------------------------

    def test_component(
        self,
        target: str | None,
        message: Any = None,
        classname: str | None = None,
        body: str | dict[str, Any] | None = None,
        restart: bool = True,
    ) -> Any:
        """Send one message to an item and return its reply.

        Parameters
        ----------
        target : str
            Any item.
        message : iop.Message or iop.PydanticMessage, optional
            What to send.
        classname, body : str, dict, optional
            The same as full class name and JSON, instead of ``message``.
        restart : bool
            Has no effect here: every item of a host runs the code the process was started with.
        """
        if target is None:
            raise HostError("No target was named. Give the name of an item of the production.")
        if classname:
            content = body if isinstance(body, str) else json.dumps(body or {})
            payload = Payload(classname, content)
        else:
            payload = encode(message)
        return reply_of(self._host.exchange(target, payload))

    # -- export ------------------------------------------------------------------------------------

    def export_production(self, production_name: str) -> dict[str, Any]:
        """Return the production as iop writes it."""
        self._check_name(production_name)
        exported: dict[str, Any] = self._host.production.to_dict()
        return exported

    def export_production_connections(self, production_name: str) -> dict[str, Any]:
        """Return the connections of each item."""
        self._check_name(production_name)
        production = self._host.production
        return {
            "production": production_name,
            "items": [
                {
                    "item": ref.name,
                    "kind": ref.kind,
                    "connections": [
                        {
                            "target": edge.target,
                            "source_target_setting": edge.source_target_setting,
                        }
                        for edge in production.edges
                        if edge.source_item == ref.name
                    ],
                }
                for ref in production.items
            ],
            "warnings": [],
        }

    def export_production_queue_info(self, production_name: str) -> dict[str, Any]:
        """Return the length of each item's queue."""
        self._check_name(production_name)
        lengths = self._host.journal.queues() if self._host.is_running else {}
        return {
            "production": production_name,
            "items": [
                {
                    "item": ref.name,
                    "queue_name": ref.name,
                    "class_name": ref.class_name,
                    "exists": 1,
                    "count": lengths.get(ref.name, 0),
                }
                for ref in self._host.production.items
            ],
            "warnings": [],
        }

    # -- what only IRIS can do ---------------------------------------------------------------------

    def apply_production_plan(
        self, plan: dict[str, Any], allow_destructive: bool = False
    ) -> dict[str, Any]:
        """Refuse: the production is the Python object."""
        raise UnsupportedError(
            "A host has no stored production to change. Change the Python production and restart."
        )

    def setup(self, path: str | None = None) -> None:
        """Refuse: there is no IRIS to load classes into."""
        raise UnsupportedError("Loading iop's ObjectScript classes needs IRIS.")

    def migrate(self, path: str, strict_production_validation: bool = False) -> None:
        """Refuse: there is no IRIS to migrate to."""
        raise UnsupportedError(
            f"Migrating {path} needs IRIS. Without one, check it by 'iop --migrate {path} --dry-run'."
        )

    @property
    def namespace(self) -> str:
        """Return a name that no IRIS namespace has."""
        return "EMBEDDED"

    def _state(self) -> str:
        return "running" if self._host.is_running else "stopped"

    def _check_name(self, name: str | None) -> None:
        if name not in {None, "", self._host.plan.production_name}:
            raise HostError(
                f"This host runs production {self._host.plan.production_name!r}, not {name!r}."
            )


def _line(entry: EventRow) -> str:
    kind = SEVERITIES.get(entry.severity, str(entry.severity))
    where = f"{entry.source_class}.{entry.source_method}".strip(".")
    session = "" if entry.session_id is None else f" session {entry.session_id}"
    return f"{entry.logged_at} {kind} {entry.item}{session} {where} {entry.content}\n"
