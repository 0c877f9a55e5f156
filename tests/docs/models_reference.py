"""The reference part of docs/models.md, made from the fields themselves.

Run ``python -m tests.docs.models_reference`` after a change of a field to write it anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from iris_ct.core.specification import Feature, Specification

PAGE = Path(__file__).parents[2] / "docs/models.md"
BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"

_GROUPS = (
    "data",
    "drift",
    "trigger",
    "training",
    "gate",
    "retention",
    "tables",
    "source",
    "scoring",
)
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "table"}


def reference() -> str:
    """Give one table for the top of the file, one for features, one for each table of rules."""
    top = {n: f for n, f in Specification.model_fields.items() if n not in _GROUPS}
    parts = [_table("Top of the file", top), _table("`[features]`: each line", Feature)]
    for name in _GROUPS:
        annotation = Specification.model_fields[name].annotation
        group = next(iter(get_args(annotation)), annotation)
        assert isinstance(group, type)
        assert issubclass(group, BaseModel)
        parts.append(_table(f"`[{name}]`: {(group.__doc__ or '').strip()}", group))
    return "\n\n".join(parts)


def written() -> str:
    """Give what the page says now."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0].strip()


def _table(title: str, fields: dict[str, FieldInfo] | type[BaseModel]) -> str:
    found = fields if isinstance(fields, dict) else fields.model_fields
    lines = [
        f"### {title}",
        "",
        "| Key | Allowed | Default | Meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in found.items():
        lines.append(
            f"| `{name}` | {_allowed(field.annotation, field.metadata)} | {_default(field)} "
            f"| {field.description} |"
        )
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be said"
    value = field.get_default(call_default_factory=True)
    if value in (None, (), {}):
        return "none"
    return f"`{json.dumps(value)}`"


def _allowed(annotation: Any, metadata: list[Any]) -> str:
    arguments = get_args(annotation)
    if metadata and annotation in (int, float):
        return _NAMES[annotation] + _bounds(metadata)
    if hasattr(annotation, "__metadata__"):
        if _is_span(annotation):
            return "span"
        return _allowed(arguments[0], list(annotation.__metadata__))
    if annotation is str and any("_canonical" in repr(item) for item in metadata):
        return "span"
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin is tuple:
        inner = arguments[0]
        return "lines" if inner is Feature else f"list of {_allowed(inner, [])}"
    if origin is dict:
        return "table"
    if arguments:
        return " or ".join(_allowed(a, []) for a in arguments if a is not type(None))
    return _NAMES[annotation]


def _is_span(annotation: Any) -> bool:
    return any("_canonical" in repr(item) for item in annotation.__metadata__)


def _bounds(metadata: list[Any]) -> str:
    said = []
    for item in metadata:
        for bound in getattr(item, "metadata", None) or [item]:
            if isinstance(bound, Ge):
                said.append(f"at least {bound.ge}")
            elif isinstance(bound, Gt):
                said.append(f"above {bound.gt}")
            elif isinstance(bound, Le):
                said.append(f"at most {bound.le}")
            elif isinstance(bound, Lt):
                said.append(f"below {bound.lt}")
    return f", {', '.join(said)}" if said else ""


def main() -> None:
    """Write the reference into the page."""
    text = PAGE.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{reference()}\n\n{END}", text))


if __name__ == "__main__":
    main()
