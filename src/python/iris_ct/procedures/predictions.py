"""Predictions without files: one row, a stored batch, a table; and who served when."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from iris_ct.bootstrap import Parts
from iris_ct.core.errors import DataError
from iris_ct.flow.predict_batch import predict_batch as predict_stored
from iris_ct.flow.predict_batch import predict_table
from iris_ct.flow.predict_row import predict_row as predict_one
from iris_ct.procedures.door import Answer
from iris_ct.procedures.models import specification


def predict_row(parts: Parts, model: str, row: str, *, request_id: str = "") -> Answer:
    """Predict one row with the champion, and log the prediction.

    Parameters
    ----------
    row : str
        Key of a stored row, or a JSON object with the features; missing ones are null.
    request_id : str
        Names the request in the prediction log; made up if empty. Said twice, it is logged once;
        see `flow.predict_row`.
    """
    champion = parts.champions.serving(model)
    if champion is None:
        # An unknown model is told as such; a known one has no champion yet.
        specification(parts, model)
        champion = parts.champions.require(model)
    return predict_one(
        champion,
        row,
        request_id=request_id,
        store=parts.store,
        clock=parts.clock,
    )


def predict_batch(parts: Parts, model: str, source: str) -> Answer:
    """Predict as a whole with the champion, into the prediction log and its SQL table.

    Parameters
    ----------
    source : str
        Id of a stored batch of the model, or a table that its file lists in ``[scoring]``.

    Raises
    ------
    ConfigError
        If it is neither.
    DataError
        If a row cannot be predicted; then none is.
    """
    answer = _predict_whole(parts, model, source)
    # Who asks in SQL next finds the rows; what else is missing is left to housekeeping.
    parts.store.projections.bring_up(model, most_rows=answer["rows"])
    return answer


def _predict_whole(parts: Parts, model: str, source: str) -> Answer:
    spec = specification(parts, model)
    champion = parts.champions.require(model)
    batches = {batch.batch_id: batch for batch in parts.store.batches.arrivals(model)}
    if source in batches:
        return predict_stored(
            champion,
            batches[source],
            request_id=f"batch:{secrets.token_hex(8)}",
            store=parts.store,
            clock=parts.clock,
        )
    if source.startswith(f"{model}-"):
        raise DataError(f"'{model}' has no batch '{source}'. 'ct log {model}' names those it has.")
    # What may be read is said now; which columns, when the champion was trained.
    wanted = champion.specification.model_copy(update={"scoring": spec.scoring})
    return predict_table(
        champion,
        lambda: parts.tables.rows(wanted, source),
        name=source,
        store=parts.store,
        clock=parts.clock,
    )


def served_at(parts: Parts, model: str, at: str) -> Answer:
    """Say which version served at a time; None before the first.

    Parameters
    ----------
    at : str
        ISO 8601; without an offset it is UTC, a date alone its first instant.

    Raises
    ------
    DataError
        If it is no such time.
    """
    specification(parts, model)
    moment = _moment(at)
    served = parts.store.models.served_at(model, moment)
    return {
        "model": model,
        "at": moment.isoformat(),
        "version": served.version if served else None,
        "since": served.since.isoformat() if served else None,
        "actor": served.actor if served else None,
        "decision": served.decision_id if served else None,
    }


def _moment(at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(at.strip())
    except ValueError as error:
        raise DataError(
            f"'{at}' is no time. Expected ISO 8601, such as 2026-01-31 23:59:59 (UTC) or "
            "2026-01-31T23:59:59+01:00."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
