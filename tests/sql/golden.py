"""The store's SQL for InterSystems IRIS, gathered to be read: ``python -m tests.sql.golden``.

Writes ``golden/tables.sql`` and ``golden/views.sql`` from what the store declares, and
``golden/statements.sql`` from what it says while its contract suite runs on SQLite and, for what is
said on a server only, through the DB-API inside IRIS, which needs a PostgreSQL. A change there
is a change to review as if an IRIS administrator did: nothing else compiles these statements
for IRIS before an IRIS does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from iris_ct.adapters.store import tables, views
from iris_ct.adapters.store.iris_dialect import EmbeddedDialect

FOLDER = Path(__file__).parent / "golden"
ANEW = "review it and run python -m tests.sql.golden"
_ROOT = Path(__file__).parents[2]
_SUITE = "tests/contract/store"
# Statements of a release that no IRIS has had, and of tests rather than of the store.
_NOT = ("test_upgrade.py", "test_memory.py", "test_iris.py")
_DATABASES = ("sqlite", "iris")
_DIALECT = EmbeddedDialect()


def table_statements() -> list[str]:
    """Give what makes the tables, in the order in which they can be made."""
    made = []
    for table in tables.metadata.sorted_tables:
        made.append(_text(CreateTable(table)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made += [_text(CreateIndex(index)) for index in indexes]
    return made


def view_statements() -> list[str]:
    """Give what makes the views."""
    return [
        f"CREATE VIEW {view.address('iris')} AS {views.compiled(view, _DIALECT)}"
        for view in views.VIEWS
    ]


def store_statements() -> list[str]:
    """Run the contract suite and give what the store said, each statement once, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "statements"
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
                *("-p", "tests.sql.listening", "-k", " or ".join(_DATABASES), _SUITE),
                *(f"--ignore={_SUITE}/{name}" for name in _NOT),
            ],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "CT_STATEMENTS": str(heard)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"the contract suite failed:\n{ended.stdout[-3000:]}")
        return heard.read_text("utf-8").split("\0")


def is_gathered(test: pytest.Item) -> bool:
    """Say whether what a test of the contract suite makes the store say belongs to the file."""
    on = getattr(test, "callspec", None)
    return test.path.name not in _NOT and on is not None and on.params.get("url") in _DATABASES


def told(statements: list[str]) -> str:
    """Give a file's text: a statement, an empty line, the next one."""
    return ";\n\n".join(tidy(said) for said in statements) + ";\n"


def tidy(statement: str) -> str:
    """Give a statement as the files have it."""
    return "\n".join(line.rstrip() for line in statement.strip().split("\n"))


def statements(name: str) -> list[str]:
    """Read the statements of one golden file."""
    text = (FOLDER / name).read_text("utf-8")
    return [said.strip() for said in text.split(";\n") if said.strip()]


def main() -> None:
    """Write all files anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, said in (
        ("tables.sql", table_statements()),
        ("views.sql", view_statements()),
        ("statements.sql", store_statements()),
    ):
        (FOLDER / name).write_text(told(said), encoding="utf-8")


def _text(element: sa.schema.ExecutableDDLElement) -> str:
    return str(element.compile(dialect=_DIALECT))


if __name__ == "__main__":
    main()
