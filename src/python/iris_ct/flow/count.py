"""store -> drift: what is written is counted on a thread of its own, one chunk behind."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

from iris_ct.core.drift.summary import SummaryBuilder
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification
from iris_ct.flow.reference import grid_for
from iris_ct.ports import Store


class ChunkCounter:
    """Counts the rows of one batch while the next ones are read and checked.

    Owned by one reading of a file and used by its thread; leaving the block waits for the
    counting thread. At most one chunk is being counted, so memory stays bounded.

    Parameters
    ----------
    specification : Specification
        Whose rows they are; nothing is counted where it does not watch drift.
    """

    def __init__(self, specification: Specification, *, store: Store) -> None:
        self._specification, self._store = specification, store
        self._builder: SummaryBuilder | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="count")
        self._counted: Future[None] | None = None

    def __enter__(self) -> Self:
        """Give the counter itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until nothing is counted any more."""
        self._thread.shutdown()

    def add(self, rows: pl.DataFrame) -> None:
        """Take stored rows; raises what counting the rows before has raised."""
        if self._specification.drift.enabled:
            self._catch_up()
            self._counted = self._thread.submit(self._count, rows)

    def summary(self) -> bytes | None:
        """Give the summary of all rows added; None if there were none."""
        self._catch_up()
        return self._builder.build().to_bytes() if self._builder is not None else None

    def _catch_up(self) -> None:
        if self._counted is not None:
            self._counted.result()
            self._counted = None

    def _count(self, rows: pl.DataFrame) -> None:
        if self._builder is None:
            self._builder = SummaryBuilder(
                grid_for(self._specification, rows, store=self._store),
                cell_length=span_length(self._specification.cell),
                seed=self._specification.training.seed,
            )
        self._builder.add(rows)
