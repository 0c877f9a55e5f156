"""How models stand: their specification, numbers and drift."""

from __future__ import annotations

import json

from iris_ct.bootstrap import Parts
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.narration import say_position
from iris_ct.core.specification import Specification
from iris_ct.flow.source import waiting_batches
from iris_ct.flow.specify import current_specification
from iris_ct.flow.standstill import standstill
from iris_ct.procedures.door import Answer


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
        "source": _source(parts, spec),
    }


def drift(parts: Parts, model: str, *, newest: int = 1) -> list[Answer]:
    """Give the newest drift reports, newest first."""
    specification(parts, model)
    return [json.loads(text) for text in parts.store.summaries.reports(model, newest=newest)]


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


def _source(parts: Parts, spec: Specification) -> Answer | None:
    """Say how far the model's table has been read."""
    if spec.source is None:
        return None
    state = parts.store.sources.state(spec.name)
    waiting = waiting_batches(spec.name, files=parts.source_files, store=parts.store)
    still = standstill(
        spec.name, files=parts.source_files, store=parts.store, now=parts.clock.now()
    )
    return {
        "table": spec.source.label,
        "new_rows": state.n_new if state else 0,
        "changed_rows": state.n_changed if state else 0,
        "deleted_rows": state.n_deleted if state else 0,
        "batches": state.n_batches if state else 0,
        "read_at": state.read_at.isoformat() if state and state.read_at else None,
        "swept_at": state.swept_at.isoformat() if state and state.swept_at else None,
        "failure": state.failure if state else None,
        "waiting": len(waiting),
        "waiting_since": parts.source_files.read_at(waiting[0]).isoformat() if waiting else None,
        "standstill": still.words() if still else None,
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
