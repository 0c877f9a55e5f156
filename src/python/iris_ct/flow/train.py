"""training: fit a challenger, or refit the judged recipe, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from iris_ct.core.canonical import digest
from iris_ct.core.errors import TrainingCancelledError
from iris_ct.flow.identify import audit_event
from iris_ct.flow.snapshot import serving_version
from iris_ct.ports import Clock, JobFiles, Store, Trainer, TrainingJob, TrainingOutcome

Phase = Literal["challenger", "refit"]


def train(
    cycle_id: str,
    phase: Phase,
    *,
    store: Store,
    jobs: JobFiles,
    trainer: Trainer,
    clock: Clock,
    on_progress: Callable[[str, float], None] | None = None,
) -> TrainingOutcome:
    """Run one fit to its end and record its start and end.

    A person's wish to cancel (`JobFiles.ask_to_cancel`) is looked for whenever the fit tells its
    progress, which it does at least every second.

    Raises
    ------
    TrainingFailedError, TrainingCancelledError
        If it ended without a model.
    """
    cycle = store.cycles.get(cycle_id)
    model = cycle.model
    job = _job(cycle_id, phase, store=store, jobs=jobs)
    store.audit.record(
        audit_event(
            model, "Training", f"{job.job_id}:start", f"{phase} fit starts", at=clock.now()
        )
    )

    def follow(stage: str, share: float) -> None:
        if jobs.is_cancelled(model, cycle_id):
            raise TrainingCancelledError(f"The {phase} fit of {cycle_id} was cancelled.")
        if on_progress is not None:
            on_progress(stage, share)

    follow("start", 0.0)
    outcome = trainer.run(job, on_progress=follow)
    store.audit.record(
        audit_event(
            model,
            "Training",
            f"{job.job_id}:end",
            f"{phase} fit ended: window {outcome.window}, {outcome.rounds} rounds, "
            f"{outcome.n_rows} rows",
            at=clock.now(),
            facts={"cycle": cycle_id, "seconds": round(outcome.seconds, 3)},
        )
    )
    return outcome


def _job(cycle_id: str, phase: Phase, *, store: Store, jobs: JobFiles) -> TrainingJob:
    cycle = store.cycles.get(cycle_id)
    snapshot = store.snapshots.get(cycle_id)
    judged = jobs.outcome(cycle.model, cycle_id, "challenger") if phase == "refit" else None
    champion = serving_version(store, cycle.model)
    return TrainingJob(
        job_id=digest([cycle_id, phase])[:16],
        specification=store.specifications.get(cycle.spec_digest),
        snapshot=store.snapshots.path(snapshot),
        snapshot_digest=snapshot.digest,
        roles=jobs.roles_path(cycle.model, cycle_id),
        output=jobs.output(cycle.model, cycle_id, phase),
        window=judged.window if judged else None,
        rounds=judged.rounds if judged else None,
        preferred_window=champion.recipe.window if champion else None,
    )
