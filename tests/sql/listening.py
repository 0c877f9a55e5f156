"""What the store asks its databases, in the words for IRIS.

As a plugin of pytest it writes that down: ``CT_STATEMENTS`` names the file; see `tests.sql.golden`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.iris_dialect import EmbeddedDialect

_Statement = sa.Select[Any] | sa.Insert | sa.Update | sa.Delete
_DIALECT = EmbeddedDialect()
# What `adapters.store.bulk` hands to the driver as text.
_INSERT = re.compile(r"INSERT INTO (\S+) \(([^)]*)\)")
_run = ExitStack()


def pytest_configure() -> None:
    """Begin to listen, and write at the end, each statement once, in an order of its own."""
    heard = _run.enter_context(listening())
    target = Path(os.environ["CT_STATEMENTS"])
    _run.callback(lambda: target.write_text("\0".join(sorted(heard)), encoding="utf-8"))


def pytest_unconfigure() -> None:
    """End."""
    _run.close()


@contextmanager
def listening() -> Iterator[set[str]]:
    """Gather what every engine of this process is asked until the end of the block."""
    heard: set[str] = set()

    def hear(_connection: Any, said: Any, many: Any, one: Any, _options: Any) -> None:
        if isinstance(said, _Statement):
            heard.add(_in_iris(said, list(many[0]) if many else list(one)))

    def hear_bulk(_connection: Any, _cursor: Any, said: str, *more: Any) -> None:
        context, many = more[-2:]
        inserted = _INSERT.match(said) if many and context.compiled is None else None
        if inserted is not None:
            name, columns = (text.replace('"', "") for text in inserted.groups())
            table = tables.metadata.tables[name.rpartition(".")[2]]
            heard.add(_in_iris(sa.insert(table), columns.split(", ")))

    sa.event.listen(sa.Engine, "before_execute", hear)
    sa.event.listen(sa.Engine, "before_cursor_execute", hear_bulk)
    try:
        yield heard
    finally:
        sa.event.remove(sa.Engine, "before_execute", hear)
        sa.event.remove(sa.Engine, "before_cursor_execute", hear_bulk)


def _in_iris(said: _Statement, keys: list[str]) -> str:
    compiled = said.compile(
        dialect=_DIALECT, column_keys=keys or None, compile_kwargs={"render_postcompile": True}
    )
    # A list is as long as it happens to be.
    return re.sub(r" IN \(\?(, \?)*\)", " IN (?, ...)", str(compiled))
