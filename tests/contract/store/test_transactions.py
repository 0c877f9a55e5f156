"""Several records or none, in any thread, with the files following the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.store.histories import Row, add_rows, decision, specification, trigger

from iris_ct.adapters.store import SqlStore

pytestmark = pytest.mark.integration


class _StopError(Exception):
    """Ends a transaction from outside the store."""


def fail_after(store: SqlStore, work: Callable[[], object]) -> None:
    """Do the work in a transaction that fails at its end."""
    with store.transactions.begin():
        work()
        raise _StopError


def test_a_transaction_that_fails_leaves_nothing_of_any_store(store: SqlStore) -> None:
    def work() -> None:
        store.decisions.record(decision("d1"))
        store.cycles.open_or_join(trigger(), spec_digest="s")

    with pytest.raises(_StopError):
        fail_after(store, work)
    assert store.decisions.get("d1") is None
    assert store.cycles.open_cycle("bikes") is None


def test_nested_transactions_join_the_outer_one(store: SqlStore) -> None:
    def work() -> None:
        with store.transactions.begin():
            store.decisions.record(decision("d1"))
        assert store.decisions.get("d1") is not None

    with pytest.raises(_StopError):
        fail_after(store, work)
    assert store.decisions.get("d1") is None


@pytest.mark.threads
def test_a_transaction_belongs_to_its_thread(store: SqlStore) -> None:
    """Another thread neither joins it nor sees what is not committed yet."""
    seen: list[object] = []
    with store.transactions.begin():
        store.decisions.record(decision("d1"))
        reader = threading.Thread(target=lambda: seen.append(store.decisions.get("d1")))
        reader.start()
        reader.join(60)
    assert seen == [None]
    assert store.decisions.get("d1") is not None


def test_a_batch_whose_transaction_fails_leaves_no_file(store: SqlStore, tmp_path: Path) -> None:
    with pytest.raises(_StopError):
        fail_after(store, lambda: add_rows(store, specification(), [Row("a", 1, 1.0)]))
    assert store.batches.newest_seq("bikes") == 0
    assert list((tmp_path / "home").rglob("*.parquet")) == []
    assert list((tmp_path / "home").rglob("*.part")) == []


def test_the_store_works_on_after_a_failed_transaction(store: SqlStore) -> None:
    with pytest.raises(_StopError):
        fail_after(store, lambda: None)
    assert store.decisions.record(decision("d1")) == decision("d1")
