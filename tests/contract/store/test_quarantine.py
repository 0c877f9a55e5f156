"""Held rows are listed with their reasons until they are released."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.contract.store.histories import (
    NOON,
    Row,
    add_quarantined,
    add_rows,
    frame_of,
    held_frame,
    specification,
)

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import ConflictError, StoreError

pytestmark = pytest.mark.integration


def test_held_rows_are_listed_with_counted_reasons(store: SqlStore, tmp_path: Path) -> None:
    spec = specification()
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame_of(spec, [Row("a", 1, 1.0)], 0))
        writer.write_quarantined(held_frame([["bad:x", "bad:y"], ["bad:x"]]))
        writer.write_quarantined(held_frame([["late:t"]]))
        partly = writer.commit(
            fingerprint="f", source="s", state="stored", n_labelled=1, arrived_at=NOON
        )
    wholly = add_quarantined(store, spec, [["bad:x"], []])
    first, second = store.quarantine.held("bikes")
    assert (first.batch_id, first.n_rows, first.whole_batch) == (partly.batch_id, 3, False)
    assert first.reasons == {"bad:x": 2, "bad:y": 1, "late:t": 1}
    assert (second.batch_id, second.n_rows, second.whole_batch) == (wholly.batch_id, 2, True)
    assert (first.arrived_at, first.released) == (NOON, False)
    assert first.path.is_relative_to(tmp_path / "home" / "quarantine" / "bikes")
    assert pl.read_parquet(first.path)["_place"].to_list() == [1, 2, 1]


def test_released_rows_are_held_no_more(store: SqlStore) -> None:
    spec = specification()
    held = add_quarantined(store, spec, [["bad:x"]])
    by_batch = add_rows(store, spec, [Row("a", 1, 1.0)])
    for _ in range(2):
        store.quarantine.mark_released(
            held.batch_id, by_batch=by_batch.batch_id, actor="anna", at=NOON
        )
    assert store.quarantine.held("bikes") == []
    (released,) = store.quarantine.held("bikes", released=True)
    assert released.released
    assert store.batches.counts("bikes").quarantined_rows == 0


def test_rows_are_released_by_one_batch(store: SqlStore) -> None:
    held = add_quarantined(store, specification(), [["bad:x"]])
    store.quarantine.mark_released(held.batch_id, by_batch="b1", actor="anna", at=NOON)
    with pytest.raises(ConflictError, match="released before, by b1"):
        store.quarantine.mark_released(held.batch_id, by_batch="b2", actor="anna", at=NOON)


def test_only_held_rows_can_be_released(store: SqlStore) -> None:
    batch = add_rows(store, specification(), [Row("a", 1, 1.0)])
    with pytest.raises(StoreError, match="in quarantine"):
        store.quarantine.mark_released(batch.batch_id, by_batch="b2", actor="anna", at=NOON)
