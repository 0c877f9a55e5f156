"""JSON schemas of the requests that one model takes, in every protocol, made of its signature.

They describe what is surely taken: one form of every kind, with the columns in their declared
order. The codecs take more than that, such as raw bytes and forms, which the descriptions say in
words.
"""

from __future__ import annotations

import base64
import csv
import io
import sys
from collections.abc import Callable
from typing import Any, Final

from iris_ct.core.dataset.spelling import FALSE, MISSING, TRUE
from iris_ct.core.scoring.signature import Column, Signature
from iris_ct.core.wire.exchange import MAX_ID_LENGTH
from iris_ct.core.wire.open_inference_outputs import DATATYPES, OUTPUTS

Schema = dict[str, Any]

_LARGEST: Final = sys.float_info.max
_NUMBER: Final[Schema] = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
_NULL: Final[Schema] = {"type": "null"}
_OPTIONAL_OBJECT: Final[Schema] = {"type": ["object", "null"]}
_META: Final[Schema] = {"anyOf": [{"$ref": "#/components/schemas/SeldonMeta"}, _NULL]}
_NUMBER_TEXT: Final = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_NO_NUL: Final = r"^[^\u0000]*$"
_TIME: Final = (
    r"^(19[89][0-9]|20[0-2][0-9])-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$"
)
_EXAMPLE_TIME: Final = "2026-05-01T12:00:00Z"


def cell(column: Column) -> Schema:
    """Describe a cell of a column where JSON says nothing of its type."""
    forms = [_spelled(column), *_OTHER_SPELLINGS[column.kind](column)]
    if column.nullable:
        forms += [_NULL, {"enum": list(MISSING)}]
    return {"anyOf": forms}


def typed_cell(column: Column) -> Schema:
    """Describe a cell of a column where its datatype is given with it."""
    if not column.nullable:
        return _spelled(column)
    texts = [{"enum": list(MISSING)}] if DATATYPES[column.kind] == "BYTES" else []
    return {"anyOf": [_spelled(column), _NULL, *texts]}


def _spelled(column: Column) -> Schema:
    """Describe a value of a column in its own type."""
    if column.kind == "numeric":
        low = -_LARGEST if column.minimum is None else column.minimum
        high = _LARGEST if column.maximum is None else column.maximum
        return {"type": "number", "minimum": low, "maximum": high}
    if column.kind == "boolean":
        return {"type": "boolean"}
    if column.kind == "datetime":
        return {"type": "string", "pattern": _TIME}
    if column.allowed is not None:
        return {"enum": list(column.allowed)}
    return {"type": "string", "pattern": _NO_NUL, "not": {"enum": list(MISSING)}}


def _other_numbers(column: Column) -> list[Schema]:
    if column.minimum is None and column.maximum is None:
        return [{"type": "boolean"}, {"type": "string", "pattern": _NUMBER_TEXT}]
    low = -_LARGEST if column.minimum is None else column.minimum
    high = _LARGEST if column.maximum is None else column.maximum
    return [{"enum": [spelling, text]} for spelling, text in _BITS if low <= spelling <= high]


def _other_categories(column: Column) -> list[Schema]:
    return [] if column.allowed is not None else [_NUMBER, {"type": "boolean"}]


# A bool is a number to those who write it so.
_BITS: Final = ((False, "0"), (True, "1"))
_TRUTHS: Final = (0, 1, *TRUE, *FALSE, *map(str.upper, (*TRUE[:-1], *FALSE[:-1])), "True", "False")
_OTHER_SPELLINGS: Final[dict[str, Callable[[Column], list[Schema]]]] = {
    "numeric": _other_numbers,
    "boolean": lambda _: [{"enum": list(_TRUTHS)}],
    "datetime": lambda _: [],
    "categorical": _other_categories,
}


def example_cell(column: Column) -> Any:
    """Give a cell that a column takes."""
    if column.kind == "numeric":
        if column.minimum is not None:
            return column.minimum
        return 1.5 if column.maximum is None else min(1.5, column.maximum)
    if column.kind == "boolean":
        return True
    if column.kind == "datetime":
        return _EXAMPLE_TIME
    known = column.categories if column.allowed is None else column.allowed
    return known[0] if known else "a"


def _row(signature: Signature) -> Schema:
    cells = [cell(column) for column in signature.columns]
    size: Schema = {"type": "array", "minItems": len(cells), "maxItems": len(cells)}
    if all(one == cells[0] for one in cells):
        return {**size, "items": cells[0]}
    return {**size, "prefixItems": cells, "items": False}


def _rows(signature: Signature) -> Schema:
    return {"type": "array", "minItems": 1, "items": _row(signature)}


def _record(signature: Signature) -> Schema:
    return {
        "type": "object",
        "properties": {column.name: cell(column) for column in signature.columns},
        "required": [column.name for column in signature.columns if not column.nullable],
        # An object without a value is no row.
        "minProperties": 1,
        "additionalProperties": False,
    }


def _names(signature: Signature, *others: Any) -> Schema:
    return {"enum": [list(signature.names), None, *others]}


def _object(required: str, properties: Schema, *, is_closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "required": [required], "properties": properties}
    return {**schema, "additionalProperties": False} if is_closed else schema


def _is_numeric(signature: Signature) -> bool:
    return all(column.kind == "numeric" for column in signature.columns)


def example_row(signature: Signature) -> list[Any]:
    """Give a row that a model takes."""
    return [example_cell(column) for column in signature.columns]


def _example_csv(signature: Signature) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(example_row(signature))
    return text.getvalue()


def seldon(signature: Signature) -> Schema:
    """Describe a Seldon message with rows."""
    text = _example_csv(signature)
    data = [
        _object(
            "ndarray",
            {
                "names": _names(signature, []),
                "ndarray": {"anyOf": [_rows(signature), _row(signature)]},
            },
            is_closed=True,
        )
    ]
    if _is_numeric(signature):
        width = len(signature.columns)
        limited = any(c.minimum is not None or c.maximum is not None for c in signature.columns)
        values: Schema = {"type": "array", "minItems": width, "maxItems": width, "items": _NUMBER}
        if limited:
            values = {"enum": [example_row(signature)]}
        tensor = {
            "type": "object",
            "required": ["shape", "values"],
            "properties": {"shape": {"enum": [[1, width]]}, "values": values},
            "additionalProperties": False,
        }
        data.append(
            _object("tensor", {"names": _names(signature, []), "tensor": tensor}, is_closed=True)
        )
    payloads: Schema = {
        "data": {"anyOf": data},
        "jsonData": {
            "anyOf": [
                _record(signature),
                {"type": "array", "minItems": 1, "items": _record(signature)},
            ]
        },
        "strData": {"enum": [text]},
        "binData": {"enum": [base64.b64encode(text.encode()).decode()]},
    }
    return {
        "anyOf": [
            _object(name, {"meta": _META, name: schema}, is_closed=True)
            for name, schema in payloads.items()
        ]
    }


def open_inference(signature: Signature) -> Schema:
    """Describe an inference request."""
    columns = [
        {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": {"enum": [column.name]},
                "shape": {"enum": [[1], [1, 1]]},
                "datatype": {"enum": [DATATYPES[column.kind]]},
                "data": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,
                    "items": typed_cell(column),
                },
            },
        }
        for column in signature.columns
    ]
    # Columns that may be missing may be left out at the end.
    needed = [place for place, column in enumerate(signature.columns, 1) if not column.nullable]
    inputs: Schema = {
        "type": "array",
        "prefixItems": columns,
        "items": False,
        "minItems": max(needed, default=1),
        "maxItems": len(columns),
    }
    wanted = list(OUTPUTS if signature.classes else (OUTPUTS[0], OUTPUTS[2]))
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"enum": wanted}},
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"], "maxLength": MAX_ID_LENGTH},
            "parameters": _OPTIONAL_OBJECT,
            "inputs": inputs,
            "outputs": {
                "anyOf": [{"type": "array", "maxItems": 1, "items": output}, _NULL],
            },
        },
    }


def mlflow(signature: Signature) -> Schema:
    """Describe a scoring request."""
    params = {"params": _OPTIONAL_OBJECT}
    records = {"type": "array", "minItems": 1, "items": _record(signature)}
    numbered = list(range(len(signature.columns)))
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": _names(signature, numbered), "data": _rows(signature)},
    }
    forms: Schema = {
        "dataframe_split": split,
        "dataframe_records": records,
        "inputs": {"anyOf": [_rows(signature), records]},
        "instances": {"anyOf": [_rows(signature), records]},
    }
    return {"anyOf": [_object(name, {**params, name: schema}) for name, schema in forms.items()]}


def feedback(signature: Signature) -> Schema:
    """Describe feedback: a reward, or what was true for the rows of an answer.

    The request may come along; its rows are read and not scored, so nothing is promised of them.
    """
    true: Schema = {"anyOf": [_NUMBER, {"type": "string", "pattern": _NUMBER_TEXT}]}
    if signature.classes:
        # Also a class that the model does not know yet.
        true = {"type": ["string", "number", "boolean", "null"]}
    one: Schema = {"type": "array", "minItems": 1, "maxItems": 1, "items": true}
    truth = _object(
        "data",
        {
            "data": _object(
                "ndarray",
                {
                    "names": {"enum": [[signature.target], None, []]},
                    "ndarray": {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]},
                },
                is_closed=True,
            )
        },
        is_closed=True,
    )
    # Of an answer only this is read; whatever else it had may stay.
    puid = {"type": ["string", "null"], "maxLength": MAX_ID_LENGTH}
    routes = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
    routing = {"type": ["object", "null"], "additionalProperties": routes}
    meta = {"type": ["object", "null"], "properties": {"puid": puid, "routing": routing}}
    named = {
        "type": "object",
        "required": ["puid"],
        "properties": {
            "puid": {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH},
            "routing": routing,
        },
    }
    return {
        "anyOf": [
            {
                "type": "object",
                "required": ["reward"],
                "properties": {
                    "response": {"type": ["object", "null"], "properties": {"meta": meta}},
                    "reward": _NUMBER,
                },
            },
            {
                "type": "object",
                "required": ["response", "truth"],
                "properties": {
                    "response": _object("meta", {"meta": named}),
                    "truth": truth,
                },
            },
        ]
    }


def examples(signature: Signature) -> dict[str, Any]:
    """Give a request of every protocol that the model takes, by the protocol's name."""
    row, names = example_row(signature), list(signature.names)
    inputs = [
        {"name": column.name, "shape": [1, 1], "datatype": DATATYPES[column.kind], "data": [value]}
        for column, value in zip(signature.columns, row, strict=True)
    ]
    return {
        "seldon": {"data": {"names": names, "ndarray": [row]}},
        "open_inference": {"inputs": inputs},
        "mlflow": {"dataframe_split": {"columns": names, "data": [row]}},
    }
