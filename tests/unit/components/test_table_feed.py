"""The service that reads tables: each batch is sent once, and one table stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
    """`ports.Tables` with three rows in each table, of which some cannot be opened."""

    broken: dict[str, Exception] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, specification: Specification) -> Iterator[SourceTable]:
        self.opened.append(specification.name)
        if specification.name in self.broken:
            raise self.broken[specification.name]
        yield _Table()

    def rows(self, specification: Specification, table: str) -> Any:
        raise NotImplementedError


class _Table:
    def page(self, *, after: int | None, until: int | None = None, **bounds: Any) -> SourcePage:
        ids = [
            one
            for one in (1, 2, 3)
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

    def restart(self) -> None:
        self.service.sent = set()


@pytest.fixture
def make_feed(tmp_path: Path) -> Callable[..., Feed]:
    """Make the service over some models."""

    def make(*models: str) -> Feed:
        service: Any = TableFeed()
        tables, sent = MemoryTables(), []
        service.parts = SimpleNamespace(
            store=SqlStore(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path, synchronous="OFF"),
            files=Files(*models),
            clock=SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC)),
            settings=SimpleNamespace(who="a test"),
            tables=tables,
            source_files=FolderSourceFiles(tmp_path),
        )
        service.sent = set()
        service.send_request_async = lambda _target, message: sent.append(message)
        return Feed(service, tables, sent)

    return make


def test_tables_are_read_by_turns_and_each_batch_is_sent_once(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed("a", "b")
    feed.service.on_poll()
    assert [message.model for message in feed.sent] == ["a", "b", "a", "b"]
    assert [message.source for message in feed.sent[::2]] == [
        "rows_of_a-000001.parquet",
        "rows_of_a-000002.parquet",
    ]
    feed.service.on_poll()
    assert len(feed.sent) == 4, "nothing is due yet, and nothing is sent again"


def test_what_was_sent_before_a_restart_is_sent_again_under_its_path(
    make_feed: Callable[..., Feed],
) -> None:
    """Nobody knows whether the message was kept; its receivers know it by the path."""
    feed = make_feed("a")
    feed.service.on_poll()
    feed.restart()
    feed.service.on_poll()
    assert [message.path for message in feed.sent[2:]] == [m.path for m in feed.sent[:2]]


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
    assert [message.model for message in feed.sent] == ["b", "b"]
    state = feed.service.parts.store.sources.state("a")
    assert (state.failure if state else None) == (
        "no table" if isinstance(error, SourceError) else None
    )
