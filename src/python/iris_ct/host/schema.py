"""Makes the host's tables, and writes who holds them and which items there are."""

from __future__ import annotations

from sqlalchemy import Connection, delete, inspect, select
from sqlalchemy.exc import IntegrityError, ProgrammingError

from iris_ct.host.database import Database
from iris_ct.host.errors import StoreError
from iris_ct.host.lock import HolderInfo
from iris_ct.host.plan import HostPlan
from iris_ct.host.tables import SCHEMA_VERSION, holder, item, metadata


def prepare_store(database: Database) -> None:
    """Make missing tables; they may stand beside other tables in the same database.

    Raises
    ------
    StoreError
        If the tables are of another version of the host.
    """
    if not _is_complete(database):
        try:
            _make_tables(database)
        except (IntegrityError, ProgrammingError):
            # PostgreSQL: somebody else was making the same tables.
            _make_tables(database)


def _is_complete(database: Database) -> bool:
    with database.read() as connection:
        known = set(inspect(connection).get_table_names())
        if holder.name in known:
            _check_version(connection)
        return set(metadata.tables) <= known


def _make_tables(database: Database) -> None:
    with database.write() as connection:
        metadata.create_all(connection)


def write_holder(database: Database, info: HolderInfo, plan: HostPlan) -> None:
    """Write who runs the host, and what."""
    with database.write() as connection:
        connection.execute(delete(holder))
        connection.execute(
            holder.insert().values(
                id=1,
                schema_version=SCHEMA_VERSION,
                pid=info.pid,
                machine=info.machine,
                since=info.since,
            )
        )
        connection.execute(delete(item))
        for spec in plan.items.values():
            connection.execute(
                item.insert().values(
                    name=spec.name,
                    kind=spec.kind,
                    pool_size=spec.pool_size,
                    enabled=int(spec.enabled),
                )
            )


def read_kinds(database: Database) -> dict[str, str]:
    """Return the kind of each item the last host ran; empty when none ever ran."""
    with database.read() as connection:
        rows = connection.execute(select(item.c.name, item.c.kind)).all()
    return {row.name: row.kind for row in rows}


def _check_version(connection: Connection) -> None:
    found = connection.execute(select(holder.c.schema_version)).scalar()
    if found is not None and found != SCHEMA_VERSION:
        raise StoreError(
            f"The host's tables are of version {found}, this host knows version {SCHEMA_VERSION}. "
            "Use the release that wrote them, or a new store."
        )
