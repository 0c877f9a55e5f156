"""The tables stay plain, and change only with a migration."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from iris_ct.adapters.store.migrations import MIGRATIONS
from iris_ct.adapters.store.tables import UtcText, metadata

# SHA-256 of the statements of each schema version, as they were released.
RELEASED = {
    1: "72724ae0bd8d550b710cd7daf5e3fd95a0a8ddaf073068b2ebe034815e03dd10",
}
# Words that some database of the product keeps for itself.
RESERVED = frozenset(
    {
        *("value", "date", "time", "timestamp", "level", "section", "user", "domain"),
        *("order", "group", "count", "key", "language", "schema", "text", "window", "rows"),
    }
)


def statements() -> str:
    dialect = sqlite.dialect()
    parts: list[str] = []
    for table in metadata.sorted_tables:
        parts.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        parts += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return "\n".join(parts)


def test_a_changed_table_needs_a_migration() -> None:
    """Old databases get only what a step does: add one, then note the new digest here."""
    digest = hashlib.sha256(statements().encode()).hexdigest()
    assert RELEASED[MIGRATIONS[-1].number] == digest


def test_names_are_no_reserved_words() -> None:
    columns = {column.name for table in metadata.tables.values() for column in table.c}
    assert columns & RESERVED == set()
    assert all(name.startswith("ct_") for name in metadata.tables)


def test_types_are_plain() -> None:
    plain = (sa.Integer, sa.String, sa.Text, sa.Float, sa.LargeBinary, UtcText)
    for table in metadata.tables.values():
        for column in table.c:
            assert isinstance(column.type, plain), f"{table.name}.{column.name}"


def test_times_are_utc_text_of_one_length() -> None:
    """So that text order is time order, on every database."""
    kind, dialect = UtcText(), sqlite.dialect()
    vienna = timezone(timedelta(hours=1))
    written = kind.process_bind_param(datetime(2026, 1, 1, 13, tzinfo=vienna), dialect)
    assert written == "2026-01-01T12:00:00.000000+00:00"
    assert kind.process_result_value(written, dialect) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert kind.process_bind_param(None, dialect) is None


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="timezone-aware"):
        UtcText().process_bind_param(naive, sqlite.dialect())
