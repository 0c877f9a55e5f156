"""`ConsoleLog`: files in the form of IRIS' console log, or that log itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import Any

from iris_ct.adapters.telemetry.audit_lines import (
    console_line,
    event_name,
    message_text,
    structured_line,
)
from iris_ct.adapters.telemetry.line_files import KEEP, MAX_BYTES, append_line
from iris_ct.adapters.telemetry.logs import tell
from iris_ct.core.audit import AuditEvent
from iris_ct.core.errors import StoreError


class MessagesLog:
    """``log/messages.log`` and ``log/ct.log`` under a home; threads and processes may share it.

    Parameters
    ----------
    home : Path
        The durable directory.
    event_name : str or None
        Name of every line, for example ``Utility.Event``; None: ``CT.<Step>``.
    max_bytes, keep : int
        When a file is full, and how many full ones stay.
    time_zone : tzinfo or None
        Zone of the lines' local time; None: the machine's.
    """

    def __init__(
        self,
        home: Path,
        *,
        event_name: str | None = None,
        max_bytes: int = MAX_BYTES,
        keep: int = KEEP,
        time_zone: tzinfo | None = None,
    ) -> None:
        self.console_path = home / "log" / "messages.log"
        self.structured_path = home / "log" / "ct.log"
        self._event_name = event_name
        self._max_bytes = max_bytes
        self._keep = keep
        self._time_zone = time_zone

    def write(self, event: AuditEvent) -> None:
        """Write one line to each file; after a crash the same line may stand there twice."""
        name = event_name(event, self._event_name)
        text = message_text(event, name=name)
        for path, form in (
            (self.console_path, console_line),
            (self.structured_path, structured_line),
        ):
            line = form(event, text, name=name, pid=os.getpid(), time_zone=self._time_zone)
            append_line(path, line, max_bytes=self._max_bytes, keep=self._keep)
        tell(event)


class IrisConsoleLog:
    """IRIS' own console log, by ``%SYS.System.WriteToConsoleLog``; not yet run on IRIS.

    Parameters
    ----------
    event_name : str or None
        As for `MessagesLog`.
    cls : callable or None
        Gives an IRIS class by its name; None: ``iris.cls`` as the host has bound it.
    """

    def __init__(
        self, *, event_name: str | None = None, cls: Callable[[str], Any] | None = None
    ) -> None:
        self._event_name = event_name
        self._cls = cls

    def write(self, event: AuditEvent) -> None:
        """Write one line.

        Raises
        ------
        StoreError
            If IRIS does not take the line.
        """
        name = event_name(event, self._event_name)
        text = message_text(event, name=name)
        status = self._system().WriteToConsoleLog(text, 0, int(event.severity), name)
        if status != 1:
            raise StoreError(
                f"IRIS did not take the console log line of event {event.event_id}: {status}. "
                "Expected the status 1. Look at messages.log of the instance."
            )
        tell(event)

    def _system(self) -> Any:
        if self._cls is None:
            import iris

            return iris.cls("%SYS.System")
        return self._cls("%SYS.System")
