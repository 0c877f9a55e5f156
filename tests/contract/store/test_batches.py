"""Arrivals: written once, found again, never changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.contract.store.histories import (
    NOON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    frame_of,
    held_frame,
    specification,
    unkeyed,
)

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import ConflictError, SchemaMismatchError, StoreError

pytestmark = pytest.mark.integration

ODD_NAMES = ["a.b", "a", "A", "two words", "rate%", "#", "it's", 'say "x"', "größe", "select"]


def test_a_batch_is_read_back_as_it_was_written(store: SqlStore) -> None:
    spec = specification(
        features={
            "x": "numeric",
            "c": "categorical",
            "b": "boolean",
            "d": {"kind": "datetime", "parts": ["hour"]},
        }
    )
    day = datetime(2020, 5, 1, 3, tzinfo=UTC)
    rows = [
        Row("a", 5, 1.5, {"x": 1.0, "c": "red", "b": True, "d": day}),
        Row("b", 4, None, {"x": None, "c": None, "b": None, "d": None}),
    ]
    batch = add_rows(store, spec, rows)
    (read,) = store.batches.rows(batch)
    assert_frame_equal(read, frame_of(spec, rows, 0))
    assert (batch.batch_id, batch.seq, batch.first_row, batch.n_rows) == ("bikes-000001", 1, 0, 2)
    assert (batch.first_position, batch.last_position, batch.n_labelled) == (4, 5, 1)
    assert store.batches.get(batch.batch_id) == batch
    assert store.batches.find("bikes", "rows-1") == batch
    assert store.batches.find("bikes", "unknown") is None


def test_rows_come_back_chunk_by_chunk_across_row_groups(store: SqlStore) -> None:
    """More rows than one row group holds, written in pieces that do not divide it."""
    spec, n_rows, piece = unkeyed(), 150_000, 70_001
    with store.batches.writer(spec, "rows") as writer:
        for start in range(0, n_rows, piece):
            ordinals = range(start, min(start + piece, n_rows))
            writer.write_rows(
                pl.DataFrame({"_row": ordinals, "_position": ordinals}).with_columns(
                    pl.col("_row").cast(pl.String).alias("_key"),
                    pl.col("_row").cast(pl.Float64).alias("x"),
                )
            )
        batch = writer.commit(
            fingerprint="f", source="s", state="stored", n_labelled=0, arrived_at=NOON
        )
    chunks = list(store.batches.rows(batch, chunk_rows=40_000))
    assert max(chunk.height for chunk in chunks) <= 40_000
    together = pl.concat(chunks)
    assert together["_row"].to_list() == list(range(n_rows))
    assert together["y"].null_count() == n_rows


def test_odd_column_names_are_kept(store: SqlStore) -> None:
    spec = specification(features=dict.fromkeys(ODD_NAMES, "numeric"))
    row = Row("a", 1, 2.0, {name: float(i) for i, name in enumerate(ODD_NAMES)})
    (read,) = store.batches.rows(add_rows(store, spec, [row]))
    assert read.select(ODD_NAMES).row(0) == tuple(float(i) for i in range(len(ODD_NAMES)))


def test_arrivals_follow_each_other(store: SqlStore) -> None:
    spec = specification()
    first = add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 1.0)])
    labels = add_labels(store, spec, [("a", 3.0)])
    second = add_rows(store, spec, [Row("c", 9, None)])
    assert [first.seq, labels.seq, second.seq] == [1, 2, 3]
    assert (second.first_row, labels.n_rows, labels.first_position) == (2, 1, None)
    assert store.batches.arrivals("bikes") == [first, labels, second]
    assert store.batches.arrivals("bikes", after_seq=2) == [second]
    assert store.batches.newest_seq("bikes") == 3
    assert store.batches.newest_position("bikes") == 9
    assert store.batches.newest_position("bikes", as_of_seq=2) == 2
    assert store.batches.newest_position("nobody") is None


def test_counts_total_rows_labels_and_what_is_held_back(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 1.0)])
    add_labels(store, spec, [("a", 3.0)])
    add_quarantined(store, spec, [["out_of_range:x"], [], []])
    counts = store.batches.counts("bikes")
    assert (counts.rows, counts.batches, counts.label_files) == (2, 1, 1)
    assert (counts.quarantined_rows, counts.quarantined_batches) == (3, 1)
    assert store.batches.counts("nobody").rows == 0


def test_a_quarantined_batch_stores_no_rows(store: SqlStore, tmp_path: Path) -> None:
    spec = specification()
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame_of(spec, [Row("a", 1, 1.0)], 0))
        writer.write_quarantined(held_frame([["bad:x"], []]))
        batch = writer.commit(
            fingerprint="f", source="s", state="quarantined", n_labelled=1, arrived_at=NOON
        )
    assert (batch.n_rows, batch.path, batch.first_position) == (0, "", None)
    assert batch.n_quarantined == 2
    held = pl.read_parquet(tmp_path / "home" / batch.quarantine_path)
    assert held["_reasons"].to_list() == [["bad:x"], []]
    assert add_rows(store, spec, [Row("b", 1, 1.0)]).first_row == 0
    assert list((tmp_path / "home" / "store").rglob("*.part")) == []


def test_an_arrival_without_commit_leaves_no_file(store: SqlStore, tmp_path: Path) -> None:
    spec = specification()
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame_of(spec, [Row("a", 1, 1.0)], 0))
        writer.write_quarantined(held_frame([["bad:x"]]))
    assert list((tmp_path / "home").rglob("*.parquet*")) == []
    assert store.batches.arrivals("bikes") == []


def test_the_slower_of_two_arrivals_is_told(
    opened: Callable[[], SqlStore], tmp_path: Path
) -> None:
    spec, first, second = specification(), opened(), opened()
    with second.batches.writer(spec, "rows") as slow:
        slow.write_rows(frame_of(spec, [Row("a", 1, 1.0)], 0))
        add_rows(first, spec, [Row("b", 2, 1.0)])
        with pytest.raises(ConflictError, match="was overtaken"):
            slow.commit(fingerprint="f", source="s", state="stored", n_labelled=0, arrived_at=NOON)
    assert len(list((tmp_path / "home").rglob("*.parquet*"))) == 1
    assert [batch.seq for batch in first.batches.arrivals("bikes")] == [1]


def test_the_same_content_is_not_stored_twice(store: SqlStore) -> None:
    spec = specification()
    batch = add_rows(store, spec, [Row("a", 1, 1.0)])
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame_of(spec, [Row("a", 1, 1.0)], writer.first_row))
        with pytest.raises(ConflictError, match=f"stored already as {batch.batch_id}"):
            writer.commit(
                fingerprint=batch.fingerprint,
                source="s",
                state="stored",
                n_labelled=0,
                arrived_at=NOON,
            )


def test_missing_columns_are_named(store: SqlStore) -> None:
    spec = specification(features={"x": "numeric", "z": "numeric"})
    with store.batches.writer(spec, "rows") as writer:
        frame = frame_of(spec, [Row("a", 1, 1.0)], 0).drop("x", "z")
        with pytest.raises(SchemaMismatchError, match="lack 2 of 6 columns: x, z"):
            writer.write_rows(frame)


def test_values_that_do_not_fit_are_counted_and_never_quoted(store: SqlStore) -> None:
    spec = specification()
    frame = frame_of(spec, [Row("a", 1, 1.0)] * 2, 0).with_columns(
        pl.Series("x", ["1.5", "secret"])
    )
    with (
        store.batches.writer(spec, "rows") as writer,
        pytest.raises(SchemaMismatchError, match="x is numeric, but 1 of 2 rows") as caught,
    ):
        writer.write_rows(frame)
    assert "secret" not in str(caught.value)


def test_rows_held_back_have_the_same_columns_in_every_chunk(store: SqlStore) -> None:
    with store.batches.writer(specification(), "rows") as writer:
        writer.write_quarantined(held_frame([["bad:x"]]))
        reordered = held_frame([["bad:x"]]).select("x", "_place", "_reasons")
        writer.write_quarantined(reordered)
        with pytest.raises(SchemaMismatchError, match="other columns than the 2 before"):
            writer.write_quarantined(reordered.rename({"x": "z"}))


def test_rows_must_be_numbered_on(store: SqlStore) -> None:
    spec = specification()
    with store.batches.writer(spec, "rows") as writer, pytest.raises(StoreError, match="from 0"):
        writer.write_rows(frame_of(spec, [Row("a", 1, 1.0)], 5))


def test_known_keys_are_told_over_all_batches(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b'", 2, 1.0)])
    add_rows(store, spec, [Row("c", 3, None)])
    add_labels(store, spec, [("only labelled", 3.0)])
    asked = pl.Series(["c", "only labelled", None, "b'", "c", "zz"])
    known = store.batches.known_keys("bikes", asked)
    assert known.to_list() == [True, False, False, True, True, False]
    assert store.batches.known_keys("nobody", asked).sum() == 0


def test_an_unknown_batch_is_an_error(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="no batch bikes-000009"):
        store.batches.get("bikes-000009")
