"""serving: predict one row, named by its key or said as JSON, and log the prediction.

Neither MLflow nor pandas is needed, and of the store only what the one row needs is read.
"""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import polars as pl

from iris_ct.core.dataset.keys import row_keys
from iris_ct.core.errors import DataError
from iris_ct.core.scoring.inputs import Outputs, RowsRefusedError
from iris_ct.core.scoring.record import Record, record_of, record_of_number
from iris_ct.core.specification import Specification
from iris_ct.flow.row_text import read_object
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, Store

# A ``|`` that separates the columns of a key: one before which the number of ``\`` is even.
_SEPARATOR = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_ESCAPED = re.compile(r"\\([\\|])")

# What logs, SQL and people read alike, and what a name in the log has room for.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/@+=#-]{1,200}")


def predict_row(
    champion: LoadedModel, wanted: str, *, request_id: str = "", store: Store, clock: Clock
) -> dict[str, Any]:
    """Predict one row and queue it for the log.

    Parameters
    ----------
    wanted : str
        A JSON object with values of features, missing ones null, perhaps with the key columns;
        or the key of a stored row, as the rows of its file write it.
    request_id : str
        Names the request for ever: 1 to 200 letters, digits and ``._:/@+=#-``. Said again it is
        logged once, and as long as the first prediction waits to be logged, that one is the
        answer. Empty: an id is made up.

    Returns
    -------
    dict
        ``model``, ``model_version``, ``key`` (None if the object has no key), ``prediction``,
        ``probabilities`` by class (None for regression), ``request_id``.

    Raises
    ------
    DataError
        If no stored row has that key, or the object has unknown names or unreadable values; the
        columns are named, never what they hold. If ``request_id`` cannot be one.
    """
    if not request_id:
        number = champion.scorer.number_of(wanted)
        if number is not None:
            return _answer_number(number, champion, store, clock)
    model = champion.specification.name
    puid = f"row:{checked_id(request_id) if request_id else made_up_id()}"
    if request_id and (before := _waiting(model, puid, store)) is not None:
        return _answer(model, before.version, _outputs_of(before), puid)
    if wanted.lstrip().startswith("{"):
        outputs = _score_said(wanted, champion)
    else:
        outputs = _score_stored(wanted, champion, store)
    version = champion.version.version
    made = record_of(
        outputs,
        puid=puid,
        model=model,
        version=version,
        at_us=int(clock.now().timestamp() * 1e6),
        once=bool(request_id),
    )
    store.journal_writer.append([made])
    return _answer(model, version, outputs, puid)


def _answer_number(
    number: float, champion: LoadedModel, store: Store, clock: Clock
) -> dict[str, Any]:
    """Queue and answer a number for a row without a key: most of all rows, so with few calls."""
    model, version = champion.specification.name, champion.version.version
    puid = f"row:{made_up_id()}"
    at_us = int(clock.now().timestamp() * 1e6)
    made = record_of_number(number, puid=puid, model=model, version=version, at_us=at_us)
    store.journal_writer.append([made])
    return {
        "model": model,
        "model_version": version,
        "key": None,
        "prediction": number,
        "probabilities": None,
        "request_id": puid,
    }


def checked_id(request_id: str) -> str:
    """Give what names a request; `DataError` if it cannot."""
    if _REQUEST_ID.fullmatch(request_id):
        return request_id
    raise DataError(
        f"The request id has {len(request_id)} characters, or others than it may have. Expected 1 "
        "to 200 letters, digits and . _ : / @ + = # -; or none, then one is made up."
    )


def made_up_id() -> str:
    """Give a name that no other request has; it need not be hard to guess."""
    return f"{random.getrandbits(64):016x}"  # names, not secrets


def _waiting(model: str, puid: str, store: Store) -> Record | None:
    """Find a prediction that waits to be logged."""
    for segment in store.journal.segments():
        content = store.journal.read(segment.name)
        for made in content.records if content else ():
            if made.puid == puid and made.model == model:
                return made
    return None


def _outputs_of(made: Record) -> Outputs:
    prediction = made.prediction if isinstance(made.prediction, list) else made.numbers()
    shares = made.shares() if made.classes else None
    return Outputs(prediction, shares, tuple(made.classes), made.keys)


def _answer(model: str, version: int, outputs: Outputs, puid: str) -> dict[str, Any]:
    prediction, shares = outputs.prediction[0], outputs.probabilities
    return {
        "model": model,
        "model_version": version,
        "key": outputs.keys[0] if outputs.keys else None,
        "prediction": prediction if isinstance(prediction, str) else prediction.item(),
        "probabilities": None
        if shares is None
        else dict(zip(outputs.classes, shares[0].tolist(), strict=True)),
        "request_id": puid,
    }


def _score_said(text: str, champion: LoadedModel) -> Outputs:
    try:
        return champion.scorer.score_row(read_object(text))
    except RowsRefusedError as refused:
        # One row: who asked needs no table of rows, and the name of the error stays as it was.
        raise DataError(str(refused)) from refused


def _score_stored(key: str, champion: LoadedModel, store: Store) -> Outputs:
    """Score a stored row, which may have been stored under another specification."""
    row, spelled = _stored(key, champion.specification, store)
    predictions = champion.predict(row)
    shares = champion.predictor.probabilities(predictions)
    said = predictions["prediction"]
    if shares is None:
        return Outputs(said.to_numpy(), keys=[spelled])
    return Outputs(said.to_list(), np.array([[*shares.values()]]), tuple(shares), [spelled])


def _stored(
    key: str, specification: Specification, store: Store
) -> tuple[pl.DataFrame, str | None]:
    """Find the row that counts for a key: the newest, or the first where that one is kept."""
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            "The key is no Unicode text: it has half of a surrogate pair. Mend what writes it."
        ) from error
    oldest = specification.on_duplicate == "keep"
    for spelled in dict.fromkeys((key, _as_stored(key, specification))):
        if spelled is None:
            continue
        row = store.batches.row(specification.name, spelled, oldest=oldest)
        if row is not None:
            return row, spelled
    columns = ", ".join(specification.key) or "<batch id>:<place>, since the model has no key"
    raise DataError(
        f"No stored row of '{specification.name}' has the key that was given. Expected the text "
        f"of its key columns ({columns}), several joined by '|'; or a JSON object with the "
        "features, which begins with '{'."
    )


def _as_stored(key: str, specification: Specification) -> str | None:
    """Spell a key as the store does: times as ISO 8601 in UTC, whole numbers without fraction."""
    if not specification.key:
        return None
    parts = key_parts(key, specification)
    if parts is None:
        return None
    frame = pl.DataFrame(
        {name: [part] for name, part in zip(specification.key, parts, strict=True)}
    )
    spelled: str | None = row_keys(frame, specification)[0]
    return spelled


def key_parts(key: str, specification: Specification) -> list[str] | None:
    """Give the text of each key column; None if there are not as many."""
    if len(specification.key) == 1:
        return [key]
    parts = [_ESCAPED.sub(r"\1", part) for part in _split(key)]
    return parts if len(parts) == len(specification.key) else None


def _split(key: str) -> list[str]:
    r"""Split a key at the separators of its columns.

    Examples
    --------
    >>> _split(r"a\|b|c"), _split(r"a\\|b")
    (['a\\|b', 'c'], ['a\\\\', 'b'])
    """
    parts, start = [], 0
    for found in _SEPARATOR.finditer(key):
        parts.append(key[start : found.end() - 1])
        start = found.end()
    return [*parts, key[start:]]
