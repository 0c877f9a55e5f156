"""The statements by which tables are read, in the words of each database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from iris_ct.adapters.sources.table_pages import PageText, query_text, table_text
from iris_ct.adapters.store import iris_dialect
from iris_ct.core.errors import SourceError


def dialect_of(url: str) -> sa.Dialect:
    """Give the dialect of an address as its driver needs it."""
    return sa.make_url(url).get_dialect()()


SQLITE, POSTGRESQL = dialect_of("sqlite://"), dialect_of("postgresql+psycopg://")


def iris() -> sa.Dialect:
    """Give the dialect by which the store speaks to IRIS."""
    iris_dialect.register()
    return dialect_of("iris+emb:///USER")


def said(text: sa.TextClause, dialect: sa.Dialect) -> str:
    """Give a statement as its driver gets it."""
    return str(text.compile(dialect=dialect))


def page(dialect: sa.Dialect, table: str = "Shop.Orders") -> str:
    """Give the statement of a page with all its bounds."""
    text = PageText(dialect, table_text(dialect, table)).page(
        ["OrderId", "num.co"],
        id_column="OrderId",
        limit=500,
        after=True,
        until=True,
        changed="Changed",
    )
    return said(text, dialect)


def test_a_page_is_limited_by_top_on_iris() -> None:
    assert page(iris()) == (
        'SELECT TOP 500 "OrderId", "num.co" FROM Shop.Orders WHERE "OrderId" > ? '
        'AND "OrderId" <= ? AND "Changed" > ? ORDER BY "OrderId"'
    )


def test_a_page_is_limited_by_limit_elsewhere() -> None:
    assert page(SQLITE) == (
        'SELECT "OrderId", "num.co" FROM Shop.Orders WHERE "OrderId" > ? '
        'AND "OrderId" <= ? AND "Changed" > ? ORDER BY "OrderId" LIMIT 500'
    )
    assert page(POSTGRESQL) == (
        'SELECT "OrderId", "num.co" FROM Shop.Orders WHERE "OrderId" > %(after)s '
        'AND "OrderId" <= %(until)s AND "Changed" > %(changed)s ORDER BY "OrderId" LIMIT 500'
    )


def test_a_first_page_has_no_bounds() -> None:
    text = PageText(SQLITE, "orders").page(["a"], id_column="b", limit=1)
    assert said(text, SQLITE) == 'SELECT "a" FROM orders ORDER BY "b" LIMIT 1'


def test_the_other_statements_limit_nothing() -> None:
    for dialect in (SQLITE, POSTGRESQL, iris()):
        text = PageText(dialect, "orders")
        assert said(text.look(), dialect) == "SELECT * FROM orders WHERE 1 = 0"
        assert said(text.newest("v"), dialect) == 'SELECT MAX("v") FROM orders'
        assert said(text.all(["a"]), dialect) == 'SELECT "a" FROM orders'


def test_the_row_id_of_iris_is_not_quoted() -> None:
    text = PageText(iris(), "Shop.Orders").page(["%ID"], id_column="%ID", limit=2, after=True)
    assert said(text, iris()) == "SELECT TOP 2 %ID FROM Shop.Orders WHERE %ID > ? ORDER BY %ID"


def test_a_query_stands_where_a_table_stands() -> None:
    query = "SELECT a, b FROM t WHERE c LIKE 'x:%' AND d = '1::2'"
    for dialect, percent in ((SQLITE, "%"), (iris(), "%"), (POSTGRESQL, "%%")):
        text = PageText(dialect, query_text(query)).look()
        assert said(text, dialect) == (
            f"SELECT * FROM ({query.replace('%', percent)}) source_rows WHERE 1 = 0"
        )


@pytest.mark.parametrize("column", ['a" FROM secret --', "a`", "a\x00b"])
def test_a_name_that_could_end_its_quotes_is_refused(column: str) -> None:
    with pytest.raises(SourceError, match="has a quote in its name"):
        PageText(SQLITE, "orders").name(column)


@pytest.mark.parametrize("table", ["a; DROP TABLE b", "a b", "a.b.c", "(SELECT 1)", '"a""b"', ""])
def test_a_name_that_is_no_table_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a table"):
        table_text(SQLITE, table)


def test_a_database_whose_words_are_not_known_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match="Tables of oracle cannot be read in pages"):
        PageText(dialect_of("oracle://"), "orders")
