"""A batch that cannot be stored is named with since when and why, without the values of rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.integration.source.orders import MODEL, START, Orders

from iris_ct.core.errors import StoreUnavailableError
from iris_ct.flow.standstill import Standstill, note_failed_batch, standstill

pytestmark = pytest.mark.integration


def still(orders: Orders) -> Standstill | None:
    return standstill(MODEL, files=orders.files, store=orders.store, now=orders.clock.now())


def fail(orders: Orders, path: str, error: Exception) -> None:
    note_failed_batch(MODEL, path, error, store=orders.store, clock=orders.clock)


def read_one(orders: Orders, one: int) -> str:
    orders.insert(one)
    orders.clock.pass_by(minutes=1)
    (batch,) = orders.read()
    assert batch.path is not None
    return batch.path


def test_a_batch_that_waits_is_none_until_it_should_have_been_stored(orders: Orders) -> None:
    assert still(orders) is None
    path = read_one(orders, 1)
    assert still(orders) is None, "it may be on its way"
    orders.clock.pass_by(minutes=5)
    assert still(orders) == Standstill(MODEL, path, START + timedelta(minutes=1), 1, None)
    (orders.home / path).unlink()
    assert still(orders) is None


def test_the_newest_reason_counts_and_each_change_of_it_is_told_once(orders: Orders) -> None:
    first = read_one(orders, 1)
    read_one(orders, 2)
    away, full = StoreUnavailableError("It is away.\nIn detail."), OSError(5, "No space", "/a")
    for error in (away, away, full, full, away):
        orders.clock.pass_by(seconds=1)
        fail(orders, first, error)
    told = [e.text for e in orders.events() if "cannot be stored" in e.text]
    name = first.rpartition("/")[2]
    assert told == [
        f"{name} cannot be stored: It is away.",
        f"{name} cannot be stored: OSError: No space (/a).",
        f"{name} cannot be stored: It is away.",
    ]
    found = still(orders)
    assert found is not None
    assert (found.path, found.n_waiting, found.failure) == (first, 2, told[-1])
    assert "2 batches wait, the oldest since 2026-01-01 12:01:00 UTC" in found.words()


def test_texts_of_foreign_errors_are_not_told_for_they_may_hold_values(orders: Orders) -> None:
    fail(orders, read_one(orders, 1), ValueError("'4711 Main Street' is no number"))
    found = still(orders)
    assert found is not None
    assert "4711" not in found.words()
    assert "cannot be stored: ValueError; the log" in found.words()


def test_other_files_than_batches_of_the_table_are_passed_over(orders: Orders) -> None:
    read_one(orders, 1)
    fail(orders, "store/incoming/orders/rows/another.csv", OSError(5, "No space", "/a"))
    assert still(orders) is None
