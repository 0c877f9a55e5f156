"""Whatever ends a reading or runs beside it, each row is handed over once."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.integration.source.orders import INSERT, MODEL, Orders, row

from iris_ct.adapters.sources.source_files import FolderSourceFiles
from iris_ct.core.errors import ConflictError
from iris_ct.core.specification import Specification
from iris_ct.flow.source import read_source, waiting_batches
from iris_ct.ports import SourcePage, SourceTable

pytestmark = pytest.mark.integration

MakeOrders = Callable[..., Orders]
ROOT = Path(__file__).parents[3]

# Reads in a process of its own and kills it where the first argument says.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.integration.source.orders import Orders
from iris_ct.adapters.sources.source_files import FolderSourceFiles
from iris_ct.adapters.store.sources import SqlSources

def die(*_arguments, **_named):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(method):
    def doing(*arguments, **named):
        method(*arguments, **named)
        die()
    return doing

at, url, home = sys.argv[1:]
orders = Orders(url, Path(home), source="batch_rows = 10")
if at == "file written":
    FolderSourceFiles.write = then_die(FolderSourceFiles.write)
elif at == "reading recorded":
    SqlSources.advance = then_die(SqlSources.advance)
elif at == "file placed":
    FolderSourceFiles.place = then_die(FolderSourceFiles.place)
for _ in orders.read():
    if at == "committed":
        die()
die()
"""


class Meddling:
    """`ports.Tables` that does something between two pages."""

    def __init__(self, orders: Orders, meddle: Callable[[], None]) -> None:
        self._tables, self._meddle = orders.tables, meddle

    @contextmanager
    def open(self, specification: Specification) -> Iterator[SourceTable]:
        with self._tables.open(specification) as table:
            yield _Meddled(table, self._meddle)

    def rows(self, specification: Specification, table: str) -> Any:
        return self._tables.rows(specification, table)


class _Meddled:
    def __init__(self, table: SourceTable, meddle: Callable[[], None]) -> None:
        self._table, self._meddle = table, meddle

    def page(self, **named: Any) -> SourcePage:
        page = self._table.page(**named)
        self._meddle()
        return page

    def ids(self, **named: Any) -> list[int]:
        return self._table.ids(**named)

    def newest_mark(self) -> str | None:
        return self._table.newest_mark()


class Unlocked(FolderSourceFiles):
    """`ports.SourceFiles` on a file system without locks."""

    @contextmanager
    def alone(self, model: str) -> Iterator[None]:
        yield


def make_rival(orders: Orders) -> Orders:
    """Make another reader of the same table, which does not wait for its turn."""
    rival = Orders(orders.url, orders.home)
    rival.files = Unlocked(orders.home)
    return rival


def waiting(orders: Orders) -> list[str]:
    """Give the numbers of the rows that wait to be ingested."""
    paths = waiting_batches(MODEL, files=orders.files, store=orders.store)
    return [n for path in paths for n in pl.read_parquet(orders.home / path)["number"]]


@pytest.mark.parametrize("at", ["file written", "reading recorded", "file placed", "committed"])
def test_a_reader_that_is_killed_loses_nothing_and_hands_nothing_over_twice(
    make_orders: MakeOrders, at: str
) -> None:
    orders = make_orders(source="batch_rows = 10")
    orders.insert(*range(1, 26))
    path = os.pathsep.join([str(ROOT), str(ROOT / "src" / "python")])
    died = subprocess.run(
        [sys.executable, "-c", KILLED, at, orders.url, str(orders.home)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        timeout=120,
    )
    assert died.returncode == -signal.SIGKILL
    orders.insert(26)
    orders.read()
    assert waiting(orders) == [f"N{one}" for one in range(1, 27)]
    folder = orders.home / "store/incoming" / MODEL / "table"
    placed = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    assert placed == {Path(path).name for path in orders.state().pending}


def test_a_batch_that_was_ingested_waits_no_more(orders: Orders) -> None:
    orders.insert(1)
    (step,) = orders.read()
    assert step.path is not None
    (orders.home / step.path).unlink()
    assert waiting(orders) == []
    orders.insert(2)
    orders.read()
    assert waiting(orders) == ["N2"]
    assert len(orders.state().pending) == 1


def test_two_readers_at_once_hand_each_row_over_once(make_orders: MakeOrders) -> None:
    """They take turns, step by step."""
    first = make_orders(source="batch_rows = 100")
    second = make_orders(source="batch_rows = 100")
    first.run(INSERT, [row(one) for one in range(1, 1001)])
    barrier = threading.Barrier(2, timeout=60)
    counts: list[int] = []

    def read(orders: Orders) -> None:
        barrier.wait()
        counts.append(orders.counts()[0])

    readers = [threading.Thread(target=read, args=(orders,)) for orders in (first, second)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(120)
    assert sum(counts) == 1000
    assert sorted(waiting(first), key=lambda n: int(n[1:])) == [f"N{i}" for i in range(1, 1001)]
    assert first.counts(sweep=True) == (0, 0, 0)


def test_a_reader_that_is_overtaken_gives_up_its_rows(orders: Orders, tmp_path: Path) -> None:
    orders.insert(1, 2, 3)
    rival = make_rival(orders)
    meddled: list[int] = []

    def overtake() -> None:
        if not meddled:
            meddled.append(1)
            assert rival.counts() == (3, 0, 0)

    orders.tables = Meddling(orders, overtake)
    assert orders.counts() == (0, 0, 0)
    assert waiting(orders) == ["N1", "N2", "N3"]
    folder = orders.home / "store/incoming" / MODEL / "table"
    assert len(list(folder.glob("*.parquet"))) == 1, "the file of the slower one is gone"
    rival.close()


def test_a_reader_that_is_overtaken_each_time_says_so(orders: Orders) -> None:
    rival = make_rival(orders)

    def overtake() -> None:
        rival.clock.pass_by(minutes=1)
        rival.read()

    orders.tables = Meddling(orders, overtake)
    with pytest.raises(ConflictError, match="Somebody else has read the table of 'orders'"):
        orders.read()
    assert orders.state().failure is None, "it is no failure of the table"
    rival.close()


def test_rows_that_come_while_a_table_is_read_are_not_lost(make_orders: MakeOrders) -> None:
    orders = make_orders(source="batch_rows = 7")
    orders.insert(*range(1, 11))
    more = iter(range(11, 31))

    def insert() -> None:
        if (one := next(more, None)) is not None:
            orders.insert(one)

    if orders.engine.dialect.name == "sqlite":
        pytest.skip("SQLite shows a reader one state of the table")
    calm, orders.tables = orders.tables, Meddling(orders, insert)
    orders.read()
    orders.read()
    orders.insert(*more)
    orders.tables = calm
    orders.read()
    assert sorted(waiting(orders)) == sorted(f"N{one}" for one in range(1, 31))


def test_a_hundred_thousand_rows_are_read_in_pages(make_orders: MakeOrders) -> None:
    orders = make_orders(source="batch_rows = 20000")
    for start in range(0, 100_000, 20_000):
        orders.run(INSERT, [row(one) for one in range(start, start + 20_000)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = [
        step.n_new
        for step in read_source(
            orders.specification,
            tables=orders.tables,
            files=orders.files,
            store=orders.store,
            clock=orders.clock,
        )
    ]
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert sizes == [20_000] * 5 + [0]
    # A batch of 20,000 rows costs about 30 MB as objects; all rows would cost five times that.
    assert grown_mb < 120
    assert len(waiting(orders)) == 100_000
    with orders.engine.connect() as connection:
        packed = connection.exec_driver_sql("SELECT SUM(LENGTH(content)) FROM ct_source_ids")
        assert packed.scalar_one() < 10_000, "ids that follow one another cost next to nothing"
    assert orders.counts(sweep=True) == (0, 0, 0)
