"""JSON schemas of the requests that one model takes, in every protocol, made of its signature.

They describe what is surely taken: one form of every kind, with the columns in their declared
order. The codecs take more than that, such as raw bytes and forms, which the descriptions say in
words.
"""

from __future__ import annotations

import base64
import csv
import io
from typing import Any, Final

from iris_ct.core.scoring.signature import Column, Signature
from iris_ct.core.wire.exchange import MAX_ID_LENGTH
from iris_ct.core.wire.open_inference_outputs import DATATYPES, OUTPUTS

Schema = dict[str, Any]

# Numbers beyond these are no numbers of a measurement, and sums of squares of them overflow.
_LARGE: Final = 1e150
_NULL: Final[Schema] = {"type": "null"}
_OPTIONAL_OBJECT: Final[Schema] = {"type": ["object", "null"]}
# Spelled with an offset, so that no time zone matters.
_TIME: Final = r"^20[0-9]{2}-0[1-9]-[012][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
_EXAMPLE_TIME: Final = "2026-05-01T12:00:00Z"


def cell(column: Column) -> Schema:
    """Describe a cell of a column."""
    kind: Schema
    if column.kind == "numeric":
        low = -_LARGE if column.minimum is None else column.minimum
        high = _LARGE if column.maximum is None else column.maximum
        kind = {"type": "number", "minimum": low, "maximum": high}
    elif column.kind == "boolean":
        kind = {"type": "boolean"}
    elif column.kind == "datetime":
        kind = {"type": "string", "pattern": _TIME}
    else:
        known = column.categories if column.allowed is None else column.allowed
        kind = {"type": "string", "enum": list(known)} if known else {"type": "string"}
    return {"anyOf": [kind, _NULL]} if column.nullable else kind


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
    required = [column.name for column in signature.columns if not column.nullable]
    return {
        "type": "object",
        "properties": {column.name: cell(column) for column in signature.columns},
        # An object without a value is no row.
        "required": required or [signature.names[0]],
        "additionalProperties": False,
    }


def _names(signature: Signature) -> Schema:
    return {"enum": [list(signature.names)]}


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
            {"names": _names(signature), "ndarray": _rows(signature)},
            is_closed=True,
        )
    ]
    if _is_numeric(signature):
        width = len(signature.columns)
        number = {"type": "number", "minimum": -_LARGE, "maximum": _LARGE}
        limited = any(c.minimum is not None or c.maximum is not None for c in signature.columns)
        values: Schema = {"type": "array", "minItems": width, "maxItems": width, "items": number}
        if limited:
            values = {"enum": [example_row(signature)]}
        tensor = {
            "type": "object",
            "required": ["shape", "values"],
            "properties": {"shape": {"enum": [[1, width]]}, "values": values},
            "additionalProperties": False,
        }
        data.append(
            _object("tensor", {"names": _names(signature), "tensor": tensor}, is_closed=True)
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
    meta = {"$ref": "#/components/schemas/SeldonMeta"}
    return {
        "anyOf": [
            _object(name, {"meta": meta, name: schema}, is_closed=True)
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
                "data": {"type": "array", "minItems": 1, "maxItems": 1, "items": cell(column)},
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
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {"columns": _names(signature), "data": _rows(signature)},
    }
    forms: Schema = {
        "dataframe_split": split,
        "dataframe_records": records,
        "inputs": {"anyOf": [_rows(signature), records]},
        "instances": {"anyOf": [_rows(signature), records]},
    }
    return {"anyOf": [_object(name, {**params, name: schema}) for name, schema in forms.items()]}


def feedback(signature: Signature) -> Schema:
    """Describe feedback: a reward, or what was true for the rows of an answer."""
    true: Schema = {"type": "number", "minimum": -_LARGE, "maximum": _LARGE}
    if signature.classes:
        true = {"type": "string", "enum": list(signature.classes)}
    truth = _object(
        "data",
        {
            "data": _object(
                "ndarray",
                {
                    "names": {"enum": [[signature.target]]},
                    "ndarray": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {"type": "array", "minItems": 1, "maxItems": 1, "items": true},
                    },
                },
                is_closed=True,
            )
        },
        is_closed=True,
    )
    response = {
        "type": "object",
        "required": ["meta"],
        "properties": {"meta": {"$ref": "#/components/schemas/SeldonMeta"}},
    }
    return {
        "type": "object",
        "required": ["response"],
        "properties": {
            "request": seldon(signature),
            "response": response,
            "reward": {"type": "number", "minimum": -_LARGE, "maximum": _LARGE},
            "truth": truth,
        },
        "anyOf": [{"required": ["reward"]}, {"required": ["truth"]}],
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
