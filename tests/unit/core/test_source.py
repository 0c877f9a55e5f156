"""What [source] and [scoring] may say, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from iris_ct.core.errors import SpecificationError
from iris_ct.core.specification import Specification, changed_keys, parse_specification

BASE: dict[str, Any] = {
    "name": "orders",
    "task": "regression",
    "target": "amount",
    "features": {"pieces": "numeric"},
}


def with_source(**source: Any) -> Specification:
    """Make a specification with these lines in [source]."""
    return parse_specification({**BASE, "source": source}, source="models/orders.toml")


def test_a_table_and_its_id_are_enough() -> None:
    source = with_source(table="Shop.Orders", id="ID").source
    assert source is not None
    assert (source.overlap, source.batch_rows, source.every, source.sweep) == (
        "1000 rows",
        50_000,
        "1m",
        "1d",
    )
    assert source.url_env is None


@pytest.mark.parametrize("table", ["orders", "Shop.Orders", '"Order Lines"', 'Shop."Käse & Brot"'])
def test_names_of_tables_are_written_as_in_sql(table: str) -> None:
    assert with_source(table=table, id="ID").source is not None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("table", "orders; DROP TABLE x", "name of a table"),
        ("table", "orders WHERE 1=1", "name of a table"),
        ("table", "a.b.c", "name of a table"),
        ("table", 'x" y', "name of a table"),
        ("table", "x--", "name of a table"),
        ("id", 'id" --', "name of a column"),
        ("changed", "a\nb", "name of a column"),
        ("url_env", "postgresql://me:secret@host/db", "name of an environment variable"),
        ("overlap", "0 rows", "1 to 100000 rows"),
        ("overlap", "200000 rows", "1 to 100000 rows"),
        ("overlap", "some", "a span is"),
        ("every", "5 rows", "a duration of the clock"),
        ("sweep", "5 rows", "a duration of the clock"),
        ("batch_rows", 0, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(key: str, value: Any, said: str) -> None:
    with pytest.raises(SpecificationError, match=said) as raised:
        with_source(**{"table": "orders", "id": "ID", key: value})
    assert f"source.{key}" in str(raised.value)


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM orders", "SELECT 1; DROP TABLE x", "SELECT 1 -- x", "SELECT /* x */ 1", ""],
)
def test_a_query_is_one_select(query: str) -> None:
    with pytest.raises(SpecificationError, match="expected one SELECT"):
        with_source(query=query, id="ID")


def test_a_table_excludes_a_query() -> None:
    for said in ({"table": "a", "query": "SELECT 1"}, {}):
        with pytest.raises(SpecificationError, match="expected either table or query"):
            with_source(id="ID", **said)


def test_a_misspelt_key_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(SpecificationError, match=r"source\.overlapp: .*perhaps overlap is meant"):
        with_source(table="a", id="ID", overlapp="5 rows")


def test_a_model_file_without_a_table_keeps_its_digest() -> None:
    plain = parse_specification(BASE, source="models/orders.toml")
    assert {"source", "scoring"}.isdisjoint(plain.content())
    sourced = with_source(table="a", id="ID")
    assert changed_keys(plain, sourced) == {"source"}
    assert changed_keys(sourced, plain) == {"source"}
    assert parse_specification(sourced.content(), source="store") == sourced


def test_another_table_or_id_is_another_place_and_a_new_rhythm_is_not() -> None:
    first = with_source(table="a", id="ID").source
    assert first is not None
    same = with_source(table="a", id="ID", every="1h", changed="c", overlap="5m").source
    other = with_source(table="b", id="ID").source
    assert same is not None
    assert other is not None
    assert first.place == same.place != other.place
