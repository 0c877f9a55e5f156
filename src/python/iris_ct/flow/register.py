"""gate -> registry: bring MLflow up to date with the store, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iris_ct.core.audit import Severity
from iris_ct.core.errors import RegistryError, RegistryUnavailableError
from iris_ct.core.model_version import ModelVersion
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, JobFiles, ModelRegistry, Store


@dataclass(frozen=True)
class RegistryState:
    """How far MLflow has come."""

    n_registered: int
    n_pending: int


def update_registry(
    *, store: Store, jobs: JobFiles, registry: ModelRegistry, clock: Clock
) -> RegistryState:
    """Register what MLflow lacks, oldest first, then move its aliases.

    The store is the truth; MLflow follows. Away, it loses nothing: what is pending stays so.
    """
    registered = 0
    try:
        for version in store.models.unregistered():
            try:
                _register(version, store=store, jobs=jobs, registry=registry, clock=clock)
            except RegistryError as error:
                # One version that MLflow refuses must not keep the others out.
                _tell_refused(version, str(error), store=store, clock=clock)
            else:
                registered += 1
        for model in store.models.alias_pending():
            _move_aliases(model, store=store, registry=registry, clock=clock)
    except RegistryUnavailableError as error:
        _tell_away(str(error), store=store, clock=clock)
    return RegistryState(registered, len(store.models.unregistered()))


def _register(
    version: ModelVersion, *, store: Store, jobs: JobFiles, registry: ModelRegistry, clock: Clock
) -> None:
    verdict = store.decisions.get(decision_id("gate", version.model, version.cycle_id))
    outcome = verdict.outcome if verdict else "unknown"
    champion = store.models.champion(version.model)
    run_id, registry_version = registry.register(
        version,
        store.specifications.get(version.spec_digest),
        files=store.models.files(version),
        details=_details(version, jobs, verdict.content() if verdict else {}),
        tags={
            "ct.verdict": outcome,
            "ct.version": str(version.version),
            "ct.spec_digest": version.spec_digest,
            "ct.snapshot_digest": version.snapshot_digest,
            "ct.artifact_digest": version.artifact_digest,
            "ct.champion_when_registered": str(champion.version) if champion else "",
        },
    )
    registry.set_alias(version.model, "challenger", registry_version)
    with store.transactions.begin():
        store.models.mark_registered(
            version.model, version.version, run_id=run_id, registry_version=registry_version
        )
        store.audit.record(
            audit_event(
                version.model,
                "Registry",
                f"version:{version.version}",
                f"version {version.version} is registered in MLflow",
                at=clock.now(),
                facts={"run": run_id, "registry_version": registry_version},
            )
        )


def _details(version: ModelVersion, jobs: JobFiles, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what a run shows: numbers and digests, never a row."""
    fit = jobs.outcome(version.model, version.cycle_id, "challenger")
    return {
        "parameters": dict(fit.parameters) if fit else {},
        "metrics": dict(version.metrics),
        "curve": list(fit.curve) if fit else [],
        "importances": dict(fit.importances) if fit else {},
        "window": version.recipe.window,
        "rounds": version.recipe.rounds,
        "snapshot": {
            "digest": version.snapshot_digest,
            "rows": version.n_rows,
            "from": version.fit_from,
            "until": version.fit_until,
        },
        "verdict": dict(verdict),
    }


def _move_aliases(model: str, *, store: Store, registry: ModelRegistry, clock: Clock) -> None:
    champion = store.models.champion(model)
    if champion is None:
        return
    version = store.models.get(model, champion.version)
    if version.registry_version is None:
        return
    registry.set_alias(model, "champion", version.registry_version)
    with store.transactions.begin():
        store.models.mark_alias(model, champion.seq)
        store.audit.record(
            audit_event(
                model,
                "Registry",
                f"champion:{champion.seq}",
                f"alias champion points at version {version.version}",
                at=clock.now(),
            )
        )


def _tell_away(text: str, *, store: Store, clock: Clock) -> None:
    """Say once per pending version that MLflow is away."""
    for version in store.models.unregistered():
        store.audit.record(
            audit_event(
                version.model,
                "Registry",
                f"away:{version.version}",
                f"MLflow is away; version {version.version} will be registered later",
                at=clock.now(),
                severity=Severity.WARNING,
                facts={"error": text[:200]},
            )
        )


def _tell_refused(version: ModelVersion, text: str, *, store: Store, clock: Clock) -> None:
    """Say once that MLflow refuses a version; it is tried again with every later one."""
    store.audit.record(
        audit_event(
            version.model,
            "Registry",
            f"refused:{version.version}",
            f"MLflow refuses version {version.version}; see 'ct doctor'",
            at=clock.now(),
            severity=Severity.WARNING,
            facts={"error": text[:200]},
        )
    )
