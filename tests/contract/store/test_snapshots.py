"""A snapshot holds each key once, with its newest truth, as of an arrival."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.contract.store.histories import (
    HORIZON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    specification,
    unkeyed,
)
from tests.contract.store.test_batches import ODD_NAMES

from iris_ct.adapters.store import SqlStore
from iris_ct.core.dataset.snapshot import Snapshot
from iris_ct.core.errors import InsufficientDataError, IntegrityError, StoreError
from iris_ct.core.specification import Specification

pytestmark = pytest.mark.integration


def cut(
    store: SqlStore,
    spec: Specification,
    snapshot_id: str = "s1",
    *,
    as_of_seq: int | None = None,
    from_position: int | None = None,
    horizon: int = HORIZON,
) -> Snapshot:
    return store.snapshots.cut(
        spec,
        snapshot_id=snapshot_id,
        as_of_seq=store.batches.newest_seq(spec.name) if as_of_seq is None else as_of_seq,
        from_position=from_position,
        horizon=horizon,
    )


def content(store: SqlStore, snapshot: Snapshot) -> pl.DataFrame:
    return pl.read_parquet(store.snapshots.path(snapshot))


def truths(store: SqlStore, spec: Specification, snapshot_id: str = "s1", **wanted: Any) -> Any:
    """Cut and give ``(ordinal, position, truth)`` of each row."""
    frame = content(store, cut(store, spec, snapshot_id, **wanted))
    return frame.select("_row", "_position", spec.target).rows()


def test_rows_are_sorted_by_position_then_by_arrival(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 5, 1.0), Row("b", 3, 2.0)])
    add_rows(store, spec, [Row("c", 3, 3.0), Row("d", 1, 4.0)])
    assert truths(store, spec) == [(3, 1, 4.0), (1, 3, 2.0), (2, 3, 3.0), (0, 5, 1.0)]


def test_the_columns_are_those_of_the_contract(store: SqlStore) -> None:
    spec = specification(
        task="binary",
        group="who",
        features={
            "x": "numeric",
            "c": "categorical",
            "b": "boolean",
            "d": {"kind": "datetime", "parts": ["hour"]},
        },
    )
    day = datetime(2020, 5, 1, 3, tzinfo=UTC)
    said = {"x": 1.0, "c": "red", "b": True, "d": day, "who": "anna"}
    add_rows(store, spec, [Row("a", 5, "yes", said)])
    snapshot = cut(store, spec)
    frame = content(store, snapshot)
    assert dict(frame.schema) == {
        "_row": pl.Int64,
        "_position": pl.Int64,
        "who": pl.String,
        "x": pl.Float64,
        "c": pl.String,
        "b": pl.Boolean,
        "d": pl.Datetime("us", "UTC"),
        "y": pl.String,
    }
    assert frame.row(0) == (0, 5, "anna", 1.0, "red", True, day, "yes")
    assert (snapshot.n_rows, snapshot.first_position, snapshot.last_position) == (1, 5, 5)
    assert (snapshot.from_position, snapshot.horizon) == (5, HORIZON)


def test_the_window_holds_both_its_ends(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row(f"k{p}", p, float(p)) for p in range(10)])
    snapshot = cut(store, spec, from_position=3, horizon=6)
    assert content(store, snapshot)["_position"].to_list() == [3, 4, 5, 6]
    assert (snapshot.from_position, snapshot.horizon) == (3, 6)


def test_a_corrected_row_replaces_the_old_one_but_not_in_the_past(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    add_rows(store, spec, [Row("a", 4, 9.0)])
    assert truths(store, spec, "now") == [(1, 2, 2.0), (2, 4, 9.0)]
    assert truths(store, spec, "then", as_of_seq=1) == [(0, 1, 1.0), (1, 2, 2.0)]


def test_a_row_that_was_corrected_out_of_the_window_is_gone(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    add_rows(store, spec, [Row("a", 50, 9.0)])
    assert truths(store, spec, horizon=10) == [(1, 2, 2.0)]


def test_without_event_time_a_corrected_row_stays_where_its_key_first_arrived(
    store: SqlStore,
) -> None:
    """Else a table that is sent whole each day would be new to a champion fitted on it."""
    spec = specification(event_time=None)
    add_rows(store, spec, [Row("a", 0, 1.0), Row("b", 1, 2.0)])
    add_rows(store, spec, [Row("a", 2, 9.0), Row("b", 3, 2.0), Row("c", 4, 3.0)])
    add_rows(store, spec, [Row("c", 5, 4.0), Row("d", 6, 5.0)])
    assert truths(store, spec, "all") == [(2, 0, 9.0), (3, 1, 2.0), (5, 4, 4.0), (6, 6, 5.0)]
    assert truths(store, spec, "fresh", from_position=2) == [(5, 4, 4.0), (6, 6, 5.0)]
    assert truths(store, spec, "mature", horizon=4) == [(2, 0, 9.0), (3, 1, 2.0), (5, 4, 4.0)]
    assert truths(store, spec, "then", as_of_seq=1) == [(0, 0, 1.0), (1, 1, 2.0)]


def test_a_row_sent_again_without_its_target_keeps_it(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 10.0), Row("b", 2, 20.0)])
    add_rows(store, spec, [Row("a", 1, features={"x": 5.0})])
    add_rows(store, spec, [Row("b", 3)])
    snapshot = store.snapshots.cut(
        spec, snapshot_id="s", as_of_seq=3, from_position=None, horizon=9
    )
    rows = store.snapshots.read(snapshot, ["_position", "x", "y"]).rows()
    assert rows == [(1, 5.0, 10.0)], "b has moved, so its old target is not that of the new row"


def test_keep_lets_the_oldest_row_stand(store: SqlStore) -> None:
    spec = specification(on_duplicate="keep")
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    add_rows(store, spec, [Row("a", 4, 9.0), Row("c", 5, 3.0), Row("c", 5, 4.0)])
    assert truths(store, spec) == [(0, 1, 1.0), (1, 2, 2.0), (3, 5, 3.0)]


def test_within_a_batch_the_last_row_of_a_key_is_the_newest(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("a", 1, 2.0)])
    assert truths(store, spec) == [(1, 1, 2.0)]


def test_a_row_trains_once_its_label_arrives(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, None), Row("b", 2, 2.0)])
    add_labels(store, spec, [("a", 7.0)])
    assert truths(store, spec, "then", as_of_seq=1) == [(1, 2, 2.0)]
    assert truths(store, spec, "now") == [(0, 1, 7.0), (1, 2, 2.0)]


def test_the_newest_known_truth_wins(store: SqlStore) -> None:
    """A label is newer than the row's own target only if it arrived later."""
    spec = specification()
    add_labels(store, spec, [("a", 10.0), ("b", 10.0)])
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, None), Row("c", 3, 3.0)])
    add_labels(store, spec, [("c", 20.0), ("c", 30.0), ("a", None)])
    assert truths(store, spec) == [(0, 1, 1.0), (1, 2, 10.0), (2, 3, 30.0)]


def test_few_rows_find_their_labels_among_many(store: SqlStore) -> None:
    """Another way of joining is taken then."""
    spec = specification()
    add_labels(store, spec, [(f"k{i}", float(i)) for i in range(100)])
    add_rows(store, spec, [Row("k7", 1, None), Row("k8", 2, 1.0)])
    add_labels(store, spec, [("k8", 2.0)] + [("other", 1.0)] * 20)
    assert truths(store, spec) == [(0, 1, 7.0), (1, 2, 2.0)]


def test_a_label_also_holds_for_the_corrected_row(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, None), Row("b", 2, 2.0)])
    add_labels(store, spec, [("a", 7.0), ("b", 8.0)])
    add_rows(store, spec, [Row("a", 1, None), Row("b", 2, 5.0)])
    assert truths(store, spec) == [(2, 1, 7.0), (3, 2, 5.0)]


def test_labels_reach_rows_without_key_columns(store: SqlStore) -> None:
    """Their key is batch and place, and no row replaces another."""
    spec = unkeyed()
    add_rows(store, spec, [Row("bikes-000001:1", 1, None), Row("bikes-000001:2", 2, 2.0)])
    add_labels(store, spec, [("bikes-000001:1", 7.0)])
    assert truths(store, spec) == [(0, 1, 7.0), (1, 2, 2.0)]


def test_a_target_that_is_no_number_is_no_truth(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, float("nan")), Row("b", 2, 2.0)])
    assert truths(store, spec) == [(1, 2, 2.0)]


def test_quarantined_batches_are_not_in_it(store: SqlStore) -> None:
    spec = specification()
    add_quarantined(store, spec, [["bad:x"]])
    add_rows(store, spec, [Row("a", 1, 1.0)])
    assert truths(store, spec) == [(0, 1, 1.0)]


def test_odd_column_names_are_kept(store: SqlStore) -> None:
    """Also two names that differ in case only, or by a dot."""
    spec = specification(
        features=dict.fromkeys(ODD_NAMES, "numeric"), target="tar.get", group="g#"
    )
    row = Row("a", 1, 2.0, {name: float(i) for i, name in enumerate([*ODD_NAMES])} | {"g#": "g"})
    add_rows(store, spec, [row])
    snapshot = cut(store, spec)
    frame = content(store, snapshot)
    assert frame.select(ODD_NAMES).row(0) == tuple(float(i) for i in range(len(ODD_NAMES)))
    assert frame.select("g#", "tar.get").row(0) == ("g", 2.0)
    assert store.snapshots.read(snapshot, ["a", "A"]).columns == ["a", "A"]


def test_a_feature_declared_later_is_missing_in_old_rows(store: SqlStore) -> None:
    before = specification()
    after = specification(features={"z": "categorical", "x": "numeric"})
    add_rows(store, before, [Row("a", 1, 1.0, {"x": 5.0})])
    add_rows(store, after, [Row("b", 2, 2.0, {"x": 6.0, "z": "new"})])
    frame = content(store, cut(store, after))
    assert frame.select("z", "x").rows() == [(None, 5.0), ("new", 6.0)]


@pytest.mark.parametrize(
    ("before", "values", "after", "expected"),
    [
        ("numeric", [1.0, 2.5, None], "categorical", ["1", "2.5", None]),
        ("categorical", ["1", "2.5", "red"], "numeric", [1.0, 2.5, None]),
        ("numeric", [0.0, 1.0, 7.0], "boolean", [False, True, None]),
        ("boolean", [False, True, None], "numeric", [0.0, 1.0, None]),
        ("boolean", [False, True, None], "categorical", ["false", "true", None]),
        ("categorical", ["True", "false", "red"], "boolean", [True, False, None]),
    ],
)
def test_a_feature_of_another_kind_is_cast_where_that_is_exact(
    store: SqlStore, before: str, values: list[Any], after: str, expected: list[Any]
) -> None:
    old, new = specification(features={"x": before}), specification(features={"x": after})
    rows = [Row(f"k{i}", i, 1.0, {"x": value}) for i, value in enumerate(values)]
    add_rows(store, old, rows)
    assert content(store, cut(store, new))["x"].to_list() == expected


def test_the_same_inputs_give_the_same_bytes(store: SqlStore) -> None:
    """Several row groups, shuffled positions, corrections and labels."""
    spec = specification(features={"x": "numeric", "c": "categorical"})
    rng = np.random.default_rng(3)
    n_rows = 150_000
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(
            pl.DataFrame(
                {
                    "_row": np.arange(n_rows),
                    "_position": rng.integers(0, 1000, n_rows),
                    "_key": [f"k{i}" for i in rng.integers(0, 140_000, n_rows)],
                    "x": rng.normal(size=n_rows),
                    "c": rng.choice(["a", "b", "c"], n_rows),
                    "y": rng.normal(size=n_rows),
                }
            )
        )
        writer.commit(
            fingerprint="f",
            source="s",
            state="stored",
            n_labelled=n_rows,
            arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    add_labels(store, spec, [(f"k{i}", float(i)) for i in range(0, 140_000, 7)])
    first, second = cut(store, spec, "first"), cut(store, spec, "second")
    assert first.digest == second.digest
    assert first.n_rows > 80_000


def test_cutting_again_gives_the_first_snapshot(
    store: SqlStore, opened: Callable[[], SqlStore]
) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0)])
    first = cut(store, spec)
    add_rows(store, spec, [Row("b", 2, 1.0)])
    assert cut(opened(), spec) == first
    assert store.snapshots.get("s1") == first


def test_an_empty_snapshot_is_refused(store: SqlStore) -> None:
    spec = specification()
    with pytest.raises(InsufficientDataError, match="would be empty"):
        cut(store, spec)
    add_rows(store, spec, [Row("a", 1, None)])
    with pytest.raises(InsufficientDataError, match="would be empty"):
        cut(store, spec)


def test_the_count_is_that_of_the_snapshot(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, None), Row("c", 3, 1.0)])
    add_rows(store, spec, [Row("c", 4, 1.0), Row("d", 5, None)])
    add_labels(store, spec, [("d", 1.0)])

    def count(after: int | None, horizon: int, as_of_seq: int = 3) -> int:
        return store.snapshots.count_labelled(
            spec, as_of_seq=as_of_seq, after_position=after, horizon=horizon
        )

    assert count(None, HORIZON) == 3
    assert count(1, HORIZON) == 2
    assert count(1, 4) == 1
    assert count(None, HORIZON, as_of_seq=2) == 2
    assert count(None, HORIZON, as_of_seq=0) == 0


def test_columns_of_picked_rows_are_read_in_order(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row(f"k{i}", i, float(i), {"x": float(-i)}) for i in range(5)])
    snapshot = cut(store, spec)
    assert store.snapshots.read(snapshot, ["x", "_row"]).columns == ["x", "_row"]
    picked = np.array([False, True, False, False, True])
    assert store.snapshots.read(snapshot, ["x"], rows=picked)["x"].to_list() == [-1.0, -4.0]
    nothing = store.snapshots.read(snapshot, ["x"], rows=np.zeros(5, dtype=bool))
    assert (nothing.height, nothing.columns) == (0, ["x"])


def test_a_changed_file_is_noticed(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0)])
    snapshot = cut(store, spec)
    path = store.snapshots.path(snapshot)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="was changed"):
        store.snapshots.path(snapshot)
    path.unlink()
    with pytest.raises(IntegrityError, match="no such file"):
        store.snapshots.path(snapshot)


def test_a_damaged_batch_is_an_integrity_error(store: SqlStore) -> None:
    spec = specification()
    batch = add_rows(store, spec, [Row("a", 1, 1.0)])
    path = store.snapshots._files.home / batch.path
    path.write_bytes(b"no parquet at all")
    with pytest.raises(IntegrityError, match="damaged"):
        cut(store, spec)


def test_an_unknown_snapshot_is_an_error(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="no snapshot s9"):
        store.snapshots.get("s9")
