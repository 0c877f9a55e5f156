"""Rows and labels: handing them over, what is held back, predictions, and what is too old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl

from iris_ct.adapters.sources.files import open_rows
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import DataError
from iris_ct.flow.predict import predict_source
from iris_ct.messages import FileArrived
from iris_ct.procedures.door import Answer, Door, told
from iris_ct.procedures.models import specification


def predict(parts: Parts, model: str, source: Path, destination: Path) -> Answer:
    """Predict a file's rows with the champion, and log the predictions.

    Writes ``key``, ``prediction``, ``model_version`` and the probabilities of the task; CSV or
    Parquet by the destination's ending.
    """
    specification(parts, model)
    champion = parts.champions.require(model)
    _check_files([source], "predicted")
    answer = predict_source(
        champion,
        lambda: open_rows(source),
        parts.prediction_file(destination),
        name=source.name,
        store=parts.store,
        clock=parts.clock,
    )
    return {**answer, "file": str(destination)}


def ingest(
    parts: Parts,
    door: Door,
    model: str,
    files: Sequence[Path],
    *,
    kind: str = "rows",
    wait: bool = True,
    released_batch: str = "",
) -> Iterator[Answer]:
    """Hand files over, in the given order; with ``wait``, each to the end of what it starts.

    Yields
    ------
    dict
        For each file: ``file``, ``session``, and with ``wait`` what `told` says.
    """
    specification(parts, model)
    _check_files(files, "handed over")
    for path in files:
        message = FileArrived(
            model,
            parts.inbox.take_in(model, path).path,
            path.name,
            kind=kind,
            released_batch=released_batch,
            actor=parts.settings.who,
        )
        _, session = door.call(message)
        if wait:
            door.wait(session)
        yield {"file": str(path), "session": session, **(told(door, session) if wait else {})}


def quarantine(parts: Parts, model: str, *, released: bool = False) -> list[Answer]:
    """List what is held back, and why."""
    specification(parts, model)
    return [
        {
            "batch_id": held.batch_id,
            "rows": held.n_rows,
            "whole_batch": held.whole_batch,
            "reasons": dict(held.reasons),
            "released": held.released,
            "arrived_at": held.arrived_at.isoformat(),
            "file": str(held.path),
        }
        for held in parts.store.quarantine.held(model, released=released)
    ]


def export_quarantine(parts: Parts, model: str, batch_id: str, destination: Path) -> Answer:
    """Write a batch's held-back rows as CSV, with place and reasons, to be mended."""
    held = _held(parts, model, batch_id)
    if not destination.absolute().parent.is_dir():
        raise DataError(f"{destination} cannot be written: no such directory.")
    frame = pl.read_parquet(held["file"])
    flat = [name for name in frame.columns if frame.schema[name] == pl.List(pl.String)]
    frame.with_columns(pl.col(flat).list.join(" ")).write_csv(destination)
    return {"batch_id": batch_id, "rows": frame.height, "file": str(destination)}


def release(
    parts: Parts,
    door: Door,
    model: str,
    batch_id: str,
    *,
    mended: Path | None = None,
    wait: bool = True,
) -> Answer:
    """Validate held-back rows again, as they are or mended, and store those that are good now."""
    held = _held(parts, model, batch_id)
    path = mended or Path(held["file"])
    answers = ingest(
        parts, door, model, [path], kind="release", wait=wait, released_batch=batch_id
    )
    return next(answers)


def purge(parts: Parts, door: Door, model: str, *, dry_run: bool = True) -> Answer:
    """Remove facts older than the specification's retention, or list what would go.

    Messages belong to the home, not to a model: those older than ``CT_MESSAGES_DAYS`` go too.
    """
    spec, now = specification(parts, model), parts.clock.now()
    purger = parts.store.purger
    files = purger.expired(spec, now=now) if dry_run else purger.purge(spec, now=now)
    before = now - timedelta(days=parts.settings.messages_days)
    return {
        "model": model,
        "dry_run": dry_run,
        "files": [str(path) for path in files],
        "messages_forgotten": door.forget(before) if door.forgets and not dry_run else 0,
    }


def _check_files(files: Sequence[Path], done: str) -> None:
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise DataError(f"No such file: {', '.join(missing)}. Nothing was {done}.")


def _held(parts: Parts, model: str, batch_id: str) -> Answer:
    rows = quarantine(parts, model)
    found = next((row for row in rows if row["batch_id"] == batch_id), None)
    if found is None:
        known = ", ".join(row["batch_id"] for row in rows) or "none"
        raise DataError(
            f"Batch '{batch_id}' of '{model}' holds nothing back, or it was released. "
            f"Batches in quarantine: {known}."
        )
    return found
