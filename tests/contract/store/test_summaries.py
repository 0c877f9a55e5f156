"""Drift summaries, grids, references and reports."""

from __future__ import annotations

import pytest
from tests.contract.store.histories import Row, add_rows, specification

from iris_ct.adapters.store import SqlStore

pytestmark = pytest.mark.integration


def test_the_first_grid_wins(store: SqlStore) -> None:
    assert store.summaries.grid("bikes", "s") is None
    for grid in (b"first", b"second"):
        store.summaries.save_grid("bikes", "s", grid)
    assert store.summaries.grid("bikes", "s") == b"first"
    assert store.summaries.grid("bikes", "other") is None


def test_summaries_of_batches_that_overlap_the_window_are_given_by_arrival(
    store: SqlStore,
) -> None:
    spec = specification()
    for positions, content in (((5, 9), b"one"), ((1, 4), b"two"), ((9, 12), b"three")):
        add_rows(store, spec, [Row(f"k{p}", p, 1.0) for p in positions], summary=content)

    def overlapping(first: int, last: int, as_of_seq: int = 9) -> list[bytes]:
        return store.summaries.overlapping(
            "bikes", from_position=first, to_position=last, as_of_seq=as_of_seq
        )

    assert overlapping(0, 100) == [b"one", b"two", b"three"]
    assert overlapping(9, 9) == [b"one", b"three"]
    assert overlapping(4, 5, as_of_seq=1) == [b"one"]
    assert overlapping(13, 20) == []


def test_the_first_reference_of_a_version_stays(store: SqlStore) -> None:
    for content in (b"first", b"second"):
        store.summaries.save_reference("bikes", 1, content)
    assert store.summaries.reference("bikes", 1) == b"first"
    assert store.summaries.reference("bikes", 2) is None


def test_reports_are_listed_newest_first(store: SqlStore) -> None:
    one, two, three = '{"n":1}', '{"n":2}', '{"n":3}'
    for report, content in (("r1", one), ("r2", two), ("r1", "{}"), ("r3", three)):
        store.summaries.save_report("bikes", report, "bikes-000001", content)
    store.summaries.save_report("loans", "r4", "loans-000001", "{}")
    assert store.summaries.reports("bikes") == [three]
    assert store.summaries.reports("bikes", newest=9) == [three, two, one]
    assert store.summaries.reports("nobody") == []
