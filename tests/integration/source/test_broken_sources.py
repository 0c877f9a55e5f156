"""A table that cannot be read is told by name, once, and read again when it is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.source.orders import MODEL, Orders

from iris_ct.adapters.sources.sql_tables import SqlTables, sqlite_reader
from iris_ct.core.audit import Severity
from iris_ct.core.errors import CTError, SourceError, SourceUnavailableError
from iris_ct.core.specification import Specification
from iris_ct.flow.source import is_due

pytestmark = pytest.mark.integration

MakeOrders = Callable[..., Orders]


def with_source(specification: Specification, **changes: Any) -> Specification:
    """Change lines of [source]."""
    assert specification.source is not None
    source = specification.source.model_copy(update=changes)
    return specification.model_copy(update={"source": source})


def refusal(orders: Orders, kind: type[CTError] = SourceError) -> str:
    """Read in vain, and give the message."""
    with pytest.raises(kind) as raised:
        orders.read()
    return str(raised.value)


def failures(orders: Orders) -> list[str]:
    """List the failures that were told."""
    return [e.text for e in orders.events() if e.severity is Severity.WARNING]


def test_a_missing_table_is_named(orders: Orders) -> None:
    orders.specification = with_source(orders.specification, table="shop_order")
    assert "shop_order cannot be read" in refusal(orders)
    assert "shop_order" in str(orders.state().failure)


@pytest.mark.parametrize(("key", "name"), [("id", "order"), ("changed", "altered")])
def test_a_missing_column_of_source_is_named_with_those_there_are(
    orders: Orders, key: str, name: str
) -> None:
    orders.specification = with_source(orders.specification, **{key: name})
    assert refusal(orders) == (
        f"shop_orders has no column {name}, which source.{key} names. It has: order_id, number, "
        "item, pieces, amount, changed_at."
    )


def test_missing_columns_of_the_model_are_named_together(orders: Orders) -> None:
    orders.run("CREATE TABLE bare (order_id BIGINT, amount NUMERIC)")
    orders.specification = with_source(orders.specification, table="bare")
    assert 'bare lacks 3 of 3 columns of model "orders": number, item, pieces.' in refusal(orders)


def test_a_table_without_permission_is_named(make_orders: MakeOrders) -> None:
    orders = make_orders()
    if orders.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no users")
    orders.run("CREATE TABLE secret AS SELECT * FROM shop_orders")
    orders.run("CREATE ROLE reader")
    with orders.engine.connect() as connection:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    orders.run(f"GRANT USAGE ON SCHEMA {schema} TO reader")
    engine = sa.create_engine(orders.url)

    @sa.event.listens_for(engine, "connect")
    def _as_reader(connection: Any, _record: Any) -> None:
        connection.execute("SET ROLE reader")
        connection.commit()

    orders.tables = SqlTables(lambda _: engine)
    orders.specification = with_source(orders.specification, table="secret")
    try:
        assert "InsufficientPrivilege" in refusal(orders)
    finally:
        engine.dispose()


def test_an_absent_database_is_tried_again(orders: Orders, tmp_path: Path) -> None:
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    orders.tables, there = SqlTables(lambda _: away), orders.tables
    assert "does not answer" in refusal(orders, SourceUnavailableError)
    orders.tables = there
    orders.insert(1)
    assert orders.counts() == (1, 0, 0)


def test_an_empty_environment_variable_is_named(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    orders.specification = with_source(orders.specification, url_env="SHOP_URL")
    assert "The environment variable SHOP_URL, which url_env names, is empty" in refusal(orders)


def test_another_database_is_read_by_its_environment_variable(
    orders: Orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INT, number TEXT, item TEXT, pieces INT)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1, 'N1', 'tea', 2)")
    engine.dispose()
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{path}")
    orders.tables = SqlTables(lambda url: sqlite_reader(url) or sa.create_engine(url))
    orders.specification = with_source(
        orders.specification, url_env="SHOP_URL", table="t", id="id"
    )
    assert orders.counts() == (1, 0, 0)
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/none.db")
    assert "There is no SQLite file" in refusal(orders)
    assert not (tmp_path / "none.db").exists()


def test_a_secret_of_an_address_is_not_told(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql+psycopg://me:hunter2@127.0.0.1:1/shop")
    orders.tables = SqlTables(sa.create_engine)
    orders.specification = with_source(orders.specification, url_env="SHOP_URL")
    assert "hunter2" not in refusal(orders, SourceUnavailableError)
    monkeypatch.setenv("SHOP_URL", "hunter2 is no address")
    assert "hunter2" not in refusal(orders)


def test_a_failure_is_told_once_and_its_end_too(orders: Orders) -> None:
    well, broken = orders.specification, with_source(orders.specification, table="nowhere")
    for _ in range(3):
        orders.specification = broken
        refusal(orders)
    assert len(failures(orders)) == 1
    assert failures(orders)[0].startswith("the table of orders cannot be read: nowhere cannot be")
    orders.specification = well
    orders.insert(1)
    orders.read()
    assert "shop_orders of orders can be read again" in [e.text for e in orders.events()]
    assert orders.state().failure is None
    orders.specification = broken
    refusal(orders)
    assert len(failures(orders)) == 2, "a new failure is news"
    assert orders.store.sources.state(MODEL) is not None


def test_no_value_of_a_row_is_told(make_orders: MakeOrders) -> None:
    """A view may fail on a value, and the database's own words then hold it."""
    orders = make_orders()
    if orders.engine.dialect.name == "sqlite":
        pytest.skip("SQLite casts whatever it finds")
    orders.run(
        "CREATE VIEW casting AS SELECT *, CAST(item AS INTEGER) AS cast_item FROM shop_orders"
    )
    orders.insert(1)
    orders.specification = with_source(
        orders.specification, table=None, query="SELECT * FROM casting WHERE cast_item < 3"
    )
    assert "tea" not in refusal(orders)
    assert "InvalidTextRepresentation 22P02" in str(orders.state().failure)


@pytest.mark.parametrize(
    ("column", "what"),
    [("number", "str"), ("amount", "Decimal"), ("changed_at", "NULL")],
)
def test_a_column_that_is_no_id_is_refused(orders: Orders, column: str, what: str) -> None:
    orders.insert(1, amount=1.5)
    orders.specification = with_source(orders.specification, id=column)
    said = refusal(orders)
    assert f"Column {column} is no row id" in said
    assert what in said or "float" in said


def test_an_id_that_is_not_unique_is_refused(orders: Orders) -> None:
    orders.insert(1, 2)
    orders.specification = with_source(orders.specification, id="pieces")
    assert "does not name each row once" in refusal(orders)


def test_another_place_is_tried_at_once_and_a_broken_one_each_time_it_is_due(
    orders: Orders,
) -> None:
    orders.insert(1)
    orders.read()

    def due() -> bool:
        source = orders.specification.source
        assert source is not None
        return is_due(source, orders.state(), now=orders.clock.now())

    assert not due()
    orders.specification = with_source(orders.specification, table="nowhere")
    assert due()
    refusal(orders)
    assert not due()
    orders.clock.pass_by(minutes=1)
    assert due()


def test_a_first_place_that_was_mended_is_tried_at_once(orders: Orders) -> None:
    well, orders.specification = (
        orders.specification,
        with_source(orders.specification, table="nowhere"),
    )
    refusal(orders)
    for specification, due in ((orders.specification, False), (well, True)):
        assert specification.source is not None
        assert is_due(specification.source, orders.state(), now=orders.clock.now()) is due
