"""docs/models.md says every key, and its examples are model files."""

import re
import tomllib
from types import UnionType
from typing import get_args

import pytest
from tests.docs.models_reference import PAGE, reference, written

from iris_ct.core.dataset.issues import MEANINGS, Code
from iris_ct.core.dataset.spelling import FALSE, MISSING, TRUE
from iris_ct.core.specification import Feature, Specification, parse_specification

EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
INGEST = (PAGE.parent / "how-it-works/ingest.md").read_text()


def test_the_reference_is_what_the_fields_say() -> None:
    """Run ``python -m tests.docs.models_reference`` to write it anew."""
    assert written() == reference()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_model_file(example: str) -> None:
    specification = parse_specification(
        {"name": "example", **tomllib.loads(example)}, source="docs/models.md"
    )
    assert specification.features


def test_the_full_example_says_every_key_that_is_not_the_name() -> None:
    content = tomllib.loads(EXAMPLES[-1])
    assert set(content) == set(Specification.model_fields) - {"name"}
    assert set().union(*(f for f in content["features"].values() if isinstance(f, dict))) == set(
        Feature.model_fields
    ) - {"name"}
    for name, field in Specification.model_fields.items():
        optional = isinstance(field.annotation, UnionType)
        kinds = get_args(field.annotation) if optional else (field.annotation,)
        keys = {key for kind in kinds for key in getattr(kind, "model_fields", {})}
        # A table excludes a query.
        assert keys - {"query"} == (set(content[name]) if keys else set()), name


@pytest.mark.parametrize("code", MEANINGS)
def test_every_reason_code_is_explained(code: Code) -> None:
    severity, meaning = MEANINGS[code]
    assert f"| `{code}` | {severity} | {meaning} |" in INGEST


def test_the_words_for_missing_and_for_booleans_are_said() -> None:
    for word in (*MISSING, *TRUE, *FALSE):
        assert f"`{word}`" in INGEST or word == ""
