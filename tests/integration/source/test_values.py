"""What a table holds means the same as if it had come in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.integration.source.orders import MODEL, Orders

from iris_ct.adapters.sources.inbox import Inbox
from iris_ct.core.errors import ConfigError, SourceError
from iris_ct.core.source import SourcePolicy
from iris_ct.core.specification import Specification, parse_specification

pytestmark = pytest.mark.integration

MakeOrders = Callable[..., Orders]


def of_table(table: str, **features: str) -> Specification:
    """Make a model of one table with the columns it needs."""
    return parse_specification(
        {
            "name": "orders",
            "task": "regression",
            "target": "amount",
            "features": features,
            "source": {"table": table, "id": "id"},
            "scoring": {"tables": [table]},
        },
        source="models/orders.toml",
    )


def only_batch(orders: Orders) -> pl.DataFrame:
    """Read, and give the rows of the only batch as the inbox opens it."""
    (step,) = orders.read()
    assert step.path is not None
    with Inbox(orders.home).open(MODEL, step.path) as source:
        return pl.concat(list(source))


def test_numbers_times_and_booleans_become_the_texts_of_a_file(orders: Orders) -> None:
    sqlite = orders.engine.dialect.name == "sqlite"
    zoned = "TEXT" if sqlite else "TIMESTAMP WITH TIME ZONE"
    orders.run(
        "CREATE TABLE kinds (id BIGINT, amount NUMERIC(20, 6), share DOUBLE PRECISION, "
        f"flag BOOLEAN, born DATE, seen TIMESTAMP, zoned {zoned}, word TEXT)"
    )
    orders.run(
        "INSERT INTO kinds VALUES (1, 12345678901234.5, 0.1, TRUE, '2026-01-31', "
        "'2026-01-31 12:00:00.25', '2026-01-31 13:00:00+01:00', 'ä | \"x\"\n,;')"
    )
    orders.run("INSERT INTO kinds VALUES (2, NULL, NULL, NULL, NULL, NULL, NULL, '')")
    kinds = {
        "share": "numeric",
        "flag": "boolean",
        "born": "categorical",
        "seen": "categorical",
        "zoned": "categorical",
        "word": "categorical",
    }
    orders.specification = of_table("kinds", **kinds)
    first, second = only_batch(orders).to_dicts()
    assert float(first["amount"]) == 12345678901234.5
    assert first["share"] == "0.1"
    # SQLite keeps TRUE as 1 and times as the text that was inserted.
    assert first["flag"] == ("1" if sqlite else "true")
    assert first["born"] == "2026-01-31"
    assert first["seen"] == ("2026-01-31 12:00:00.25" if sqlite else "2026-01-31 12:00:00.250000")
    assert first["zoned"] == (
        "2026-01-31 13:00:00+01:00" if sqlite else "2026-01-31 12:00:00+00:00"
    )
    assert first["word"] == 'ä | "x"\n,;'
    assert second == {**dict.fromkeys(first), "word": ""}


def test_bytes_are_refused_by_the_name_of_their_column(orders: Orders) -> None:
    kind, given = (
        ("BLOB", "X'00ff'")
        if orders.engine.dialect.name == "sqlite"
        else (
            "BYTEA",
            "'\\x00ff'",
        )
    )
    orders.run(f"CREATE TABLE pictures (id BIGINT, amount NUMERIC, picture {kind})")
    orders.run(f"INSERT INTO pictures VALUES (1, 2, {given})")
    orders.specification = of_table("pictures", picture="categorical")
    with pytest.raises(SourceError, match=r"Column picture holds values of type bytes"):
        orders.read()
    orders.specification = of_table("pictures", id="numeric")
    assert orders.counts() == (1, 0, 0), "a column that the model does not name does not matter"


def test_empty_and_missing_texts_are_missing_values_alike(orders: Orders) -> None:
    orders.insert(1, 2)
    orders.run("UPDATE shop_orders SET item = NULL WHERE order_id = 1")
    orders.run("UPDATE shop_orders SET item = '' WHERE order_id = 2")
    assert only_batch(orders)["item"].to_list() == [None, ""]


def test_names_are_found_whatever_their_case_and_letters(orders: Orders) -> None:
    orders.run('CREATE TABLE "Order Lines" ("ID" BIGINT, "num.co:x%" NUMERIC, AMOUNT NUMERIC)')
    orders.run("""INSERT INTO "Order Lines" VALUES (1, 2, 3)""")
    orders.specification = of_table('"Order Lines"', **{"num.co:x%": "numeric"})
    assert only_batch(orders).columns == ["num.co:x%", "amount"]


def test_a_query_is_read_like_a_table(orders: Orders) -> None:
    source = orders.specification.source
    assert source is not None
    query = (
        "SELECT order_id, number, item || ':%' AS item, pieces FROM shop_orders WHERE pieces > 1"
    )
    asked = SourcePolicy(query=query, id="order_id")
    orders.specification = orders.specification.model_copy(update={"source": asked})
    orders.insert(1, 2)
    orders.run("UPDATE shop_orders SET pieces = 1 WHERE order_id = 2")
    assert only_batch(orders).rows() == [("N1", "tea:%", "2")]


def test_a_table_of_scoring_is_opened_as_a_file_is(orders: Orders) -> None:
    orders.run("CREATE TABLE coming (id BIGINT, pieces INTEGER, word TEXT)")
    orders.run("INSERT INTO coming VALUES (1, 2, 'x')")
    specification = of_table("coming", pieces="numeric", word="categorical")
    with orders.tables.rows(specification, "coming") as rows:
        assert dict(rows.schema) == {"pieces": pl.String(), "word": pl.String()}
        assert pl.concat(list(rows)).rows() == [("2", "x")]
        assert len(rows.fingerprint) == 64
    with pytest.raises(ConfigError, match="lets no batch of 'shop_orders' be predicted"):
        orders.tables.rows(specification, "shop_orders")


def test_the_same_rows_make_the_same_file(make_orders: MakeOrders, tmp_path: Path) -> None:
    orders = make_orders()
    frame = pl.DataFrame({"a": ["1", None, ""] * 1000})
    first, second = orders.files.write("orders", frame), orders.files.write("orders", frame)
    assert first.read_bytes() == second.read_bytes()


def test_the_row_id_of_sqlite_serves_as_id(orders: Orders) -> None:
    if orders.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL has no lasting row id")
    orders.run("CREATE TABLE noted (pieces INTEGER, amount NUMERIC)")
    orders.run("INSERT INTO noted VALUES (1, 2), (3, 4)")
    specification = of_table("noted", pieces="numeric")
    assert specification.source is not None
    source = specification.source.model_copy(update={"id": "rowid"})
    orders.specification = specification.model_copy(update={"source": source})
    assert only_batch(orders).rows() == [("1", "2"), ("3", "4")]
