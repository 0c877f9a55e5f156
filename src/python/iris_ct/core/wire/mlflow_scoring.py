"""MLflow's scoring protocol: JSON or CSV to rows, and ``{"predictions": [...]}`` back.

JSON has exactly one of ``dataframe_split``, ``dataframe_records``, ``inputs`` and ``instances``,
and perhaps ``params``. ``params`` with ``explain: true`` asks for contributions, answered beside
the predictions as ``contributions`` with ``columns`` and ``data``; other parameters are not read.
A prediction is a number, or for classes the label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from iris_ct.core.scoring.inputs import Inputs, Outputs
from iris_ct.core.wire.exchange import Asked, Contributions, Reply
from iris_ct.core.wire.json_text import Cell, decode_json
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.table import (
    Table,
    check_cells,
    check_rows,
    from_json,
    from_numbers,
    from_records,
    from_rows,
    kind_of,
)
from iris_ct.core.wire.text_rows import from_csv

# From this size on it pays to try whether all values are numbers; a few rows are smaller.
_MATRIX_BYTES = 1024
_FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")

R = TypeVar("R")


class MlflowAsked(Asked, kw_only=True):
    """A request, read.

    Attributes
    ----------
    form : str
        The field that held the rows, or ``csv``.
    """

    form: str


class _Split(msgspec.Struct, Generic[R]):
    data: R
    columns: list[Any] | None = None
    index: list[Any] | None = None


class _Request(msgspec.Struct, Generic[R]):
    dataframe_split: _Split[R] | None = None
    dataframe_records: Any = None
    inputs: Any = None
    instances: Any = None
    params: dict[str, Any] | None = None


# Rows under `inputs` and `instances` too, when they are lists of numbers.
class _Numbers(msgspec.Struct):
    dataframe_split: _Split[list[list[float | None]]] | None = None
    inputs: list[list[float | None]] | None = None
    instances: list[list[float | None]] | None = None
    dataframe_records: msgspec.Raw = msgspec.Raw(b"null")
    params: dict[str, Any] | None = None


_CELLS = msgspec.json.Decoder(_Request[list[list[Cell]]])
_ANY = msgspec.json.Decoder(_Request[Any])
_NUMBERS = msgspec.json.Decoder(_Numbers)


def decode(body: bytes, content_type: str = "application/json") -> MlflowAsked:
    """Read a request.

    Parameters
    ----------
    body : bytes
        JSON, or CSV whose first line names the columns.
    content_type : str
        ``application/json`` or ``text/csv``, of UTF-8; empty is taken for JSON.

    Raises
    ------
    WireError
        400 or 415; the text names what was expected and found, and no value of a row.
    """
    if _kind(content_type) == "text/csv":
        return _from_csv(body)
    if len(body) >= _MATRIX_BYTES and (asked := _decode_numbers(body)) is not None:
        return asked
    request: _Request[Any]
    try:
        request = _CELLS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        request = _with_nan(body) or decode_json(_ANY, body, "The body")
    form, value = _one_form(request)
    table = _READERS[form](value)
    return MlflowAsked(
        inputs=table.inputs, n_rows=table.n_rows, explain=_explains(request.params), form=form
    )


def _with_nan(body: bytes) -> _Request[Any] | None:
    """Read what MLflow's own client makes of a frame with missing numbers: no JSON, but ``NaN``.

    None if it is anything else; infinite numbers stay refused.
    """
    if b"NaN" not in body:
        return None
    try:
        said = json.loads(body, parse_constant=_missing)
        return msgspec.convert(said, _Request[Any])
    except (ValueError, RecursionError):
        return None


def _missing(constant: str) -> None:
    if constant != "NaN":
        raise ValueError(constant)


def _kind(content_type: str) -> str:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in filter(None, parameters):
        name, _, said = parameter.partition("=")
        if name.strip() != "charset":
            raise WireError(
                415, "The Content-Type has a parameter other than charset; the body says its form."
            )
        if said.strip(" \"'") not in ("utf-8", "utf8"):
            raise WireError(415, "The charset must be utf-8.")
    if kind not in ("", "application/json", "text/csv"):
        raise WireError(415, "The Content-Type must be application/json or text/csv.")
    return kind


def _from_csv(body: bytes) -> MlflowAsked:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WireError(400, "The CSV is not UTF-8.") from None
    if not text.strip():
        raise WireError(400, "The CSV is empty. Send a line of names and at least one row.")
    table = from_csv(text, "the CSV", has_names=True)
    return MlflowAsked(inputs=table.inputs, n_rows=table.n_rows, form="csv")


def _explains(params: Mapping[str, Any] | None) -> bool:
    return params is not None and params.get("explain") is True


def _decode_numbers(body: bytes) -> MlflowAsked | None:
    """Read rows of nothing but numbers; None if it is anything else."""
    try:
        request = _NUMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    split = request.dataframe_split
    found = [
        (form, rows)
        for form, rows in (
            ("dataframe_split", None if split is None else split.data),
            ("inputs", request.inputs),
            ("instances", request.instances),
        )
        if rows is not None
    ]
    if len(found) != 1 or bytes(request.dataframe_records) != b"null":
        return None
    form, rows = found[0]
    names = None if split is None else _column_names(split)
    inputs = from_numbers(rows, names, "data of dataframe_split" if split else form)
    if inputs is None:
        return None
    return MlflowAsked(
        inputs=inputs, n_rows=len(rows), explain=_explains(request.params), form=form
    )


def _one_form(request: _Request[Any]) -> tuple[str, Any]:
    found = [form for form in _FORMS if getattr(request, form) is not None]
    if len(found) != 1:
        raise WireError(
            400, f"The body has {len(found)} of {', '.join(_FORMS)}; expected exactly one."
        )
    return found[0], getattr(request, found[0])


def _column_names(split: _Split[Any]) -> list[str] | None:
    """Give the names of a frame's columns; None if they are only numbered."""
    columns = split.columns
    if split.index is not None and len(split.index) != len(split.data):
        raise WireError(
            400,
            f"index of dataframe_split has {len(split.index)} entries, expected "
            f"{len(split.data)} as data has rows.",
        )
    if columns is None or columns == list(range(len(columns))):
        return None
    if not all(isinstance(name, str) for name in columns):
        raise WireError(400, "columns of dataframe_split must be a list of texts.")
    return columns


def _from_split(split: _Split[Any]) -> Table:
    what = "data of dataframe_split"
    rows = split.data
    if not isinstance(rows, list):
        raise WireError(400, f"{what} must be a list of rows.")
    names = _column_names(split)
    # A frame of one column may be written as the list of its values.
    if names and len(names) == 1 and rows and not any(isinstance(row, list) for row in rows):
        rows = [[value] for value in rows]
    check_rows(rows, what)
    return Table(from_rows(rows, names, what), len(rows), "split")


def _from_records(records: Any) -> Table:
    if not isinstance(records, list):
        raise WireError(400, f"dataframe_records is {kind_of(records)}, expected a list.")
    return from_records(records, "dataframe_records")


def _from_inputs(value: Any) -> Table:
    return _from_columns(value) if isinstance(value, dict) else _from_instances(value, "inputs")


def _from_instances(value: Any, what: str = "instances") -> Table:
    if not isinstance(value, list):
        raise WireError(400, f"{what} is {kind_of(value)}, expected a list of rows or objects.")
    if value and not isinstance(value[0], list | dict):
        raise WireError(400, f"{what} is a list of values, expected a list of rows or objects.")
    return from_json(value, what)


def _from_columns(columns: Mapping[str, Any]) -> Table:
    """Take an object of columns, each a list; values alone are one row."""
    if not columns:
        raise WireError(400, "inputs has no column. Send one for every feature.")
    if not any(isinstance(values, list) for values in columns.values()):
        return from_json(columns, "inputs")
    n_rows: int | None = None
    plain: dict[str, list[Any]] = {}
    for place, (name, values) in enumerate(columns.items(), 1):
        if not isinstance(values, list):
            raise WireError(
                400, f"Column {place} of inputs is {kind_of(values)}, expected a list."
            )
        n_rows = len(values) if n_rows is None else n_rows
        if len(values) != n_rows:
            raise WireError(
                400,
                f"Column {place} of inputs has {len(values)} values, expected {n_rows} as "
                "column 1 has.",
            )
        plain[name] = _plain(values, place)
    if not n_rows:
        raise WireError(400, "inputs holds no row. Send at least one.")
    return Table(Inputs(columns=plain), n_rows, "columns")


def _plain(values: list[Any], place: int) -> list[Any]:
    """Unwrap a column of shape [n, 1]."""
    if all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [value[0] for value in values]
    check_cells([values], f"column {place} of inputs")
    return values


_READERS = {
    "dataframe_split": _from_split,
    "dataframe_records": _from_records,
    "inputs": _from_inputs,
    "instances": _from_instances,
}


def encode(outputs: Outputs, *, contributions: Contributions | None = None) -> Reply:
    """Answer with one prediction a row: a number, or the label of a class.

    Parameters
    ----------
    outputs : Outputs
        What the model said of the rows.
    contributions : Contributions, optional
        If they were asked for.
    """
    prediction = outputs.prediction
    answer: dict[str, Any] = {
        "predictions": prediction.tolist() if isinstance(prediction, np.ndarray) else prediction
    }
    if contributions is not None:
        answer["contributions"] = {
            "columns": contributions.names,
            "data": contributions.values.tolist(),
        }
    return Reply(msgspec.json.encode(answer))
