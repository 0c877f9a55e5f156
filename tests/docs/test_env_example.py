"""``.env.example`` names every setting with its sentence and its default, and nothing else.

Its second part belongs to docker-compose.yml: tests/deploy/test_compose_file.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from iris_ct.config import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def blocks() -> dict[str, tuple[str, str]]:
    """Give each variable's sentence and value, as the part for the product says them."""
    found = {}
    product = EXAMPLE.read_text(encoding="utf-8").partition("# ---- ")[0]
    for block in product.strip().split("\n\n"):
        *sentence, assignment = [line.removeprefix("# ") for line in block.splitlines()]
        if match := re.fullmatch(r"([A-Z][A-Z0-9_]*)=(.*)", assignment.strip()):
            found[match[1]] = (" ".join(sentence), match[2])
    return found


def variable(field: str) -> str:
    """Give the environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"CT_{field.upper()}"


def test_every_setting_is_there_in_the_order_of_the_settings() -> None:
    assert list(blocks()) == [variable(field) for field in Settings.model_fields]


def test_each_sentence_is_the_one_of_the_setting() -> None:
    said = {name: sentence for name, (sentence, _) in blocks().items()}
    assert said == {variable(name): f.description for name, f in Settings.model_fields.items()}


def test_each_value_is_the_default() -> None:
    """Read by the settings themselves; no value means that there is no default."""
    values = blocks()
    given = {
        variable(field): values[variable(field)][1]
        for field in Settings.model_fields
        if values[variable(field)][1]
    }
    by_field = {field: given.get(variable(field)) for field in Settings.model_fields}
    read = Settings.model_validate({k: v for k, v in by_field.items() if v is not None})
    assert read.model_dump() == {
        field: declared.default for field, declared in Settings.model_fields.items()
    }


def test_every_line_is_a_comment() -> None:
    """A copied file changes nothing until somebody edits it."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("# ")] == []
