"""serving: predict one row, named by its key or said as JSON, and log the prediction.

Neither MLflow nor pandas is needed, and of the store only what the one row needs is read.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import polars as pl

from iris_ct.core.dataset.batch import KEY
from iris_ct.core.dataset.keys import row_keys
from iris_ct.core.dataset.validation import InputValidator
from iris_ct.core.errors import DataError
from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.scoring.record import record_of
from iris_ct.core.specification import Specification
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, Store

# A ``|`` that separates the columns of a key: one before which the number of ``\`` is even.
_SEPARATOR = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_ESCAPED = re.compile(r"\\([\\|])")


def predict_row(
    champion: LoadedModel,
    wanted: str,
    *,
    request_id: str,
    store: Store,
    clock: Clock,
    once: bool = False,
) -> dict[str, Any]:
    """Predict one row and queue it for the log, under ``request_id``.

    Parameters
    ----------
    once : bool
        Whether the request may come again under its id, and is then logged once all the same.
    wanted : str
        A JSON object with values of features, missing ones null, perhaps with the key columns;
        or the key of a stored row, as the rows of its file write it.

    Returns
    -------
    dict
        ``model``, ``model_version``, ``key`` (None if the object has no key), ``prediction``,
        ``probabilities`` by class (None for regression), ``request_id``.

    Raises
    ------
    DataError
        If no stored row has that key, or the object has unknown names or unreadable values; the
        columns are named, never what they hold.
    """
    specification = champion.specification
    if wanted.lstrip().startswith("{"):
        rows, key = _said(wanted, specification)
    else:
        rows, key = _stored(wanted, specification, store)
    predictions = champion.predict(rows)
    version = champion.version.version
    shares = champion.predictor.probabilities(predictions)
    said = predictions["prediction"]
    outputs = Outputs(
        said.to_numpy() if shares is None else said.to_list(),
        None if shares is None else np.array([list(shares.values())]),
        tuple(shares or ()),
        [key],
    )
    queued = record_of(
        outputs,
        puid=request_id,
        model=specification.name,
        version=version,
        at_us=int(clock.now().timestamp() * 1e6),
        once=once,
    )
    store.journal_writer.append([queued])
    return {
        "model": specification.name,
        "model_version": version,
        "key": key,
        "prediction": said[0],
        "probabilities": shares,
        "request_id": request_id,
    }


def _stored(
    key: str, specification: Specification, store: Store
) -> tuple[pl.DataFrame, str | None]:
    """Find the row that counts for a key: the newest, or the first where that one is kept."""
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


def _said(text: str, specification: Specification) -> tuple[pl.DataFrame, str | None]:
    """Read a row from a JSON object."""
    content = _object(text)
    _check_names(content, specification)
    has_key = any(name in content for name in specification.key)
    spec = specification if has_key else specification.model_copy(update={"key": ()})
    wanted = dict.fromkeys((*spec.key, *spec.feature_names))
    frame = pl.DataFrame([_cell(name, content.get(name)) for name in wanted])
    validator = InputValidator(spec)
    parted = validator.validate(frame, first_place=1)
    if parted.good.is_empty():
        told = [
            f"The row was not predicted by '{specification.name}':",
            *validator.report().findings(),
            f"Expected values as models/{specification.name}.toml declares them.",
        ]
        raise DataError("\n".join(told))
    return parted.good, parted.good[KEY][0] if has_key else None


def _object(text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(
            text, object_pairs_hook=_without_repetition, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(
            f"The row is no JSON object{where}: expected "
            '{"feature": value, ...} with texts, numbers, true, false or null.'
        ) from error
    return content


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise DataError("The row names a feature twice. Say each one once.")
    return content


def _no_number(_constant: str) -> None:
    raise DataError("The row holds NaN or Infinity, which JSON has not; say null instead.")


def _check_names(content: dict[str, Any], specification: Specification) -> None:
    """Refuse names that mean nothing here: most often one that is misspelt."""
    known = {*specification.input_columns, *specification.feature_names}
    unknown = sorted(name for name in content if name not in known)
    if unknown:
        raise DataError(
            f"'{specification.name}' has no feature {', '.join(unknown)}. "
            f"It has: {', '.join(specification.feature_names)}. Missing ones count as null."
        )
    nested = sorted(name for name, said in content.items() if isinstance(said, dict | list))
    if nested:
        raise DataError(
            f"{', '.join(nested)}: expected a text, number, true, false or null for each feature, "
            "found an object or a list."
        )


def _cell(name: str, said: Any) -> pl.Series:
    """Give one value as a file would hold it: numbers as text, which is read the same way."""
    if said is None or isinstance(said, bool):
        return pl.Series(name, [said], dtype=pl.String if said is None else pl.Boolean)
    return pl.Series(name, [said if isinstance(said, str) else repr(said)], dtype=pl.String)
