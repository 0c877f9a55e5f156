"""A plugin of pytest that writes down what the store asks its database, in the words for IRIS.

``CT_STATEMENTS`` names the file to write; see `tests.sql.golden`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from iris_ct.adapters.store.iris_dialect import EmbeddedDialect

_DIALECT = EmbeddedDialect()
_statements: set[str] = set()


def pytest_configure() -> None:
    """Begin to listen."""
    sa.event.listen(sa.Engine, "before_execute", _hear)


def pytest_unconfigure() -> None:
    """Write what was heard, each statement once, in an order of its own."""
    sa.event.remove(sa.Engine, "before_execute", _hear)
    found = "\0".join(sorted(_statements))
    Path(os.environ["CT_STATEMENTS"]).write_text(found, encoding="utf-8")


def _hear(
    _connection: Any, said: Executable, many: Any, one: dict[str, Any], _options: Any
) -> None:
    if not isinstance(said, sa.Select | sa.Insert | sa.Update | sa.Delete):
        return
    keys = list(many[0]) if many else list(one)
    compiled = said.compile(
        dialect=_DIALECT, column_keys=keys or None, compile_kwargs={"render_postcompile": True}
    )
    text = str(compiled)
    if said.is_select:
        # A list is as long as it happens to be.
        text = re.sub(r" IN \(\?(, \?)*\)", " IN (?, ...)", text)
    _statements.add(text)
