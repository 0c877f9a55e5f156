"""Tables as sources: reading them now, and how they stand."""

from __future__ import annotations

from pathlib import PurePosixPath

from iris_ct.bootstrap import Parts
from iris_ct.flow.source import read_source, waiting_batches
from iris_ct.messages import FileArrived
from iris_ct.procedures.door import Answer, Door, told
from iris_ct.procedures.models import specification


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
    spec = specification(parts, model)
    before = parts.store.sources.state(model)
    reading = read_source(
        spec,
        tables=parts.tables,
        files=parts.source_files,
        store=parts.store,
        clock=parts.clock,
        sweep=sweep,
    )
    # All is read before anything is handed over: what was recorded is not lost on the way.
    swept = sum(step.swept for step in reading) > 0
    after = parts.store.sources.state(model)
    batches = []
    for path in waiting_batches(model, files=parts.source_files, store=parts.store):
        message = FileArrived(model, path, batch_name(path), actor=parts.settings.who)
        _, session = door.call(message)
        if wait:
            door.wait(session)
        ended = told(door, session) if wait else {}
        batches.append({"file": path, "session": session, **ended})
    counts = {
        name: getattr(after, f"n_{name}", 0) - getattr(before, f"n_{name}", 0)
        for name in ("new", "changed", "deleted")
    }
    table = spec.source.label if spec.source else ""
    return {"model": model, "table": table, **counts, "swept": swept, "batches": batches}


def batch_name(path: str) -> str:
    """Give the name under which people know a batch: its table and number."""
    return PurePosixPath(path).name.partition("_")[2]


def source_state(parts: Parts, model: str) -> Answer | None:
    """Say how far the model's table has been read; None for a model without one."""
    source = specification(parts, model).source
    if source is None:
        return None
    state = parts.store.sources.state(model)
    return {
        "table": source.label,
        "new_rows": state.n_new if state else 0,
        "changed_rows": state.n_changed if state else 0,
        "deleted_rows": state.n_deleted if state else 0,
        "batches": state.n_batches if state else 0,
        "read_at": state.read_at.isoformat() if state and state.read_at else None,
        "swept_at": state.swept_at.isoformat() if state and state.swept_at else None,
        "failure": state.failure if state else None,
    }
