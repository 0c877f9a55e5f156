"""Every way in which IRIS differs, as a statement or a value crosses to it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateIndex, CreateTable

from iris_ct.adapters.store import tables, views
from iris_ct.adapters.store.iris_dialect import (
    MAX_TEXT,
    EmbeddedDialect,
    RemoteDialect,
    register,
)
from iris_ct.core.errors import StoreError

DIALECT = EmbeddedDialect()
T = sa.Table(
    "ct_thing",
    sa.MetaData(),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("seq", sa.BigInteger),
    sa.Column("content", sa.Text),
)
OTHER = sa.Table("ct_other", sa.MetaData(), sa.Column("name", sa.String(64)))


def text(said: Any) -> str:
    return " ".join(str(said.compile(dialect=DIALECT)).split())


def table_of(*columns: Any) -> Any:
    return CreateTable(sa.Table("ct_thing", sa.MetaData(), *columns))


# Statements


def test_a_table_without_a_schema_is_one_of_the_store() -> None:
    assert text(sa.select(T.c.name)) == "SELECT CT_Store.ct_thing.name FROM CT_Store.ct_thing"


def test_an_alias_has_no_schema() -> None:
    it = T.alias("it")
    assert text(sa.select(it.c.name)) == "SELECT it.name FROM CT_Store.ct_thing AS it"


def test_a_schema_that_is_given_stays() -> None:
    listing = sa.table("TABLES", sa.column("TABLE_NAME"), schema="INFORMATION_SCHEMA")
    assert text(sa.select(sa.func.count()).select_from(listing)) == (
        "SELECT count(*) AS count_1 FROM INFORMATION_SCHEMA.TABLES"
    )


def test_changes_name_their_table_with_its_schema() -> None:
    assert text(sa.insert(T).values(name="a", seq=1)) == (
        "INSERT INTO CT_Store.ct_thing (name, seq) VALUES (?, ?)"
    )
    assert text(sa.update(T).where(T.c.name == "a").values(seq=T.c.seq + 1)) == (
        "UPDATE CT_Store.ct_thing SET seq=(CT_Store.ct_thing.seq + ?) "
        "WHERE CT_Store.ct_thing.name = ?"
    )
    assert text(sa.delete(T).where(T.c.name == "a")) == (
        "DELETE FROM CT_Store.ct_thing WHERE CT_Store.ct_thing.name = ?"
    )


ranked = sa.select(T, sa.func.row_number().over(order_by=T.c.seq).label("place")).subquery()


@pytest.mark.parametrize(
    "said",
    [
        sa.select(T.c.name).where(T.c.seq > 1, T.c.content.is_(None)).order_by(T.c.seq.desc()),
        sa.select(sa.func.max(T.c.seq)).where(sa.or_(T.c.name == "a", T.c.name != "")),
        sa.select(T.c.name, sa.func.sum(T.c.seq)).group_by(T.c.name),
        sa.select(T.c.name).distinct(),
        sa.select(T.c.name).where(T.c.seq > sa.select(sa.func.max(T.c.seq)).scalar_subquery() - 1),
        sa.select(ranked).where(ranked.c.place <= 5),
        sa.select(T.c.name).join(OTHER, OTHER.c.name == T.c.name),
        sa.select(T.c.name).where(T.c.name.in_(["a", "b"])),
        sa.text("SELECT TOP 5 a FROM Their.Table ORDER BY a"),
    ],
    ids=lambda said: str(said).split("\n")[0][:40],
)
def test_what_the_store_says_compiles(said: Any) -> None:
    assert '"' not in text(said)


REFUSED: dict[str, Callable[[], Any]] = {
    "LIMIT": lambda: sa.select(T.c.name).order_by(T.c.name).limit(5),
    "OFFSET": lambda: sa.select(T.c.name).offset(5),
    "FETCH FIRST": lambda: sa.select(T.c.name).fetch(5),
    "FOR UPDATE": lambda: sa.select(T.c.name).with_for_update(skip_locked=True),
    "HAVING": lambda: sa.select(T.c.name).group_by(T.c.name).having(sa.func.count() > 1),
    "cte": lambda: sa.select(sa.select(T.c.name).cte("newest").c.name),
    "RETURNING": lambda: sa.insert(T).values(name="a").returning(T.c.seq),
    "RETURNING of an update": lambda: sa.update(T).values(seq=1).returning(T.c.seq),
    "VALUES of several rows": lambda: sa.insert(T).values([{"name": "a"}, {"name": "b"}]),
    "INSERT from SELECT": lambda: sa.insert(T).from_select(["name"], sa.select(OTHER.c.name)),
    "an upsert of PostgreSQL": lambda: (
        postgresql.insert(T).values(name="a").on_conflict_do_nothing()
    ),
    "an upsert of SQLite": lambda: sqlite.insert(T).values(name="a").on_conflict_do_nothing(),
    "a prefix": lambda: sa.insert(T).values(name="a").prefix_with("OR IGNORE"),
    "compound_select": lambda: sa.select(T.c.name).union(sa.select(OTHER.c.name)),
    "ilike": lambda: sa.select(T.c.name).where(T.c.name.ilike("a%")),
    "like": lambda: sa.select(T.c.name).where(T.c.name.like("a%")),
    "contains": lambda: sa.select(T.c.name).where(T.c.name.contains("a")),
    "regular expressions": lambda: sa.select(T.c.name).where(T.c.name.regexp_match("a")),
    "NOT IN": lambda: sa.select(T.c.name).where(T.c.name.not_in(["a"])),
    "concatenation": lambda: sa.select(T.c.name + "a"),
    "division": lambda: sa.select(T.c.seq / 2),
    "the remainder": lambda: sa.select(T.c.seq % 2),
    "is distinct from": lambda: sa.select(T.c.name).where(T.c.name.is_distinct_from("a")),
    "NULLS LAST": lambda: sa.select(T.c.name).order_by(T.c.seq.nulls_last()),
    "a cast": lambda: sa.select(sa.cast(T.c.seq, sa.String(20))),
    "true": lambda: sa.select(T.c.name).where(sa.true()),
    "tuples": lambda: sa.select(T.c.name).where(sa.tuple_(T.c.name, T.c.seq) == ("a", 1)),
    "a collation": lambda: sa.select(sa.collate(T.c.name, "C")),
    "lateral": lambda: sa.select(sa.select(OTHER.c.name).lateral().c.name),
    "a filter": lambda: sa.select(sa.func.count().filter(T.c.seq > 1)),
    "another function": lambda: sa.select(sa.func.now()),
    "JSON": lambda: sa.select(sa.cast(T.c.content, sa.JSON)["a"]),
    "SQL as text": lambda: sa.select(T.c.name).where(sa.text("seq > 1")),
    "an operator of one's own": lambda: sa.select(T.c.name).where(T.c.name.op("%STARTSWITH")("a")),
    "UPDATE of a join": lambda: sa.update(T).where(T.c.name == OTHER.c.name).values(seq=1),
    "DELETE from a join": lambda: sa.delete(T).where(T.c.name == OTHER.c.name),
}


@pytest.mark.parametrize("construct", list(REFUSED))
def test_what_is_not_known_to_work_is_refused(construct: str) -> None:
    with pytest.raises((CompileError, sa.exc.UnsupportedCompilationError)):
        text(REFUSED[construct]())


def test_a_refusal_says_what_and_what_to_do() -> None:
    with pytest.raises(
        CompileError, match=r"^IRIS: LIMIT is not part of .* golden statements anew"
    ):
        text(sa.select(T.c.name).limit(5))


# Names


@pytest.mark.parametrize("name", ["value", "ORDER", "Level"])
def test_reserved_words_are_refused_as_names(name: str) -> None:
    with pytest.raises(CompileError, match="reserved word"):
        text(table_of(sa.Column(name, sa.Integer)))


@pytest.mark.parametrize("name", ["a b", "a.b", "_a", "1a", "ä", "a" * 61])
def test_names_that_would_need_quotes_are_refused(name: str) -> None:
    with pytest.raises(CompileError, match="would need quotes"):
        text(table_of(sa.Column(name, sa.Integer)))


def test_names_of_customers_are_quoted() -> None:
    said = text(table_of(sa.Column(sa.quoted_name("Order no.", quote=True), sa.Integer)))
    assert '"Order no." INTEGER' in said


def test_no_table_or_column_of_the_store_has_a_reserved_name() -> None:
    for table in tables.metadata.sorted_tables:
        CreateTable(table).compile(dialect=DIALECT)
        for index in table.indexes:
            CreateIndex(index).compile(dialect=DIALECT)


# Tables


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (sa.String(64), "VARCHAR(64) COLLATE %EXACT"),
        (sa.Text(), f"VARCHAR({MAX_TEXT}) COLLATE %EXACT"),
        (sa.LargeBinary(), f"VARCHAR({MAX_TEXT}) COLLATE %EXACT"),
        (tables.UtcText(), "VARCHAR(32) COLLATE %EXACT"),
        (sa.Integer(), "INTEGER"),
        (sa.SmallInteger(), "SMALLINT"),
        (sa.BigInteger(), "BIGINT"),
        (sa.Float(53), "DOUBLE"),
        (sa.DateTime(), "TIMESTAMP"),
    ],
    ids=str,
)
def test_each_type_has_its_words(kind: Any, said: str) -> None:
    """Texts are told apart by case, and no type has a length that nobody wrote."""
    assert text(table_of(sa.Column("a", kind, nullable=False))) == (
        f"CREATE TABLE CT_Store.ct_thing ( a {said} NOT NULL )"
    )


@pytest.mark.parametrize(
    "kind", [sa.JSON(), sa.Boolean(), sa.Numeric(10, 2), sa.Uuid(), sa.String()]
)
def test_other_types_are_refused(kind: Any) -> None:
    with pytest.raises(CompileError):
        text(table_of(sa.Column("a", kind)))


def test_a_check_constraint_is_refused() -> None:
    with pytest.raises(CompileError, match="check_constraint"):
        text(table_of(sa.Column("a", sa.Integer), sa.CheckConstraint("a > 0")))


def test_a_number_that_the_database_assigns_is_refused() -> None:
    with pytest.raises(CompileError, match="the database assigns"):
        text(table_of(sa.Column("a", sa.Integer, primary_key=True)))


def test_a_default_is_written() -> None:
    said = text(table_of(sa.Column("a", sa.Integer, server_default="0", nullable=False)))
    assert "a INTEGER DEFAULT '0' NOT NULL" in said


def test_keys_refer_to_tables_of_the_store() -> None:
    said = text(CreateTable(tables.summary))
    assert "FOREIGN KEY(batch_id) REFERENCES CT_Store.ct_batch (batch_id)" in said


# Values


def sent(kind: Any, value: Any) -> Any:
    process = sa.types.to_instance(kind).dialect_impl(DIALECT).bind_processor(DIALECT)
    return process(value) if process else value


def read(kind: Any, value: Any) -> Any:
    process = sa.types.to_instance(kind).dialect_impl(DIALECT).result_processor(DIALECT, None)
    return process(value) if process else value


@pytest.mark.parametrize("kind", [sa.String(64), sa.Text()])
def test_the_empty_text_and_null_stay_apart(kind: Any) -> None:
    """IRIS' own empty string is NULL; that of SQL is character 0."""
    assert sent(kind, "") == "\x00"
    assert sent(kind, None) is None
    assert [read(kind, value) for value in ("\x00", "", None, "a")] == ["", "", None, "a"]


def test_a_text_is_sent_as_a_plain_one() -> None:
    """A subclass would reach ObjectScript as an object."""
    assert type(sent(sa.String(64), sa.quoted_name("a", quote=True))) is str


def test_a_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(StoreError, match="1,500,001 characters does not fit into IRIS"):
        sent(sa.Text(), "a" * (MAX_TEXT + 1))


def test_bytes_travel_as_text() -> None:
    content = bytes(range(256))
    written = sent(sa.LargeBinary(), content)
    assert written == base64.b64encode(content).decode()
    assert read(sa.LargeBinary(), written) == content
    assert read(sa.LargeBinary(), sent(sa.LargeBinary(), b"")) == b""
    assert sent(sa.LargeBinary(), None) is None


def test_numbers_come_back_as_what_they_were() -> None:
    """A sum may come as a decimal, a whole double as an integer."""
    assert [type(read(sa.BigInteger(), v)) for v in (5, Decimal(5), "5")] == [int] * 3
    assert [type(read(sa.Float(53), v)) for v in (5, Decimal("0.5"))] == [float] * 2
    assert type(sent(sa.SmallInteger(), True)) is int
    assert read(sa.BigInteger(), None) is None


def test_times_are_sent_in_utc_as_iris_writes_them() -> None:
    noon = datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=timezone(timedelta(hours=1)))
    assert sent(sa.DateTime(), noon) == "2026-01-31 11:00:00.000500"
    naive = noon.astimezone(UTC).replace(tzinfo=None)
    assert read(sa.DateTime(), "2026-01-31 11:00:00.0005") == naive
    assert read(sa.DateTime(), "2026-01-31 11:00:00") == naive.replace(microsecond=0)
    assert read(sa.DateTime(), naive) == naive


def test_times_of_the_store_stay_text() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert sent(tables.UtcText(), noon) == "2026-01-31T12:00:00.000000+00:00"


def test_a_time_in_a_view_is_a_timestamp() -> None:
    said = text(sa.select(views.utc_timestamp(tables.champion.c.since).label("since")))
    assert said.startswith(
        "SELECT CAST(REPLACE(SUBSTRING(CT_Store.ct_champion.since, 1, 26), 'T', ' ') AS TIMESTAMP)"
    )


# Addresses


def arguments(url: str) -> dict[str, Any]:
    register()
    address = sa.make_url(url)
    return dict(address.get_dialect()().create_connect_args(address)[1])


def test_an_address_over_the_network_is_passed_on_whole() -> None:
    assert arguments("iris://ct:secret@db.example.com:51972/IRISAPP") == {
        "hostname": "db.example.com",
        "port": 51972,
        "namespace": "IRISAPP",
        "username": "ct",
        "password": "secret",
    }
    assert arguments("iris://ct@db/IRISAPP")["port"] == 1972


@pytest.mark.parametrize("url", ["iris://db/IRISAPP", "iris://ct@db", "iris://ct@db/NS?ssl=1"])
def test_half_an_address_over_the_network_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="needs a user, a host and a namespace"):
        arguments(url)


def test_an_address_inside_iris_is_a_namespace() -> None:
    assert arguments("iris+emb:///IRISAPP") == {"namespace": "IRISAPP"}
    with pytest.raises(StoreError, match="namespace only"):
        arguments("iris+emb://db:1972/IRISAPP")


def test_the_names_lead_to_the_dialects_of_this_package() -> None:
    """Also where a package that claims them is installed."""
    register()
    assert sa.make_url("iris://ct@db/NS").get_dialect() is RemoteDialect
    assert sa.make_url("iris+emb:///NS").get_dialect() is EmbeddedDialect
