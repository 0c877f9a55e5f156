"""The service that reads tables: each batch in its order, and one table stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from iris_ct.adapters.sources.source_files import FolderSourceFiles
from iris_ct.adapters.store import SqlStore
from iris_ct.components.services.tables import TableFeed
from iris_ct.core.errors import SourceError
from iris_ct.core.specification import Specification, parse_specification
from iris_ct.flow.source import waiting_batches
from iris_ct.messages import FileArrived
from iris_ct.ports import SourcePage, SourceTable


class Files:
    """Model files of some models that read a table each."""

    def __init__(self, *models: str) -> None:
        self._models = models

    def names(self) -> list[str]:
        return list(self._models)

    def read(self, model: str) -> Specification:
        content = {
            "name": model,
            "task": "regression",
            "target": "y",
            "features": {"x": "numeric"},
            "source": {"table": f"rows_of_{model}", "id": "i", "batch_rows": 2},
        }
        return parse_specification(content, source="a test")


@dataclass
class MemoryTables:
    """`ports.Tables` with some rows in each table, of which some cannot be opened."""

    n_rows: int = 3
    broken: dict[str, Exception] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, specification: Specification) -> Iterator[SourceTable]:
        self.opened.append(specification.name)
        if specification.name in self.broken:
            raise self.broken[specification.name]
        yield _Table(self.n_rows)

    def rows(self, specification: Specification, table: str) -> Any:
        raise NotImplementedError


class _Table:
    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def page(self, *, after: int | None, until: int | None = None, **bounds: Any) -> SourcePage:
        ids = [
            one
            for one in range(1, self._n_rows + 1)
            if (after is None or one > after) and (until is None or one <= until)
        ][: bounds["limit"]]
        texts = [str(one) for one in ids]
        frame = pl.DataFrame({"x": texts}, schema={"x": pl.String()})
        return SourcePage(ids, texts, [None] * len(ids), frame)

    def ids(self, *, after: int | None, until: int, limit: int) -> list[int]:
        raise NotImplementedError

    def newest_mark(self) -> str | None:
        return None


@dataclass
class Feed:
    """The service with what it sent."""

    service: Any
    tables: MemoryTables
    sent: list[FileArrived]
    home: Path
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def restart(self) -> None:
        self.service.sent = {}

    def poll(self) -> list[FileArrived]:
        """Look, and give what was sent."""
        before = len(self.sent)
        self.service.on_poll()
        return self.sent[before:]

    def store(self, *messages: FileArrived) -> None:
        """End what a message began: its file moves away."""
        for message in messages:
            (self.home / message.path).unlink()

    def waiting(self, model: str) -> int:
        parts = self.service.parts
        return len(waiting_batches(model, files=parts.source_files, store=parts.store))


@pytest.fixture
def make_feed(tmp_path: Path) -> Callable[..., Feed]:
    """Make the service over some models."""

    def make(*models: str) -> Feed:
        service: Any = TableFeed()
        feed = Feed(service, MemoryTables(), [], tmp_path)
        service.parts = SimpleNamespace(
            store=SqlStore(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path, synchronous="OFF"),
            files=Files(*models),
            clock=SimpleNamespace(now=lambda: feed.at),
            settings=SimpleNamespace(who="a test"),
            tables=feed.tables,
            source_files=FolderSourceFiles(tmp_path),
        )
        service.sent = {}
        service.send_request_async = lambda _target, message: feed.sent.append(message)
        return feed

    return make


def test_tables_are_read_by_turns_and_each_batch_is_sent_once(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed("a", "b")
    first = feed.poll()
    assert [(message.model, message.source) for message in first] == [
        ("a", "rows_of_a-000001.parquet"),
        ("b", "rows_of_b-000001.parquet"),
    ]
    assert feed.tables.opened == ["a", "b", "a", "b"]
    feed.store(*first)
    second = feed.poll()
    assert [message.source for message in second] == [
        "rows_of_a-000002.parquet",
        "rows_of_b-000002.parquet",
    ]
    feed.store(*second)
    assert feed.poll() == [], "nothing is due yet, and nothing is sent again"


def test_a_batch_that_was_not_stored_is_sent_again_before_any_later_one(
    make_feed: Callable[..., Feed],
) -> None:
    """A later one holds newer values of the same rows."""
    feed = make_feed("a")
    (first,) = feed.poll()
    assert feed.waiting("a") == 2
    feed.at += timedelta(minutes=4)
    assert feed.poll() == [], "it may be on its way"
    feed.at += timedelta(minutes=1)
    assert [message.path for message in feed.poll()] == [first.path]
    feed.store(first)
    (second,) = feed.poll()
    assert (first.source[-10:-8], second.source[-10:-8]) == ("01", "02")


def test_what_was_sent_before_a_restart_is_sent_again_under_its_path(
    make_feed: Callable[..., Feed],
) -> None:
    """Nobody knows whether the message was kept; its receivers know it by the path."""
    feed = make_feed("a")
    (before,) = feed.poll()
    feed.restart()
    (after,) = feed.poll()
    assert after.path == before.path


def test_a_table_is_read_no_further_while_some_of_its_batches_wait(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed("a")
    feed.tables.n_rows = 21
    sent = feed.poll()
    assert feed.waiting("a") == 4
    assert feed.poll() == []
    assert feed.waiting("a") == 4
    numbers = []
    while sent:
        numbers += [int(message.source[-10:-8]) for message in sent]
        feed.store(*sent)
        sent = feed.poll()
        assert feed.waiting("a") <= 4
    assert numbers == list(range(1, 12)), "21 rows, two to a batch"


@pytest.mark.parametrize("error", [SourceError("no table"), RuntimeError("unforeseen")])
def test_a_table_that_fails_does_not_keep_the_others_from_being_read(
    make_feed: Callable[..., Feed], error: Exception
) -> None:
    feed = make_feed("a", "b")
    feed.tables.broken["a"] = error
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError, match="unforeseen"):
            feed.service.on_poll()
    else:
        feed.service.on_poll()
    assert [message.model for message in feed.sent] == ["b"]
    state = feed.service.parts.store.sources.state("a")
    assert (state.failure if state else None) == (
        "no table" if isinstance(error, SourceError) else None
    )
