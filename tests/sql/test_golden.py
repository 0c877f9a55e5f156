"""The reviewed statements for IRIS are those of the store, and hold nothing that IRIS lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.sql import golden
from tests.sql.listening import listening
from tests.sql.scanner import findings

from iris_ct.adapters.store.tables import metadata, model_version

SOURCE = Path(golden.__file__).parents[2] / "src" / "python" / "iris_ct"
# What talks to IRIS in statements of its own.
AT_IRIS = ("instance", "adapters/store/iris_dialect.py", "adapters/store/iris_embedded.py")
FILES = ("tables.sql", "views.sql", "statements.sql")
STATEMENT = re.compile(
    r"\s*(SELECT |INSERT INTO |UPDATE \S+ SET |DELETE FROM |SET \w+ |(CREATE|DROP|ALTER) [TVI]\w+ )"
)


def read(name: str) -> str:
    return (golden.FOLDER / name).read_text("utf-8")


def test_the_tables_are_the_reviewed_ones() -> None:
    assert read("tables.sql") == golden.told(golden.table_statements()), golden.ANEW


def test_the_views_are_the_reviewed_ones() -> None:
    assert read("views.sql") == golden.told(golden.view_statements()), golden.ANEW


def test_a_statement_of_the_store_is_heard_as_iris_gets_it() -> None:
    """The contract suite holds what it hears to ``statements.sql``."""
    engine = sa.create_engine("sqlite://")
    with listening() as heard, engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(
            sa.select(model_version.c.model).where(model_version.c.model.in_(["a", "b"]))
        )
    place = "CT_Store.ct_model_version"
    assert heard == {
        f"SELECT {place}.model \nFROM {place} \nWHERE {place}.model IN (?, ...)",
    }


@pytest.mark.parametrize("name", FILES)
def test_no_statement_holds_what_iris_lacks(name: str) -> None:
    statements = golden.statements(name)
    assert len(statements) > 5
    assert {
        said: found for said in statements if (found := findings(said.replace("...", "?")))
    } == {}


def test_no_statement_beside_them_holds_what_iris_lacks() -> None:
    """Statements written as text in what talks to IRIS."""
    found = {said: wrong for said in texts() if (wrong := findings(said))}
    assert found == {}


def test_the_texts_beside_them_are_really_looked_at() -> None:
    assert "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" in set(texts())


def texts() -> Iterator[str]:
    """Give the string constants that begin as a statement does."""
    for place in AT_IRIS:
        path = SOURCE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and STATEMENT.match(text):
                    yield text
