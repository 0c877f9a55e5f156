"""trigger -> training: cut the cycle's snapshot and split its rows by event time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iris_ct.core.dataset.batch import POSITION
from iris_ct.core.dataset.snapshot import Snapshot
from iris_ct.core.dataset.split import Split, assign_roles
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.span import span_length
from iris_ct.core.specification import Feature, Specification
from iris_ct.flow.decide import mature_horizon
from iris_ct.flow.identify import audit_event
from iris_ct.ports import Clock, JobFiles, Store


def cut_snapshot(cycle_id: str, *, store: Store, jobs: JobFiles, clock: Clock) -> Split | None:
    """Cut and split what the cycle may see; None if no labelled row is mature yet.

    The first call fixes which arrivals the cycle sees; later calls give the same split.
    """
    cycle = store.cycles.get(cycle_id)
    model = cycle.model
    if (split := jobs.split(model, cycle_id)) is not None:
        return split
    cycle = store.cycles.cut_at(cycle_id, store.batches.newest_seq(model))
    specification = store.specifications.get(cycle.spec_digest)
    champion = serving_version(store, model)
    snapshot = _cut(cycle_id, cycle.as_of_seq or 0, specification, champion, store)
    if snapshot is None:
        return None
    split = _split(snapshot, specification, champion, store, cycle.accept_reused)
    jobs.save_split(model, cycle_id, split)
    store.audit.record(
        audit_event(
            model,
            "Snapshot",
            cycle_id,
            f"cut {snapshot.n_rows} labelled rows, {split.n_holdout} of them to judge",
            at=clock.now(),
            facts={"snapshot": snapshot.digest[:16], "rows": snapshot.n_rows},
        )
    )
    return split


def serving_version(store: Store, model: str) -> ModelVersion | None:
    """Give the version that serves now."""
    champion = store.models.champion(model)
    return store.models.get(model, champion.version) if champion else None


def _cut(
    cycle_id: str,
    as_of_seq: int,
    specification: Specification,
    champion: ModelVersion | None,
    store: Store,
) -> Snapshot | None:
    event_now = store.batches.newest_position(specification.name, as_of_seq=as_of_seq)
    if event_now is None:
        return None
    horizon = mature_horizon(specification, event_now)
    count = store.snapshots.count_labelled(
        specification, as_of_seq=as_of_seq, after_position=None, horizon=horizon
    )
    if count == 0:
        return None
    return store.snapshots.cut(
        specification,
        snapshot_id=cycle_id,
        as_of_seq=as_of_seq,
        from_position=_oldest_position(specification, champion, horizon),
        horizon=horizon,
        beside=_dropped_features(specification, champion, store),
    )


def _dropped_features(
    specification: Specification, champion: ModelVersion | None, store: Store
) -> list[Feature]:
    """List the features that the champion sees and the specification has no column for."""
    if champion is None:
        return []
    known = {*specification.feature_names, specification.group, specification.target}
    served = store.specifications.get(champion.spec_digest)
    return [feature for feature in served.features if feature.name not in known]


def _oldest_position(
    specification: Specification, champion: ModelVersion | None, horizon: int
) -> int | None:
    """Give the oldest position that any window can reach; None for all rows.

    A window ends at the oldest at the start of the validation block, which is about as long
    before the fresh rows as the fresh rows themselves are long.
    """
    if champion is None or "all" in specification.windows:
        return None
    fresh_span = horizon - champion.fit_until
    longest = max(span_length(window) for window in specification.windows)
    return champion.fit_until - fresh_span - longest


def _split(
    snapshot: Snapshot,
    specification: Specification,
    champion: ModelVersion | None,
    store: Store,
    accept_reused: bool,
) -> Split:
    columns = [POSITION, *([specification.group] if specification.group else [])]
    rows = store.snapshots.read(snapshot, columns)
    spent = [
        (rows.first_position, rows.last_position)
        for rows in store.cycles.spent(specification.name)
    ]
    split = assign_roles(
        rows[POSITION].to_numpy(),
        groups=rows[specification.group].to_numpy() if specification.group else None,
        fresh_after=champion.fit_until if champion else None,
        spent=spent,
        policy=specification.gate,
        first=champion is None,
        accept_reused=accept_reused,
    )
    min_rows = specification.training.min_rows
    if champion is None and snapshot.n_rows < min_rows:
        missing = max(split.needed, min_rows - snapshot.n_rows)
        return replace(split, roles=np.zeros_like(split.roles), n_holdout=0, needed=missing)
    return split
