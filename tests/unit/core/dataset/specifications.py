"""Specifications for tests of rows."""

from typing import Any

from iris_ct.core.specification import Specification, parse_specification


def specification(**keys: Any) -> Specification:
    """Give a regression of ``y`` on the number ``n``, with whatever else is said."""
    content = {"name": "m", "task": "regression", "target": "y", "features": {"n": "numeric"}}
    return parse_specification(content | keys, source="models/m.toml")
