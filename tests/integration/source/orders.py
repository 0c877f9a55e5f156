"""A table of orders as other programs keep it, and everything that reads it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from iris_ct.adapters.sources.source_files import FolderSourceFiles
from iris_ct.adapters.sources.sql_tables import SqlTables
from iris_ct.adapters.store import SqlStore
from iris_ct.core.audit import AuditEvent
from iris_ct.core.specification import Specification, parse_specification
from iris_ct.flow.source import SourceBatch, read_source
from iris_ct.ports import SourceState, Tables

MODEL = "orders"
_TOML = """
task = "regression"
target = "amount"
{key}

[features]
item = "categorical"
pieces = "numeric"

[source]
table = "shop_orders"
id = "order_id"
{source}
"""
_TABLE = """
CREATE TABLE shop_orders (
    order_id BIGINT PRIMARY KEY, number TEXT, item TEXT, pieces INTEGER, amount NUMERIC(9, 2),
    changed_at TIMESTAMP
)
"""
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class SetClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        """Give the time that was set."""
        return self.at

    def pass_by(self, **span: float) -> None:
        """Let time pass."""
        self.at += timedelta(**span)


class Orders:
    """The table in the store's own database, and a reader of it."""

    def __init__(
        self, url: str, home: Path, *, source: str = "", key: str = 'key = ["number"]'
    ) -> None:
        self.url = url
        self.specification = self.specify(source, key=key)
        self.store = SqlStore(url, home, synchronous="OFF")
        self.engine = self.store.engine
        self.files = FolderSourceFiles(home)
        self.home, self.clock = home, SetClock()
        self.tables: Tables = SqlTables(lambda _: self.engine)
        if not sa.inspect(self.engine).has_table("shop_orders"):
            self.run(_TABLE)

    def specify(self, source: str, *, key: str = 'key = ["number"]') -> Specification:
        """Make the specification with other lines in [source]."""
        content = tomllib.loads(_TOML.format(source=source, key=key))
        return parse_specification(content | {"name": MODEL}, source="models/orders.toml")

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def run(self, statement: str, values: Any = None) -> None:
        """Run a statement in a transaction of its own, as another program would."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def insert(self, *ids: int, amount: float = 1.5, changed: datetime | None = None) -> None:
        """Insert rows; the item is tea."""
        self.run(INSERT, [row(one, amount=amount, changed=changed) for one in ids])

    def amend(self, one: int, amount: float, changed: datetime | None = None) -> None:
        """Change a row."""
        self.run(
            "UPDATE shop_orders SET amount = :a, changed_at = :c WHERE order_id = :i",
            {"a": amount, "c": stamp(changed), "i": one},
        )

    def delete(self, *ids: int) -> None:
        """Delete rows."""
        self.run("DELETE FROM shop_orders WHERE order_id = :i", [{"i": one} for one in ids])

    def read(self, *, sweep: bool = False) -> list[SourceBatch]:
        """Read until nothing is left; only the steps that found something are given."""
        steps = read_source(
            self.specification,
            tables=self.tables,
            files=self.files,
            store=self.store,
            clock=self.clock,
            sweep=sweep,
        )
        return [step for step in steps if step.path or step.n_changed or step.n_deleted]

    def counts(self, *, sweep: bool = False) -> tuple[int, int, int]:
        """Read, and count the rows that are new, changed and gone."""
        steps = self.read(sweep=sweep)
        return (
            sum(step.n_new for step in steps),
            sum(step.n_changed for step in steps),
            sum(step.n_deleted for step in steps),
        )

    def rows(self, steps: Sequence[SourceBatch]) -> list[tuple[Any, ...]]:
        """Give the rows of batches: number and amount."""
        frames = [pl.read_parquet(self.home / step.path) for step in steps if step.path]
        return [row for frame in frames for row in frame.select("number", "amount").rows()]

    def state(self) -> SourceState:
        """Give how far the table has been read."""
        state = self.store.sources.state(MODEL)
        assert state is not None
        return state

    def events(self) -> list[AuditEvent]:
        """List what was told, oldest first."""
        return self.store.audit.events(MODEL, newest=1000)


INSERT = (
    "INSERT INTO shop_orders (order_id, number, item, pieces, amount, changed_at) "
    "VALUES (:i, :n, 'tea', 2, :a, :c)"
)


def row(one: int, *, amount: float = 1.5, changed: datetime | None = None) -> dict[str, Any]:
    """Give the values of a row."""
    return {"i": one, "n": f"N{one}", "a": amount, "c": stamp(changed)}


def stamp(moment: datetime | None) -> str | None:
    """Write a time as both databases take it."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S.%f")
