"""The program's own log: the only place that configures structlog.

One JSON object a line, with the names in `KEYS` and no others: identifiers, counts and seconds.
Anything else could be a value of a row; it is left out, and its name is told.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from iris_ct.adapters.telemetry.line_files import append_line
from iris_ct.core.audit import AuditEvent, Severity

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

KEYS = frozenset(
    {
        "model",
        "cycle_id",
        "step",
        "batch_id",
        "version",
        "run_id",
        "decision_id",
        "event_id",
        "job_id",
        "n_rows",
        "seconds",
        "error_type",
        "severity",
    }
)
_WRITTEN_BY_STRUCTLOG = frozenset({"event", "level", "timestamp"})


def configure_logs(level: str = "WARNING", *, path: Path | None = None) -> None:
    """Send the program's log to standard error, or to a file, from a level on.

    Parameters
    ----------
    level : {"DEBUG", "INFO", "WARNING", "ERROR"}
        Lines below it are dropped.
    path : Path or None
        File that lines are appended to; None: standard error.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_known_keys,
            structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: _LineLogger(path),
        cache_logger_on_first_use=False,
    )


def logger() -> FilteringBoundLogger:
    """Give the program's logger; what is said before `configure_logs` is dropped below WARNING."""
    if not structlog.is_configured():
        configure_logs()
    found: FilteringBoundLogger = structlog.get_logger()
    return found


def tell(event: AuditEvent) -> None:
    """Say an audit event in the program's log: as information, unless someone must act now."""
    logger().log(
        logging.ERROR if event.severity >= Severity.SEVERE else logging.INFO,
        event.text,
        event_id=event.event_id,
        model=event.model,
        step=event.step,
        severity=event.severity.name,
    )


class _LineLogger:
    """Writes finished lines; standard error is looked up at each line, as it may be replaced."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def msg(self, line: str) -> None:
        if self._path is None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        else:
            append_line(self._path, line)

    debug = info = warning = error = critical = log = msg


def _only_known_keys(_logger: WrappedLogger, _method: str, said: EventDict) -> EventDict:
    known: dict[str, Any] = {
        key: value for key, value in said.items() if key in KEYS | _WRITTEN_BY_STRUCTLOG
    }
    if left_out := sorted(said.keys() - known.keys()):
        known["left_out"] = left_out
    return known
