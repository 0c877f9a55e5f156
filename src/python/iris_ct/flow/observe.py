"""serving -> observation: the champion predicts each arrived row before anything trains on it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from iris_ct.core.dataset.batch import KEY, POSITION
from iris_ct.flow.identify import audit_event
from iris_ct.flow.serve import Champions
from iris_ct.ports import Clock, Store

# Rows predicted and logged at once: large enough for the predictor, small enough for memory.
CHUNK_ROWS = 262_144


@dataclass(frozen=True)
class Observation:
    """Which version predicted how many rows; version 0 says that nothing serves yet."""

    version: int
    n_predicted: int


def observe_batch(
    batch_id: str, *, store: Store, champions: Champions, clock: Clock
) -> Observation:
    """Log the champion's predictions of a batch, chunk by chunk.

    A chunk that was logged before keeps its first prediction, whoever serves now.
    """
    batch = store.batches.get(batch_id)
    champion = champions.serving(batch.model)
    if champion is None or batch.kind != "rows":
        return Observation(0, 0)
    version, predicted = champion.version.version, 0
    for number, rows in enumerate(store.batches.rows(batch, chunk_rows=CHUNK_ROWS)):
        frame = pl.concat([rows.select(KEY, POSITION), champion.predict(rows)], how="horizontal")
        store.predictions.record(
            champion.specification,
            request_id=f"{batch_id}:{number}",
            version=version,
            frame=frame,
            at=clock.now(),
            batch_id=batch_id,
        )
        predicted += rows.height
    store.audit.record(
        audit_event(
            batch.model,
            "Prediction",
            batch_id,
            f"version {version} predicted {predicted} rows of {batch_id}",
            at=clock.now(),
            facts={"version": version, "rows": predicted},
        )
    )
    return Observation(version, predicted)
