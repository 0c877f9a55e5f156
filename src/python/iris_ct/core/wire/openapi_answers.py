"""JSON schemas of answers and refusals, the same for all models."""

from __future__ import annotations

from typing import Any, Final

from iris_ct.core.wire.exchange import MAX_ID_LENGTH

Schema = dict[str, Any]

_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_SHAPE: Final[Schema] = {"type": "array", "items": {"type": "integer"}}
_CELLS: Final[Schema] = {"type": "array", "items": {"type": ["number", "string"]}}


def _closed(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


SCHEMAS: Final[Schema] = {
    "SeldonMeta": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "puid": {"type": ["string", "null"], "maxLength": MAX_ID_LENGTH},
            "tags": {"type": ["object", "null"]},
            "routing": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": "integer",
                    "minimum": -(2**31),
                    "maximum": 2**31 - 1,
                },
            },
            "requestPath": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string"},
            },
            "metrics": {},
        },
    },
    "SeldonAnswer": {
        "type": "object",
        "required": ["meta"],
        "properties": {
            "meta": {"$ref": "#/components/schemas/SeldonMeta"},
            "data": {
                "type": "object",
                "required": ["names"],
                "properties": {
                    "names": _TEXTS,
                    "ndarray": {"type": "array", "items": _CELLS},
                    "tensor": _closed(
                        ["shape", "values"],
                        shape=_SHAPE,
                        values={"type": "array", "items": {"type": "number"}},
                    ),
                    "tftensor": {"type": "object"},
                },
            },
            "jsonData": {},
            "strData": {"type": "string"},
            "binData": {"type": "string"},
            "status": {"type": "object"},
        },
    },
    "SeldonRefusal": _closed(
        ["status"],
        status=_closed(
            ["code", "info", "reason", "status"],
            code={"type": "integer"},
            info={"type": "string"},
            reason={"type": "string"},
            status={"enum": ["FAILURE"]},
        ),
    ),
    "InferAnswer": _closed(
        ["model_name", "id", "outputs"],
        model_name={"type": "string"},
        model_version={"type": "string"},
        id={"type": "string"},
        outputs={
            "type": "array",
            "items": _closed(
                ["name", "shape", "datatype"],
                name={"type": "string"},
                shape=_SHAPE,
                datatype={"type": "string"},
                parameters={"type": "object"},
                data=_CELLS,
            ),
        },
    ),
    "ServerMetadata": _closed(
        ["name", "version", "extensions"],
        name={"type": "string"},
        version={"type": "string"},
        extensions=_TEXTS,
    ),
    "ModelMetadata": _closed(
        ["name", "platform", "inputs", "outputs"],
        name={"type": "string"},
        versions=_TEXTS,
        platform={"type": "string"},
        inputs={"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
        outputs={"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
    ),
    "TensorMetadata": _closed(
        ["name", "datatype", "shape"],
        name={"type": "string"},
        datatype={"type": "string"},
        shape=_SHAPE,
        parameters={"type": "object"},
    ),
    "Predictions": _closed(
        ["predictions"],
        predictions=_CELLS,
        contributions=_closed(
            ["columns", "data"], columns=_TEXTS, data={"type": "array", "items": _CELLS}
        ),
    ),
    "MlflowRefusal": _closed(
        ["error_code", "message"], error_code={"type": "string"}, message={"type": "string"}
    ),
    "Refusal": _closed(["error"], error={"type": "string"}),
    "State": {"type": "object"},
}

# Every status that a request may be refused with, and why.
REFUSALS: Final = {
    "400": "The request is not as the protocol or the model says; the text tells where.",
    "401": "No token, or not a valid one.",
    "403": "The token's role or domain does not allow it.",
    "404": "There is no such service, model or version.",
    "405": "This path has other methods; the header Allow names them.",
    "408": "The body came too slowly.",
    "411": "The body's length is not told.",
    "413": "The body is larger than allowed.",
    "415": "The Content-Type or Content-Encoding is not one that is read.",
    "429": "Too many requests; see Retry-After.",
    "500": "The server's mistake.",
    "502": "The model's process failed.",
    "503": "Nothing is ready to answer; see Retry-After.",
    "504": "The model did not answer in time.",
}
