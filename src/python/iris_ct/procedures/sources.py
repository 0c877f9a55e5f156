"""Tables as sources: reading them now."""

from __future__ import annotations

import time
from pathlib import PurePosixPath

from iris_ct.bootstrap import Parts
from iris_ct.flow.source import read_source, waiting_batches
from iris_ct.messages import FileArrived
from iris_ct.procedures.door import Answer, Door, told
from iris_ct.procedures.models import specification

# Seconds that a batch has to be stored, and between two looks whether it is.
_PATIENCE_S = 120.0
_LOOK_S = 0.05


def ingest_source(
    parts: Parts, door: Door, model: str, *, sweep: bool = False, wait: bool = False
) -> Answer:
    """Read now what is new, changed or gone in the table that the model file names.

    Parameters
    ----------
    sweep : bool
        Compare all ids with the table as well, due or not.
    wait : bool
        Wait for the end of what each batch starts.

    Raises
    ------
    SourceError, SourceUnavailableError
        If the table cannot be read.
    """
    return hand_over_source(parts, door, read_source_now(parts, model, sweep=sweep), wait=wait)


def read_source_now(parts: Parts, model: str, *, sweep: bool = False) -> Answer:
    """Read the table to its end, before anything is handed over; `ingest_source`, first half."""
    spec = specification(parts, model)
    steps = list(
        read_source(
            spec,
            tables=parts.tables,
            files=parts.source_files,
            store=parts.store,
            clock=parts.clock,
            sweep=sweep,
        )
    )
    return {
        "model": model,
        "table": spec.source.label if spec.source else "",
        "new": sum(step.n_new for step in steps),
        "changed": sum(step.n_changed for step in steps),
        "deleted": sum(step.n_deleted for step in steps),
        "swept": any(step.swept for step in steps),
        "batches": [step.path for step in steps if step.path],
    }


def hand_over_source(parts: Parts, door: Door, found: Answer, *, wait: bool) -> Answer:
    """Send what was read, and what an interrupted reading left; its second half.

    A later batch may hold newer values of the same rows: each is sent once the one before is
    stored, and what comes after one that is not is left to the production. That may have sent a
    batch meanwhile: sent twice, it is known by its path.
    """
    model, batches = found["model"], []
    waiting = waiting_batches(model, files=parts.source_files, store=parts.store)
    for number, path in enumerate(waiting, 1):
        message = FileArrived(model, path, batch_name(path), actor=parts.settings.who)
        _, session = door.call(message)
        if wait:
            door.wait(session)
        batches.append({"file": path, "session": session, **(told(door, session) if wait else {})})
        if number < len(waiting) and not _is_taken(parts, door, model, path, session):
            break
    return {**found, "batches": batches}


def _is_taken(parts: Parts, door: Door, model: str, path: str, session: int) -> bool:
    """Wait until a batch is stored or set aside; tell whether it was, in all the time it has."""
    until = time.monotonic() + _PATIENCE_S
    while path in waiting_batches(model, files=parts.source_files, store=parts.store):
        if time.monotonic() > until or told(door, session)["failure"] is not None:
            return False
        time.sleep(_LOOK_S)
    return True


def batch_name(path: str) -> str:
    """Give the name under which people know a batch: its table and number."""
    return PurePosixPath(path).name.partition("_")[2]
