"""The tables stay plain, and change only with a migration."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import base as postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from iris_ct.adapters.store import iris_words
from iris_ct.adapters.store.migrations import MIGRATIONS
from iris_ct.adapters.store.tables import UtcText, metadata
from iris_ct.adapters.store.views import VIEWS, compiled

# SHA-256 of the statements of each schema version, as they were released.
RELEASED = {
    1: "72724ae0bd8d550b710cd7daf5e3fd95a0a8ddaf073068b2ebe034815e03dd10",
    2: "9546014b8401873f180360e587358910f0dd088b8f948b77e75bfb221a6ffb8d",
    3: "4f24bf3dd3149d0fbd17d7c448dfe252dbd5033d8faf3f2963fdd8f4b408212e",
    4: "475f0d21f60114901a62a91b88b906435938af7a2c70dcc5dadccc05bf30a7d7",
}
# Words that some database of the product keeps for itself.
RESERVED = frozenset(
    {
        *("value", "date", "time", "timestamp", "level", "section", "user", "domain"),
        *("order", "group", "count", "key", "language", "schema", "text", "window", "rows"),
    }
)

# Of the SQL standard (2016), those that look like names of columns.
_SQL = """
    action array condition cube cycle day element end_frame equals filter function
    grouping key lateral measures member merge method month multiset new nil none object
    old one over parameter partition percent period portion position precedes precision range
    rank recursive reference ref release result return returns rollup row scope search sensitive
    similar specific start static submultiset succeeds system truncate uescape
    unknown unnest value window within without year predict probability
"""
SQL_WORDS = frozenset(_SQL.split())


def statements() -> str:
    dialect = sqlite.dialect()
    parts: list[str] = []
    for table in metadata.sorted_tables:
        parts.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        parts += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    parts += [f"CREATE VIEW {view.plain_name} AS {compiled(view, dialect)}" for view in VIEWS]
    return "\n".join(parts)


def test_a_changed_table_or_view_needs_a_migration() -> None:
    """Old databases get only what a step does: add one, then note the new digest here."""
    digest = hashlib.sha256(statements().encode()).hexdigest()
    assert RELEASED[MIGRATIONS[-1].number] == digest


def test_names_are_no_reserved_words() -> None:
    columns = {column.name for table in metadata.tables.values() for column in table.c}
    assert columns & RESERVED == set()
    assert all(name.startswith("ct_") for name in metadata.tables)


def test_columns_of_views_are_words_that_no_database_keeps_for_itself() -> None:
    """So that nobody has to quote them; IRIS' list is that of its SQL reference."""
    kept = RESERVED | iris_words.RESERVED | SQL_WORDS | postgresql.RESERVED_WORDS
    for view in VIEWS:
        assert set(view.columns) & kept == set()
        assert len(set(view.columns)) == len(view.columns)


def test_views_have_a_name_for_iris_and_a_plain_one() -> None:
    addresses = {view.address("iris"): view.address("sqlite") for view in VIEWS}
    assert addresses["CT.ModelVersion"] == "ctv_model_version"
    assert addresses["CT.Served"] == "ctv_served"
    assert len(addresses) == len(VIEWS)


def test_views_neither_order_nor_limit_nor_bind() -> None:
    for view in VIEWS:
        text = compiled(view, sqlite.dialect())
        assert not re.search(r"ORDER BY|LIMIT|JSON|[?]|:[a-z]", text, re.IGNORECASE), view.name


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
