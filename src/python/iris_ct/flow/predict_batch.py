"""serving: predict a stored batch, or a table, as a whole into the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from iris_ct.core.dataset.batch import KEY, POSITION, Batch
from iris_ct.core.errors import DataError
from iris_ct.flow.identify import audit_event
from iris_ct.flow.observe import CHUNK_ROWS
from iris_ct.flow.predict import predict_source
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, RowSource, Store


def predict_batch(
    champion: LoadedModel, batch: Batch, *, request_id: str, store: Store, clock: Clock
) -> dict[str, Any]:
    """Predict a batch's stored rows, chunk by chunk, as one request of the log.

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
    version, n_rows = champion.version, 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal n_rows
        for rows in store.batches.rows(batch, chunk_rows=CHUNK_ROWS):
            n_rows += rows.height
            predicted = champion.predict(rows)
            yield pl.concat([rows.select(KEY, POSITION), predicted], how="horizontal")

    store.predictions.record(
        champion.specification,
        request_id=request_id,
        version=version.version,
        frame=frames(),
        at=clock.now(),
    )
    store.audit.record(
        audit_event(
            version.model,
            "Prediction",
            request_id,
            f"version {version.version} predicted {n_rows} rows of {batch.batch_id} on request",
            at=clock.now(),
            facts={"version": version.version, "rows": n_rows},
        )
    )
    return {
        "model": version.model,
        "rows": n_rows,
        "model_version": version.version,
        "request_id": request_id,
    }


def predict_table(
    champion: LoadedModel,
    open_table: Callable[[], RowSource],
    *,
    name: str,
    store: Store,
    clock: Clock,
) -> dict[str, Any]:
    """Predict the rows of a table or view, chunk by chunk as they are read.

    All rows are predicted or none, as of a file: the table is read twice.

    Raises
    ------
    DataError
        If a row is bad; names rows (counted from 1 as they were read), columns and reasons.
    """
    return predict_source(champion, open_table, _OnlyLogged(), name=name, store=store, clock=clock)


class _OnlyLogged:
    """`ports.PredictionWriter` that writes nothing: the log is all there is."""

    def __enter__(self) -> _OnlyLogged:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def write(self, frame: pl.DataFrame) -> None:
        """Write nothing."""

    def finish(self) -> None:
        """Finish nothing."""
