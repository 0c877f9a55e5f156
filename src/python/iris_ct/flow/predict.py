"""serving: predict a file's rows with a loaded version, write them out and log them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from iris_ct.core.dataset.batch import KEY, POSITION
from iris_ct.core.dataset.issues import ValidationReport
from iris_ct.core.dataset.keys import join_key
from iris_ct.core.dataset.validation import PLACE, InputValidator
from iris_ct.core.errors import DataError
from iris_ct.core.specification import Specification
from iris_ct.flow.identify import audit_event
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, PredictionWriter, RowSource, Store


def predict_source(
    champion: LoadedModel,
    open_source: Callable[[], RowSource],
    destination: PredictionWriter,
    *,
    name: str,
    store: Store,
    clock: Clock,
) -> dict[str, Any]:
    """Predict row by row of a file, in its order, chunk by chunk.

    All rows are predicted or none: the file is read twice, first to be validated, so that nothing
    is logged of a file that is refused, whatever its size. They are one request of the log.

    Raises
    ------
    DataError
        If a row is bad; names rows, columns and reasons.
    """
    specification, version = champion.specification, champion.version
    _validate(open_source, specification, name)
    validator = InputValidator(specification)
    at, n_rows = clock.now(), 0
    request = f"predict:{hashlib.sha256(f'{name}:{at.isoformat()}'.encode()).hexdigest()[:16]}"
    with destination, open_source() as source:

        def frames() -> Iterator[pl.DataFrame]:
            nonlocal n_rows
            for chunk in source:
                parted = validator.validate(chunk, first_place=source.first_place)
                if not parted.bad.is_empty():
                    # A table may have changed since it was validated.
                    raise _refusal(name, validator.report())
                predictions = champion.predict(parted.good)
                keys = keys_as_given(chunk, specification, parted.good[PLACE])
                destination.write(_told(keys, predictions, version.version))
                n_rows += chunk.height
                yield predictions.with_columns(
                    (parted.good[KEY] if KEY in parted.good.columns else keys).alias(KEY),
                    pl.lit(None, pl.Int64).alias(POSITION),
                )

        store.predictions.record(
            specification, request_id=request, version=version.version, frame=frames(), at=at
        )
        destination.finish()
    store.audit.record(
        audit_event(
            version.model,
            "Prediction",
            request,
            f"version {version.version} predicted {n_rows} rows on request",
            at=at,
            facts={"version": version.version, "rows": n_rows},
        )
    )
    return {
        "model": version.model,
        "rows": n_rows,
        "model_version": version.version,
        "request_id": request,
    }


def keys_as_given(
    chunk: pl.DataFrame, specification: Specification, places: pl.Series
) -> pl.Series:
    """Give each row's key as its file writes it; without key columns its place in the file."""
    if not specification.key:
        return places.cast(pl.String)
    return join_key([chunk[name].cast(pl.String) for name in specification.key])


def _validate(
    open_source: Callable[[], RowSource], specification: Specification, name: str
) -> None:
    """Read the file once; `DataError` if a row is bad, with all that are."""
    validator = InputValidator(specification)
    with open_source() as source:
        validator.check_columns(source.schema, source=name)
        for chunk in source:
            validator.validate(chunk, first_place=source.first_place)
    report = validator.report()
    if report.n_bad:
        raise _refusal(name, report)


def _refusal(name: str, report: ValidationReport) -> DataError:
    """Name what is bad; that many bad rows would be allowed at ingest does not matter here."""
    told = [
        f"{name} was not predicted: {report.n_bad} of {report.n_rows} rows are bad; "
        "expected none.",
        *report.findings(),
        "Mend or remove these rows; nothing was written.",
    ]
    return DataError("\n".join(told))


def _told(keys: pl.Series, predictions: pl.DataFrame, version: int) -> pl.DataFrame:
    """Give the columns of the output: key, prediction, probabilities, model_version."""
    return predictions.select(
        keys.alias("key"), pl.all(), pl.lit(version, pl.Int64).alias("model_version")
    )
