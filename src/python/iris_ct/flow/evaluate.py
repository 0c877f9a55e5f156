"""training -> evaluation -> gate: champion and challenger on the same fresh holdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from iris_ct.core.audit import Severity
from iris_ct.core.cycle import Cycle
from iris_ct.core.dataset.batch import ROW
from iris_ct.core.dataset.split import JUDGE, Split
from iris_ct.core.decision import Decision
from iris_ct.core.gate.promotion import Verdict, insufficient, judge
from iris_ct.core.model_version import ModelVersion, Recipe
from iris_ct.core.specification import Specification
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.flow.serve import load_version
from iris_ct.flow.snapshot import serving_version
from iris_ct.ports import Clock, JobFiles, SpentRows, Store, TrainingOutcome

RULE = (
    "a first model must beat the naive guess; a refresh is promoted unless worse than the margin; "
    "a replacement must show the minimum gain; no slice may clearly lose; spent rows promote "
    "nobody without a person"
)


@dataclass(frozen=True)
class Contest:
    """What the gate looks at: the holdout rows and both models' predictions of them."""

    cycle: Cycle
    specification: Specification
    split: Split
    champion: ModelVersion | None
    fit: TrainingOutcome
    rows: pl.DataFrame
    challenger_predictions: pl.DataFrame
    champion_predictions: pl.DataFrame | None

    @property
    def recipe(self) -> Recipe:
        """How the challenger was made."""
        return Recipe(self.fit.recipe_digest, self.fit.window, self.fit.rounds)


def judge_challenger(cycle_id: str, *, store: Store, jobs: JobFiles, clock: Clock) -> Decision:
    """Ask the gate once per cycle, record its decision, and spend the holdout rows."""
    cycle = store.cycles.get(cycle_id)
    identifier = decision_id("gate", cycle.model, cycle_id)
    if (taken := store.decisions.get(identifier)) is not None:
        return taken
    specification = store.specifications.get(cycle.spec_digest)
    split = jobs.split(cycle.model, cycle_id)
    if split is None or split.n_holdout == 0:
        needed = split.needed if split else specification.training.min_rows
        verdict = insufficient(needed, specification.gate)
        return _record(cycle, verdict, {}, None, store=store, clock=clock)
    contest = _gather(cycle, specification, split, store=store, jobs=jobs)
    verdict = _ask(contest)
    spent = SpentRows(cycle_id, split.holdout_first or 0, split.holdout_last or 0, split.n_holdout)
    return _record(cycle, verdict, _inputs(contest, store), spent, store=store, clock=clock)


def holdout_rows(cycle: Cycle, store: Store, jobs: JobFiles) -> pl.DataFrame:
    """Read the rows that judge, in the snapshot's order.

    Position, features and target, and what only the champion still sees.
    """
    split = jobs.split(cycle.model, cycle.cycle_id)
    if split is None:
        raise LookupError(f"Cycle {cycle.cycle_id} has no split; its snapshot was never cut.")
    snapshot = store.snapshots.get(cycle.cycle_id)
    columns = [name for name in store.snapshots.columns(snapshot) if name != ROW]
    return store.snapshots.read(snapshot, columns, rows=split.roles == JUDGE)


def _gather(
    cycle: Cycle, specification: Specification, split: Split, *, store: Store, jobs: JobFiles
) -> Contest:
    fit = jobs.outcome(cycle.model, cycle.cycle_id, "challenger")
    if fit is None:
        raise LookupError(f"The challenger of cycle {cycle.cycle_id} left no result.")
    champion = serving_version(store, cycle.model)
    rows = holdout_rows(cycle, store, jobs)
    served = None
    if champion is not None:
        loaded = load_version(champion, store=store)
        # A champion of another target cannot be compared: then the naive baseline is.
        if specification.predicts_like(loaded.specification):
            served = loaded.predict(rows)
    return Contest(
        cycle=cycle,
        specification=specification,
        split=split,
        champion=champion,
        fit=fit,
        rows=rows,
        challenger_predictions=jobs.holdout_predictions(cycle.model, cycle.cycle_id),
        champion_predictions=served,
    )


def _ask(contest: Contest) -> Verdict:
    specification = contest.specification
    return judge(
        specification=specification,
        rows=contest.rows,
        challenger=contest.challenger_predictions,
        champion=contest.champion_predictions,
        baseline=contest.fit.baseline,
        is_refresh=contest.champion is not None
        and contest.recipe.is_refresh_of(contest.champion.recipe),
        reused=contest.split.reused,
        accept_reused=contest.cycle.accept_reused,
    )


def _inputs(contest: Contest, store: Store) -> dict[str, Any]:
    snapshot = store.snapshots.get(contest.cycle.cycle_id)
    return {
        "spec": contest.specification.digest,
        "snapshot": snapshot.digest,
        "as_of_seq": snapshot.as_of_seq,
        "holdout": {
            "rows": contest.split.n_holdout,
            "first_position": contest.split.holdout_first,
            "last_position": contest.split.holdout_last,
        },
        "champion": {
            "version": contest.champion.version,
            "artifact": contest.champion.artifact_digest,
            "window": contest.champion.recipe.window,
        }
        if contest.champion
        else None,
        "challenger": {
            "recipe": contest.fit.recipe_digest,
            "window": contest.fit.window,
            "rounds": contest.fit.rounds,
            "rows": contest.fit.n_rows,
            "fit_until": contest.fit.fit_until,
        },
        "window": decision_id("window", contest.cycle.model, contest.cycle.cycle_id),
    }


def _record(
    cycle: Cycle,
    verdict: Verdict,
    inputs: Mapping[str, Any],
    spent: SpentRows | None,
    *,
    store: Store,
    clock: Clock,
) -> Decision:
    at = clock.now()
    with store.transactions.begin():
        decision = store.decisions.record(
            Decision(
                decision_id=decision_id("gate", cycle.model, cycle.cycle_id),
                model=cycle.model,
                kind="gate",
                outcome=verdict.outcome,
                reason=verdict.reason,
                cycle_id=cycle.cycle_id,
                actor="gate",
                rule=RULE,
                event_now=store.batches.newest_position(cycle.model, as_of_seq=cycle.as_of_seq),
                decided_at=at,
                inputs=inputs,
                numbers=verdict.numbers,
                thresholds=verdict.thresholds,
                checks=verdict.checks,
            )
        )
        if spent is not None:
            store.cycles.spend(cycle.model, spent)
        store.audit.record(
            audit_event(
                cycle.model,
                "Gate",
                cycle.cycle_id,
                f"{verdict.outcome}: {verdict.reason}",
                at=at,
                severity=Severity.INFO if verdict.outcome == "promote" else Severity.WARNING,
                facts={"decision": decision.decision_id, "cycle": cycle.cycle_id},
            )
        )
    return decision
