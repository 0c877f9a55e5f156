"""What people and programs can ask: one definition for command line, SQL and HTTP.

Each procedure takes the `Parts` of a home and plain arguments, and gives plain JSON values whose
keys are documented in docs/procedures.md and stay. Those that change something send a message
into the production through a `Door`; the others only read the store.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from iris_ct.bootstrap import Parts
from iris_ct.core.decision import Decision
from iris_ct.core.errors import CTError, DataError, StoreError, UnknownModelError
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.narration import narrate, say_position
from iris_ct.core.specification import Specification
from iris_ct.flow.predict import predict_source
from iris_ct.flow.specify import current_specification
from iris_ct.messages import (
    ChampionAppointed,
    FileArrived,
    RetrainingDecided,
    RetrainingRequested,
    RollbackRequested,
)

Answer = dict[str, Any]


class Door(Protocol):
    """The way into the running production."""

    def call(self, message: Any) -> tuple[Any, int]:
        """Hand a message to the item Requests; give its reply and the session."""
        ...

    def wait(self, session_id: int) -> bool:
        """Wait until nothing of the session is under way; False if someone gave up waiting."""
        ...

    def trace(self, session_id: int) -> list[Answer]:
        """List the session's messages."""
        ...

    def pending(self) -> int:
        """Count the messages under way."""
        ...


def models(parts: Parts) -> list[str]:
    """Name the models of this home, sorted."""
    return sorted({*parts.files.names(), *parts.store.specifications.models()})


def specification(parts: Parts, model: str) -> Specification:
    """Give a model's specification, recording a changed file."""
    return current_specification(
        model, files=parts.files, store=parts.store, clock=parts.clock, actor=parts.settings.who
    )


def status(parts: Parts, model: str, *, pending_messages: int = 0) -> Answer:
    """Say how a model stands."""
    spec = specification(parts, model)
    store = parts.store
    counts = store.batches.counts(model)
    cycles = store.cycles.cycles(model)
    outcomes = [d.outcome for d in store.decisions.decisions(model) if d.kind == "gate"]
    champion = store.models.champion(model)
    version = store.models.get(model, champion.version) if champion else None
    open_cycle = store.cycles.open_cycle(model)
    return {
        "model": model,
        "task": spec.task,
        "champion": _champion(version, spec) if version else None,
        "rows": counts.rows,
        "batches": counts.batches,
        "label_files": counts.label_files,
        "quarantined_rows": counts.quarantined_rows,
        "quarantined_batches": counts.quarantined_batches,
        "newest_event": say_position(store.batches.newest_position(model), spec),
        "trainings": len(store.models.versions(model)),
        "promotions": sum(cycle.state == "promoted" for cycle in cycles),
        "rejections": outcomes.count("reject"),
        "holds": outcomes.count("hold"),
        "failures": sum(cycle.state == "failed" for cycle in cycles),
        "open_cycle": open_cycle.cycle_id if open_cycle else None,
        "last_drift": _last_drift(parts, model),
        "unregistered_versions": sum(v.model == model for v in store.models.unregistered()),
        "pending_messages": pending_messages,
    }


def drift(parts: Parts, model: str, *, newest: int = 1) -> list[Answer]:
    """Give the newest drift reports, newest first."""
    specification(parts, model)
    return [json.loads(text) for text in parts.store.summaries.reports(model, newest=newest)]


def history(parts: Parts, model: str) -> list[Answer]:
    """List who served when and why, oldest first."""
    spec = specification(parts, model)
    rows = []
    for champion in parts.store.models.champions(model):
        version = parts.store.models.get(model, champion.version)
        decision = parts.store.decisions.get(champion.decision_id)
        rows.append(
            {
                "version": champion.version,
                "since": champion.since.isoformat(),
                "since_event": say_position(champion.since_position, spec),
                "actor": champion.actor,
                "window": version.recipe.window,
                "rows": version.n_rows,
                "holdout_loss": version.holdout_loss,
                "metric": parts.store.specifications.get(version.spec_digest).metric,
                "decision": champion.decision_id,
                "reason": decision.reason if decision else "",
                "mlflow_run": version.run_id,
                "mlflow_version": version.registry_version,
            }
        )
    return rows


def decisions(parts: Parts, model: str, *, newest: int | None = 20) -> list[Answer]:
    """List decisions, oldest first."""
    specification(parts, model)
    return [d.content() for d in parts.store.decisions.decisions(model, newest=newest)]


def explain(parts: Parts, subject: str) -> Answer:
    """Say a decision in words: by its id, by a cycle's id, or the newest gate of a model.

    Returns
    -------
    dict
        ``record``: the canonical record; ``words``: lines; ``intact``: whether the model's
        chain of decisions is unbroken; ``broken_at``: the first changed decision otherwise.
    """
    decision = _find_decision(parts, subject)
    spec = parts.store.specifications.newest(decision.model)
    broken = parts.store.decisions.verify(decision.model)
    return {
        "record": decision.content(),
        "digest": decision.digest,
        "words": narrate(decision, spec),
        "intact": broken is None,
        "broken_at": broken,
    }


def predict(parts: Parts, model: str, source: Path, destination: Path) -> Answer:
    """Predict a file's rows with the champion, and log the predictions.

    Writes ``key``, ``prediction``, ``model_version`` and the probabilities of the task; CSV or
    Parquet by the destination's ending.
    """
    specification(parts, model)
    champion = parts.champions.require(model)
    with parts.inbox.open(str(source.resolve())) as rows:
        return predict_source(
            champion,
            rows,
            parts.prediction_file(destination),
            name=source.name,
            store=parts.store,
            clock=parts.clock,
        )


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
        For each file: ``file``, ``session``, and with ``wait``: ``outcome``, ``text``,
        ``batch_id``, ``rows``, ``quarantined_rows``, ``drift``, ``decision``, ``cycle``.
    """
    specification(parts, model)
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise DataError(f"No such file: {', '.join(missing)}. Nothing was handed over.")
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
        yield {"file": str(path), "session": session, **(_told(door, session) if wait else {})}


def retrain(
    parts: Parts, door: Door, model: str, *, wait: bool = True, accept_reused: bool = False
) -> Answer:
    """Ask for a retraining now; a person's wish needs no other reason."""
    specification(parts, model)
    request = RetrainingRequested(
        model,
        f"manual:{secrets.token_hex(8)}",
        "manual",
        parts.settings.who,
        accept_reused=accept_reused,
    )
    reply, session = door.call(request)
    decided = _expect(reply, RetrainingDecided)
    if wait:
        door.wait(session)
    told = _told(door, session) if wait else {}
    return {
        "model": model,
        "outcome": decided.outcome,
        "reason": decided.reason,
        "cycle_id": decided.cycle_id or None,
        "decision": decided.decision_id,
        "session": session,
        "cycle": told.get("cycle"),
    }


def roll_back(
    parts: Parts, door: Door, model: str, *, version: int | None = None, reason: str = ""
) -> Answer:
    """Let an earlier version serve again; by default the one before the champion."""
    specification(parts, model)
    request = RollbackRequested(
        model, f"manual:{secrets.token_hex(8)}", version or 0, parts.settings.who, reason
    )
    reply, session = door.call(request)
    door.wait(session)
    appointed = _expect(reply, ChampionAppointed)
    return {"model": model, "version": appointed.version, "decision": appointed.decision_id}


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
    frame = pl.read_parquet(held["file"])
    flat = [name for name in frame.columns if frame.schema[name] == pl.List(pl.String)]
    frame.with_columns(pl.col(flat).list.join(" ")).write_csv(destination)
    return {"batch_id": batch_id, "rows": frame.height, "file": str(destination)}


def release(
    parts: Parts, door: Door, model: str, batch_id: str, *, mended: Path | None = None
) -> Answer:
    """Validate held-back rows again, as they are or mended, and store those that are good now."""
    held = _held(parts, model, batch_id)
    path = mended or Path(held["file"])
    answers = ingest(parts, door, model, [path], kind="release", released_batch=batch_id)
    return next(answers)


def log(parts: Parts, model: str | None = None, *, newest: int = 50) -> list[Answer]:
    """List the newest audit events, oldest of them first."""
    return [
        {
            "event_id": event.event_id,
            "happened_at": event.happened_at.isoformat(),
            "model": event.model,
            "step": event.step,
            "severity": event.severity.name,
            "text": event.text,
            "facts": dict(event.facts),
        }
        for event in parts.store.audit.events(model, newest=newest)
    ]


def purge(parts: Parts, model: str, *, dry_run: bool = True) -> Answer:
    """Remove facts older than the specification's retention, or list what would go."""
    spec, now = specification(parts, model), parts.clock.now()
    purger = parts.store.purger
    files = purger.expired(spec, now=now) if dry_run else purger.purge(spec, now=now)
    return {"model": model, "dry_run": dry_run, "files": [str(path) for path in files]}


def _champion(version: ModelVersion, spec: Specification) -> Answer:
    return {
        "version": version.version,
        "trained_at": version.trained_at.isoformat(),
        "metrics": dict(version.metrics),
        "window": version.recipe.window,
        "rows": version.n_rows,
        "from_event": say_position(version.fit_from, spec),
        "until_event": say_position(version.fit_until, spec),
        "refitted": version.refitted,
        "mlflow_run": version.run_id,
        "mlflow_version": version.registry_version,
    }


def _last_drift(parts: Parts, model: str) -> Answer | None:
    for text in parts.store.summaries.reports(model):
        report = json.loads(text)
        return {
            "drifted": report["drifted"],
            "features": report["drifted_features"],
            "error_drifted": bool(report["error"] and report["error"]["drifted"]),
            "status": report["status"],
            "measured_at": report["measured_at"],
            "report_id": report["report_id"],
        }
    return None


def _find_decision(parts: Parts, subject: str) -> Decision:
    decision = parts.store.decisions.get(subject)
    if decision is not None:
        return decision
    for model in models(parts):
        taken = parts.store.decisions.decisions(model)
        if subject == model and taken:
            gates = [d for d in taken if d.kind in {"gate", "rollback"}]
            return (gates or taken)[-1]
        in_cycle = [d for d in taken if d.cycle_id == subject]
        if in_cycle:
            return in_cycle[-1]
    raise StoreError(
        f"No decision, cycle or model is called '{subject}'. 'ct history MODEL' lists what was "
        "decided."
    )


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


def _told(door: Door, session_id: int) -> Answer:
    """Read from a session's replies what became of a file or a wish."""
    replies: dict[str, list[Answer]] = {}
    for row in door.trace(session_id):
        name = str(row["reply_class"]).rpartition(".")[2]
        if name:
            replies.setdefault(name, []).append(json.loads(row["reply_body"]))
    stored = replies.get("FileStored", [{}])[0]
    checked = replies.get("DriftChecked", [{}])[0]
    decided = replies.get("RetrainingDecided", [{}])[0]
    ended = replies.get("CycleEnded", [])
    failures = [row for row in door.trace(session_id) if row["status"] == "error"]
    return {
        "outcome": stored.get("outcome", "failed" if failures else None),
        "text": stored.get("text", failures[0]["failure"] if failures else ""),
        "batch_id": stored.get("batch_id") or None,
        "rows": stored.get("n_rows", 0),
        "quarantined_rows": stored.get("n_quarantined", 0),
        "drifted": checked.get("drifted"),
        "decision": decided.get("outcome"),
        "reason": decided.get("reason"),
        "cycle": {
            "cycle_id": ended[-1]["cycle_id"],
            "outcome": ended[-1]["outcome"],
            "version": ended[-1]["version"] or None,
        }
        if ended
        else None,
    }


def _expect(reply: Any, kind: type) -> Any:
    if not isinstance(reply, kind):
        raise StoreError(
            f"Expected a {kind.__name__} from the production, found {type(reply).__name__}. "
            "See 'ct log' for what failed."
        )
    return reply


__all__ = [
    "CTError",
    "Door",
    "UnknownModelError",
    "decisions",
    "drift",
    "explain",
    "export_quarantine",
    "history",
    "ingest",
    "log",
    "models",
    "predict",
    "purge",
    "quarantine",
    "release",
    "retrain",
    "roll_back",
    "specification",
    "status",
]
