"""New, late, changed and deleted rows of a table are found, each once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from tests.integration.source.orders import INSERT, START, Orders, row

from iris_ct.core.audit import Severity

pytestmark = pytest.mark.integration

MakeOrders = Callable[..., Orders]
CHANGED = 'changed = "changed_at"\n'


def amounts(orders: Orders) -> dict[str, float]:
    """Read, and give the amounts of the rows handed over."""
    return {number: float(amount) for number, amount in orders.rows(orders.read())}


def test_new_rows_are_read_once(orders: Orders) -> None:
    orders.insert(1, 2, 3)
    steps = orders.read()
    assert [number for number, _ in orders.rows(steps)] == ["N1", "N2", "N3"]
    assert [(step.n_new, step.n_changed, step.n_deleted) for step in steps] == [(3, 0, 0)]
    assert orders.read() == []
    orders.insert(4)
    assert orders.counts() == (1, 0, 0)


def test_a_row_with_a_lower_id_that_is_committed_later_is_found(orders: Orders) -> None:
    """Ids are drawn when a row is inserted, and rows are committed in another order."""
    orders.insert(1)
    with orders.engine.connect() as slow, slow.begin():
        if orders.engine.dialect.name == "sqlite":
            # SQLite has one writer at a time: the lower id is drawn, but written afterwards.
            orders.insert(3)
        else:
            slow.execute(sa.text(INSERT), row(2))
            orders.insert(3)
        assert orders.counts() == (2, 0, 0), "1 and 3; 2 is not committed"
        if orders.engine.dialect.name == "sqlite":
            slow.rollback()
    if orders.engine.dialect.name == "sqlite":
        orders.insert(2)
    steps = orders.read()
    assert [number for number, _ in orders.rows(steps)] == ["N2"]
    assert orders.counts() == (0, 0, 0)


def test_a_row_that_is_lower_than_the_first_one_is_found(orders: Orders) -> None:
    orders.insert(10)
    orders.counts()
    orders.insert(-4, 0, 5)
    assert orders.counts() == (3, 0, 0)


def test_an_amended_row_of_the_window_is_handed_over_again(orders: Orders) -> None:
    orders.insert(1, 2, 3)
    orders.read()
    orders.amend(2, 9.75)
    assert amounts(orders) == {"N2": 9.75}
    assert orders.counts() == (0, 0, 0)


def test_an_amended_row_below_the_window_is_not_seen_without_a_column_that_says_so(
    make_orders: MakeOrders,
) -> None:
    orders = make_orders(source='overlap = "2 rows"')
    orders.insert(1, 2, 3, 4)
    orders.read()
    orders.amend(2, 9.0)
    orders.amend(3, 9.0)
    assert amounts(orders) == {"N3": 9.0}


def test_an_amended_row_anywhere_is_found_by_its_time_of_change(make_orders: MakeOrders) -> None:
    orders = make_orders(source=CHANGED + 'overlap = "1 rows"')
    orders.insert(*range(1, 50), changed=START - timedelta(days=3))
    orders.insert(50, changed=START)
    orders.read()
    orders.clock.pass_by(minutes=1)
    orders.amend(7, 9.0, changed=orders.clock.at)
    assert amounts(orders) == {"N7": 9.0}
    assert orders.counts() == (0, 0, 0), "told once, though it is read again until it is settled"
    orders.clock.pass_by(minutes=11)
    assert orders.counts() == (0, 0, 0)
    orders.clock.pass_by(minutes=11)
    assert orders.counts() == (0, 0, 0)
    assert orders.store.sources.seen("orders", until=49) == {}, "settled: nothing is remembered"
    orders.amend(7, 10.0, changed=orders.clock.at)
    assert amounts(orders) == {"N7": 10.0}


def test_a_change_that_is_committed_after_a_later_one_is_found(make_orders: MakeOrders) -> None:
    """Its time was taken when its transaction wrote, which ended behind that of another one."""
    orders = make_orders(source=CHANGED + 'overlap = "1 rows"')
    orders.insert(*range(1, 10), changed=START - timedelta(days=3))
    orders.read()
    for _ in range(4):
        # Time enough for all that came before to be settled.
        orders.clock.pass_by(minutes=11)
        orders.read()
    taken = orders.clock.at
    orders.clock.pass_by(minutes=1)
    orders.amend(3, 3.0, changed=orders.clock.at)
    assert amounts(orders) == {"N3": 3.0}
    orders.clock.pass_by(minutes=8)
    orders.amend(4, 4.0, changed=taken)
    assert amounts(orders) == {"N4": 4.0}


def test_a_number_that_grows_with_every_change_serves_too(make_orders: MakeOrders) -> None:
    orders = make_orders(source='changed = "version"\noverlap = "1 rows"')
    orders.run("ALTER TABLE shop_orders ADD COLUMN version BIGINT")
    orders.insert(1, 2, 3)
    orders.run("UPDATE shop_orders SET version = order_id")
    orders.read()
    orders.run("UPDATE shop_orders SET version = 4, amount = 8 WHERE order_id = 1")
    assert amounts(orders) == {"N1": 8.0}
    assert orders.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("BIGINT", 20260101, 20260102), ("DATE", "2026-01-01", "2026-01-02")],
)
def test_a_change_that_says_the_same_day_as_the_newest_one_is_found_however_late(
    make_orders: MakeOrders, kind: str, first: Any, second: Any
) -> None:
    orders = make_orders(source='changed = "day"\noverlap = "1 rows"')
    orders.run(f"ALTER TABLE shop_orders ADD COLUMN day {kind}")
    orders.insert(*range(1, 10))
    orders.run("UPDATE shop_orders SET day = :d", {"d": first})

    def passes(minutes: int) -> tuple[int, int, int]:
        orders.clock.pass_by(minutes=minutes)
        return orders.counts()

    orders.read()
    assert [passes(11) for _ in range(3)] == [(0, 0, 0)] * 3
    orders.amend(3, 9.0)
    assert passes(1) == (0, 1, 0)
    assert [passes(11) for _ in range(3)] == [(0, 0, 0)] * 3, "each is handed over once"
    orders.run("UPDATE shop_orders SET amount = 7, day = :d WHERE order_id = 4", {"d": second})
    assert passes(11) == (0, 1, 0)
    assert [passes(11) for _ in range(3)] == [(0, 0, 0)] * 3
    orders.amend(4, 8.0)
    assert passes(11) == (0, 1, 0)
    assert set(orders.store.sources.seen("orders", until=8)) == {4}, "only it can be shown again"


def test_rows_of_the_same_day_are_remembered_in_steps(make_orders: MakeOrders) -> None:
    """Many rows that outlive what is settled are written again a batch at a time."""
    orders = make_orders(source='changed = "day"\noverlap = "1 rows"\nbatch_rows = 10')
    orders.run("ALTER TABLE shop_orders ADD COLUMN day DATE")
    orders.insert(*range(1, 50))
    orders.run("UPDATE shop_orders SET day = '2026-01-01'")
    orders.read()
    orders.clock.pass_by(minutes=11)
    orders.run("UPDATE shop_orders SET day = '2026-01-03', amount = 3")
    assert orders.counts() == (0, 49, 0)
    for _ in range(4):
        orders.clock.pass_by(minutes=11)
        assert orders.counts() == (0, 0, 0)
    orders.amend(5, 9.0)
    orders.clock.pass_by(minutes=1)
    assert amounts(orders) == {"N5": 9.0}


@pytest.mark.parametrize("start", ["changed_at", "day", None])
def test_another_column_of_changes_begins_at_its_newest_value(
    make_orders: MakeOrders, start: str | None
) -> None:
    source = 'overlap = "1 rows"\nchanged = '
    orders = make_orders(source=f'{source}"{start}"' if start else 'overlap = "1 rows"')
    orders.run("ALTER TABLE shop_orders ADD COLUMN version BIGINT")
    orders.run("ALTER TABLE shop_orders ADD COLUMN day DATE")
    orders.insert(*range(1, 10), changed=START)
    orders.run("UPDATE shop_orders SET day = '2026-01-01', version = order_id")
    for _ in range(3):
        orders.read()
        orders.clock.pass_by(minutes=11)
    orders.specification = orders.specify(f'{source}"version"')
    for _ in range(3):
        orders.counts()
        orders.clock.pass_by(minutes=11)
    assert orders.state().n_new == 9, "what was read stays read"
    orders.run("UPDATE shop_orders SET version = 10, amount = 8 WHERE order_id = 2")
    assert amounts(orders) == {"N2": 8.0}
    assert orders.counts() == (0, 0, 0)


def test_only_the_digests_of_changed_rows_are_asked_for(make_orders: MakeOrders) -> None:
    """Two changes at both ends of a table that is remembered whole."""
    orders = make_orders(source=CHANGED + 'overlap = "1 rows"')
    orders.insert(*range(1, 1001), changed=START)
    orders.read()
    assert len(orders.store.sources.seen("orders")) == 1000
    for one in (1, 999):
        orders.amend(one, 9.0, changed=START + timedelta(minutes=1))
    orders.run("UPDATE shop_orders SET changed_at = NULL WHERE order_id > 1 AND order_id < 999")
    orders.clock.pass_by(minutes=5)
    fetched: list[int] = []

    @sa.event.listens_for(orders.engine, "before_cursor_execute")
    def _count(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT ct_source_row") and "IN (" in statement:
            fetched.append(len(values) - 1)

    assert orders.counts() == (0, 2, 0)
    assert fetched == [2], "ids of one statement, beside the model"


def test_a_time_far_ahead_does_not_hide_later_changes(make_orders: MakeOrders) -> None:
    orders = make_orders(source=CHANGED + 'overlap = "1 rows"')
    orders.insert(1, 2, 3, changed=START)
    orders.insert(4, changed=START + timedelta(days=3650))
    orders.insert(5, changed=START)
    orders.read()
    for _ in range(4):
        orders.clock.pass_by(minutes=11)
        assert orders.counts() == (0, 0, 0)
    orders.amend(2, 9.0, changed=orders.clock.at)
    assert amounts(orders) == {"N2": 9.0}


def test_rows_without_a_time_of_change_are_found_by_their_ids(make_orders: MakeOrders) -> None:
    orders = make_orders(source=CHANGED)
    orders.insert(1, 2)
    assert orders.counts() == (2, 0, 0)
    orders.insert(3, changed=START)
    assert orders.counts() == (1, 0, 0)


def test_a_row_that_is_touched_without_a_change_is_not_handed_over(
    make_orders: MakeOrders,
) -> None:
    orders = make_orders(source=CHANGED)
    orders.insert(1, 2, changed=START)
    orders.read()
    orders.amend(1, 1.5, changed=START + timedelta(minutes=5))
    assert orders.counts() == (0, 0, 0)


def test_a_deleted_row_of_the_window_is_noticed_once(orders: Orders) -> None:
    orders.insert(1, 2, 3)
    orders.read()
    orders.delete(1, 3)
    assert orders.counts() == (0, 0, 2)
    assert orders.counts() == (0, 0, 0)
    (event,) = [event for event in orders.events() if "gone" in event.text]
    assert event.severity is Severity.WARNING
    assert event.text == (
        "shop_orders of orders: 2 rows that were read are gone from the table; what is stored of "
        "them stays"
    )
    assert orders.state().n_deleted == 2


def test_a_row_that_comes_back_is_new(orders: Orders) -> None:
    orders.insert(1, 2)
    orders.read()
    orders.delete(1)
    assert orders.counts() == (0, 0, 1)
    orders.insert(1)
    assert orders.counts() == (1, 0, 0)


def test_a_sweep_finds_rows_anywhere_that_went_or_came_late(make_orders: MakeOrders) -> None:
    orders = make_orders(source='overlap = "2 rows"')
    orders.insert(*range(10, 110, 2))
    orders.read()
    orders.delete(20, 40, 106)
    orders.insert(3, 31, 55)
    assert orders.counts() == (0, 0, 1), "only 106 lies in the window"
    steps = orders.read(sweep=True)
    assert [number for number, _ in orders.rows(steps)] == ["N3", "N31", "N55"]
    assert sum(step.n_deleted for step in steps) == 2
    assert orders.counts(sweep=True) == (0, 0, 0)


def test_a_sweep_comes_by_itself_once_a_day(make_orders: MakeOrders) -> None:
    orders = make_orders(source='overlap = "2 rows"')
    orders.insert(*range(1, 10))
    orders.read()
    orders.delete(3)
    orders.clock.pass_by(hours=23)
    assert orders.counts() == (0, 0, 0)
    orders.clock.pass_by(hours=1)
    assert orders.counts() == (0, 0, 1)
    never = make_orders(source='overlap = "2 rows"\nsweep = "never"')
    never.clock.at = orders.clock.at + timedelta(days=30)
    never.delete(4)
    assert never.counts() == (0, 0, 0)


def test_a_sweep_of_many_pieces_takes_several_steps(make_orders: MakeOrders) -> None:
    """5,000 ids in a batch make two pieces; late rows fill batches of their own size."""
    orders = make_orders(source='overlap = "2 rows"\nbatch_rows = 5000')
    orders.run(INSERT, [row(one) for one in range(2, 24_000, 2)])
    assert orders.counts() == (11_999, 0, 0)
    late = range(1, 14_001, 2)
    orders.run(INSERT, [row(one) for one in late])
    orders.run("DELETE FROM shop_orders WHERE order_id > 6000 AND order_id <= 6100")
    steps = orders.read(sweep=True)
    assert sum(step.n_new for step in steps) == len(late) - 50
    assert sum(step.n_deleted for step in steps) == 50
    assert all(step.n_new <= 5000 for step in steps)
    assert orders.counts(sweep=True) == (0, 0, 0)


def test_an_overlap_by_time_reads_again_what_came_within_it(make_orders: MakeOrders) -> None:
    orders = make_orders(source='overlap = "30m"')
    orders.insert(10, 20)
    orders.read()
    orders.clock.pass_by(minutes=31)
    orders.insert(30)
    orders.read()
    orders.insert(5, 15)
    assert orders.counts() == (0, 0, 0), "both ids lie below what came half an hour ago"
    orders.insert(25)
    assert orders.counts() == (1, 0, 0)
    assert orders.counts(sweep=True) == (2, 0, 0)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "without key columns the stored ones cannot be corrected"),
        (
            'key = ["number"]\non_duplicate = "reject"',
            "on_duplicate = reject leaves the stored ones as they are",
        ),
    ],
)
def test_changed_rows_that_cannot_replace_stored_ones_are_told_and_not_handed_over(
    make_orders: MakeOrders, key: str, said: str
) -> None:
    orders = make_orders(key=key)
    orders.insert(1, 2)
    orders.read()
    orders.amend(1, 7.0)
    orders.insert(3)
    (step,) = orders.read()
    assert (step.n_new, step.n_changed) == (1, 1)
    assert step.path is not None
    assert pl.read_parquet(orders.home / step.path).height == 1
    (event,) = [event for event in orders.events() if said in event.text]
    assert event.severity is Severity.WARNING


def test_another_table_is_read_from_its_beginning(orders: Orders) -> None:
    orders.insert(1, 2)
    orders.read()
    orders.run("CREATE TABLE newer AS SELECT * FROM shop_orders")
    source = orders.specification.source
    assert source is not None
    moved = source.model_copy(update={"table": "newer"})
    orders.specification = orders.specification.model_copy(update={"source": moved})
    assert orders.counts() == (2, 0, 0)
    assert orders.counts() == (0, 0, 0)


def test_an_empty_table_is_no_error(orders: Orders) -> None:
    assert orders.counts() == (0, 0, 0)
    assert orders.counts(sweep=True) == (0, 0, 0)
    orders.insert(1)
    assert orders.counts() == (1, 0, 0)


def test_a_table_that_was_emptied_is_told_row_by_row_count(orders: Orders) -> None:
    orders.insert(*range(1, 20))
    orders.read()
    orders.run("DELETE FROM shop_orders")
    assert orders.counts() == (0, 0, 19)
    assert orders.counts(sweep=True) == (0, 0, 0)
    orders.insert(20)
    assert orders.counts() == (1, 0, 0)
