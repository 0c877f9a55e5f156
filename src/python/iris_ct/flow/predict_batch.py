"""serving: predict a stored batch, or a table, as a whole into the prediction log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from iris_ct.core.dataset.batch import KEY, POSITION, Batch
from iris_ct.core.dataset.validation import InputValidator
from iris_ct.core.errors import DataError
from iris_ct.flow.identify import audit_event
from iris_ct.flow.observe import CHUNK_ROWS
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, Store


def predict_batch(
    champion: LoadedModel, batch: Batch, *, request_id: str, store: Store, clock: Clock
) -> dict[str, Any]:
    """Predict a batch's stored rows, chunk by chunk.

    Raises
    ------
    DataError
        If the batch holds labels, or no rows any more.
    """
    if batch.kind != "rows" or not batch.path:
        raise DataError(
            f"Batch '{batch.batch_id}' has no stored rows to predict: expected one of rows that "
            "are kept; it holds labels, is quarantined as a whole, or was purged."
        )
    frames = (
        (rows.select(KEY, POSITION), champion.predict(rows))
        for rows in store.batches.rows(batch, chunk_rows=CHUNK_ROWS)
    )
    return _log(champion, frames, batch.batch_id, request_id, store, clock)


def predict_frames(
    champion: LoadedModel,
    frames: Iterable[pl.DataFrame],
    *,
    name: str,
    request_id: str,
    store: Store,
    clock: Clock,
) -> dict[str, Any]:
    """Predict the rows of a table or view, chunk by chunk as they are read.

    What was predicted before a bad row stays in the log; the rest is not predicted.

    Raises
    ------
    DataError
        If a row is bad; names rows (counted from 1 as they were read), columns and reasons.
    """
    return _log(champion, _valid(champion, frames, name), name, request_id, store, clock)


def _valid(
    champion: LoadedModel, frames: Iterable[pl.DataFrame], name: str
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    validator, first_place = InputValidator(champion.specification), 1
    for chunk in frames:
        if first_place == 1:
            validator.check_columns(chunk.schema, source=name)
        parted = validator.validate(chunk, first_place=first_place)
        if not parted.bad.is_empty():
            told = [f"{name} was not predicted as a whole:", *validator.report().findings()]
            raise DataError("\n".join(told))
        good = parted.good
        keys = (
            good[KEY]
            if KEY in good.columns
            else pl.repeat(None, good.height, dtype=pl.String, eager=True)
        )
        heads = pl.DataFrame(
            [
                keys.alias(KEY),
                pl.repeat(None, good.height, dtype=pl.Int64, eager=True).alias(POSITION),
            ]
        )
        yield heads, champion.predict(good)
        first_place += chunk.height


def _log(
    champion: LoadedModel,
    frames: Iterable[tuple[pl.DataFrame, pl.DataFrame]],
    name: str,
    request_id: str,
    store: Store,
    clock: Clock,
) -> dict[str, Any]:
    """Write predictions to the log in chunks, then the audit event."""
    version, n_rows = champion.version, 0
    for number, (heads, predictions) in enumerate(frames):
        store.predictions.record(
            champion.specification,
            request_id=f"batch:{request_id}:{number}",
            version=version.version,
            frame=pl.concat([heads, predictions], how="horizontal"),
            at=clock.now(),
        )
        n_rows += predictions.height
    store.audit.record(
        audit_event(
            version.model,
            "Prediction",
            request_id,
            f"version {version.version} predicted {n_rows} rows of {name} on request",
            at=clock.now(),
            facts={"version": version.version, "rows": n_rows},
        )
    )
    return {
        "model": version.model,
        "request_id": request_id,
        "rows": n_rows,
        "model_version": version.version,
    }
