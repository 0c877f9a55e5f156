"""What was read from a table is stored as it was read, also where rows say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.integration.source.orders import MODEL, Orders

from iris_ct.adapters.sources.inbox import Inbox
from iris_ct.core.dataset.batch import KEY
from iris_ct.core.specification import Specification
from iris_ct.flow.ingest import Arrival, Stored, ingest_file

pytestmark = pytest.mark.integration

MakeOrders = Callable[..., Orders]


class Files:
    """The model file of the orders."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def names(self) -> list[str]:
        return [MODEL]

    def read(self, model: str) -> Specification:
        return self._orders.specification


def ingest(orders: Orders, path: str) -> Stored:
    """Store a batch, as the message that names it would."""
    return ingest_file(
        Arrival(MODEL, path, "shop_orders", "rows", "", "source"),
        files=Files(orders),
        inbox=Inbox(orders.home),
        store=orders.store,
        clock=orders.clock,
    )


def poll(orders: Orders) -> Iterator[tuple[str, Stored]]:
    """Read, and store what was read."""
    orders.clock.pass_by(minutes=1)
    for step in orders.read():
        if step.path:
            yield step.path, ingest(orders, step.path)


def stored_amounts(orders: Orders, number: str) -> list[str]:
    """Give all that is stored of an order, oldest first."""
    return [
        str(float(amount))
        for batch in orders.store.batches.arrivals(MODEL)
        for frame in orders.store.batches.rows(batch)
        for known, amount in frame.select(KEY, "amount").rows()
        if known == number
    ]


def test_a_row_that_is_amended_back_and_forth_is_stored_each_time(orders: Orders) -> None:
    orders.insert(1, 2, 3)
    list(poll(orders))
    for amount in (2.0, 3.0, 2.0):
        orders.amend(2, amount)
        ((_, stored),) = poll(orders)
        assert (stored.outcome, stored.n_rows) == ("stored", 1)
    assert stored_amounts(orders, "N2") == ["1.5", "2.0", "3.0", "2.0"]


def test_rows_without_a_key_that_say_the_same_are_all_stored(make_orders: MakeOrders) -> None:
    orders = make_orders(key="")
    for one in range(1, 5):
        orders.insert(one)
        assert [stored.outcome for _, stored in poll(orders)] == ["stored"]
    assert orders.store.batches.counts(MODEL).rows == 4


def test_a_batch_that_is_sent_twice_is_stored_once(orders: Orders) -> None:
    orders.insert(1)
    ((path, first),) = poll(orders)
    assert ingest(orders, path) == first
    assert orders.store.batches.counts(MODEL).rows == 1
