"""training: fit a challenger, or refit the judged recipe, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from iris_ct.core.canonical import digest
from iris_ct.core.cycle import Cycle
from iris_ct.core.decision import Decision
from iris_ct.core.errors import TrainingCancelledError
from iris_ct.flow.identify import audit_event, decision_id
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
    with store.transactions.begin():
        if phase == "challenger":
            _record_window(cycle, job, outcome, store=store, clock=clock)
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


def _record_window(
    cycle: Cycle, job: TrainingJob, outcome: TrainingOutcome, *, store: Store, clock: Clock
) -> None:
    """Record which window was chosen, among which, by which numbers."""
    specification = job.specification
    tried = len(outcome.candidates)
    store.decisions.record(
        Decision(
            decision_id=decision_id("window", cycle.model, cycle.cycle_id),
            model=cycle.model,
            kind="window",
            outcome=outcome.window,
            reason=f"chosen among {tried} that differ" if tried > 1 else "no other differs",
            cycle_id=cycle.cycle_id,
            actor="training",
            rule="the champion's window stays unless another's loss is clearly lower on the "
            "block before the holdout; without a champion the lowest loss wins",
            event_now=store.batches.newest_position(cycle.model, as_of_seq=cycle.as_of_seq),
            decided_at=clock.now(),
            inputs={
                "spec": cycle.spec_digest,
                "snapshot": job.snapshot_digest,
                "windows": [dict(candidate) for candidate in outcome.candidates],
            },
            numbers={"rounds": outcome.rounds, "n_rows": outcome.n_rows},
            thresholds={
                "confidence": specification.gate.confidence,
                "metric": specification.metric,
                "preferred": job.preferred_window,
            },
            versions=outcome.versions,
        )
    )


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
