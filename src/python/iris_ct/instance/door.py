"""The way into the production on IRIS, and what IRIS' own tables say of its messages.

A message goes in by the business service ``Requests``, which iop's director makes in this
process. What became of it is read by plain SQL from ``Ens.MessageHeader`` and ``Ens_Util.Log``.
Suspending, resending and purging stay with IRIS, which has pages and a task for them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from iris_ct.core.errors import StoreError
from iris_ct.instance.headers import Headers
from iris_ct.instance.process import this_process
from iris_ct.procedures.door import Answer

DOOR = "Requests"

# Seconds between two looks whether a session has ended.
_LOOK_S = 1.0
# What iop puts in front of an error's own words, once for each hop.
_HOP = re.compile(r"Exception in Python class: \S+ - \w+ - ")


class InstanceDoor:
    """`procedures.Door` on IRIS.

    Parameters
    ----------
    iris : module, optional
        The module ``iris``; a test has one of its own.
    create_service : callable, optional
        Makes the business service of that name; default iop's director.
    production_state : callable, optional
        Names the state of the production; default iop's director.
    look_s : float
        Seconds between two looks whether a session has ended.
    """

    is_temporary = False
    forgets = False
    # IRIS is called by one thread only.
    any_thread = False

    def __init__(
        self,
        *,
        iris: Any = None,
        create_service: Callable[[str], Any] | None = None,
        production_state: Callable[[], str] | None = None,
        look_s: float = _LOOK_S,
    ) -> None:
        self._iris = this_process() if iris is None else iris
        self._create_service = create_service or _create_service
        self._production_state = production_state or _production_state
        self._look_s = look_s
        self._service: Any = None
        self._headers = Headers(self._iris)

    def ensure(self) -> None:
        """See to it that the production runs: `StoreError` if it does not."""
        state = self._production_state()
        if state != "running":
            raise StoreError(
                f"The production does not run: IRIS says it is {state}. Start it in the "
                "Management Portal (Interoperability, Configure, Production) or with 'iop --start'."
            )

    def call(self, message: Any) -> tuple[Any, int]:
        """Hand a message to the item Requests; give its reply and the session.

        Raises
        ------
        StoreError
            If the production does not run, an item failed, or this process has an open
            transaction: the items would wait for what it has locked, and it for them.
        """
        if self._iris.tlevel() > 0:
            raise StoreError(
                "Expected a connection without an open transaction, found one, which the production "
                "would wait for: COMMIT or ROLLBACK, or switch autocommit on, and call again."
            )
        if self._service is None:
            self._service = self._attempt(lambda: self._create_service(DOOR))
        handle = self._service.iris_handle
        # Each call is a session of its own, although the service stays.
        handle._SessionId = ""
        self._attempt(handle.ForceSessionId)
        reply = self._attempt(lambda: self._service.on_process_input(message))
        return reply, int(handle._SessionId)

    def wait(self, session_id: int) -> bool:
        """Wait until nothing of the session is under way; False if the production stops."""
        while self._headers.active(session_id):
            if self._production_state() != "running":
                return False
            time.sleep(self._look_s)
        return True

    def trace(self, session_id: int) -> list[Answer]:
        """List the session's messages."""
        return self._headers.trace(session_id)

    def sessions(self, newest: int) -> list[Answer]:
        """List the newest sessions, newest first."""
        return self._headers.sessions(newest)

    def events(self, newest: int, *, after_id: int = 0) -> list[Answer]:
        """List the newest entries of the event log, oldest of them first."""
        return self._headers.events(newest, after_id=after_id)

    def pending(self) -> int:
        """Count the messages under way in this namespace."""
        return self._headers.active()

    def forget(self, before: datetime) -> NoReturn:
        """Refuse: a task of IRIS purges messages."""
        raise StoreError(
            f"Messages from before {before:%Y-%m-%d} are purged by IRIS: the task "
            "'CT: purge messages' does it (System Operation, Task Manager)."
        )

    def suspend(self, message_id: int) -> NoReturn:
        """Refuse: the portal does it."""
        raise StoreError(
            f"Message {message_id} is not suspended from here: on IRIS an operator does it in the "
            "Management Portal (Interoperability, Monitor, Queues, or View, Messages)."
        )

    def resend(self, message_id: int) -> NoReturn:
        """Refuse: the portal does it."""
        raise StoreError(
            f"Message {message_id} is not resent from here: on IRIS an operator does it in the "
            "Management Portal (Interoperability, View, Messages, Resend Messages)."
        )

    def _attempt(self, work: Callable[[], Any]) -> Any:
        """Do what calls IRIS; its errors are those of the production."""
        try:
            return work()
        except Exception as error:
            # IRIS has no class of its own for what a class method throws.
            reason = " ".join(_HOP.split(str(error))[-1].split())
            raise StoreError(f"The production refused the request: {reason}") from error


def _create_service(name: str) -> Any:
    # The functions of this module stay; the class `iop.Director` over them goes with iop 5.
    from iop.runtime import director

    create: Any = director.create_python_business_service
    return create(name)


def _production_state() -> str:
    from iop.runtime import director

    status: Any = director.status_production
    return str(status()["Status"])
