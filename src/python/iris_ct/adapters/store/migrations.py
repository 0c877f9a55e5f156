"""Numbered steps that bring a database to the tables and views of this release.

A fresh database gets all tables at once and every number; an older one gets the missing steps.
Views hold nothing, so all are made anew whenever a step is taken. What is written here is never
changed after a release, only appended to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from iris_ct.adapters.store import steps as did
from iris_ct.adapters.store import tables, views
from iris_ct.adapters.store.engine import Database
from iris_ct.core.errors import StoreError


@dataclass(frozen=True)
class Migration:
    """One step; ``apply`` works on a database that has all steps before it."""

    number: int
    what: str
    apply: Callable[[sa.Connection], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "first release: all tables", tables.metadata.create_all),
    Migration(2, "columns, tables and views to look at with SQL", did.show_records),
    Migration(3, "predictions of many requests in one file", did.gather_predictions),
    Migration(4, "tables of model services and packages", did.keep_services),
)


def migrate(database: Database, steps: tuple[Migration, ...] = MIGRATIONS) -> list[int]:
    """Apply the missing steps, all or none; give their numbers.

    Safe to call from several processes at once: one applies, the others find it done.

    Raises
    ------
    StoreError
        If a newer release of the product has changed the database already.
    """
    with database.reading() as connection:
        if _applied(connection) == {step.number for step in steps}:
            # The usual case, which waits for no writer.
            return []
    with database.changing_tables() as connection:
        applied = _applied(connection)
        newest = steps[-1].number
        if applied and max(applied) > newest:
            raise StoreError(
                f"The store is at schema version {max(applied)}, this release knows versions up "
                f"to {newest}: a newer release has used it. Install that release again, or use "
                "another home (CT_HOME) or database (CT_STORE_URL)."
            )
        missing = [step for step in steps if step.number not in applied]
        if not missing:
            return []
        views.drop(connection)
        if not applied:
            tables.metadata.create_all(connection)
        for step in missing:
            if applied:
                step.apply(connection)
        views.create(connection)
        # Last, since on IRIS tables are made outside the transaction: what breaks off is repeated.
        for step in missing:
            connection.execute(
                sa.insert(tables.migration).values(
                    number=step.number, what=step.what, applied_at=datetime.now(UTC)
                )
            )
        return [step.number for step in missing]


def _applied(connection: sa.Connection) -> set[int]:
    if not sa.inspect(connection).has_table(tables.migration.name):
        return set()
    return set(connection.scalars(sa.select(tables.migration.c.number)))
