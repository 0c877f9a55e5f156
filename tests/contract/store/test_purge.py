"""Old facts go, but nothing that a champion or an open cycle needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.store.histories import (
    HORIZON,
    NOON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    specification,
    trigger,
    version,
)
from tests.contract.store.test_predictions import predict

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import StoreError
from iris_ct.core.specification import Specification

pytestmark = pytest.mark.integration

LATER = NOON + timedelta(days=31)


def keeping(**days: Any) -> Specification:
    """Make a specification that keeps the named facts so many days and all others for ever."""
    for_ever = dict.fromkeys(
        ("batches_days", "predictions_days", "quarantine_days", "snapshots_days")
    )
    return specification(retention={**for_ever, **days})


def serve(store: SqlStore, **changes: Any) -> None:
    """Appoint a champion."""
    made = store.models.add(version("c1", **changes))
    store.models.appoint(
        "bikes", made.version, decision_id="d1", actor="anna", at=NOON, since_position=None
    )


def test_nothing_is_purged_without_a_retention(store: SqlStore) -> None:
    spec = keeping()
    add_rows(store, spec, [Row("a", 1, 1.0)])
    add_quarantined(store, spec, [["bad:x"]])
    assert store.purger.purge(spec, now=LATER) == []


def test_old_batches_are_listed_then_purged(store: SqlStore) -> None:
    spec = keeping(batches_days=30)
    old = add_rows(store, spec, [Row("a", 1, 1.0)])
    new = add_rows(store, spec, [Row("b", 2, 2.0)], at=NOON + timedelta(days=2))
    (path,) = store.purger.expired(spec, now=LATER)
    assert path.exists()
    assert store.purger.purge(spec, now=LATER) == [path]
    assert not path.exists()
    assert store.purger.purge(spec, now=LATER) == []
    kept, purged = store.batches.get(new.batch_id), store.batches.get(old.batch_id)
    assert kept == new
    assert (purged.path, purged.n_rows, purged.file_digest) == ("", 1, old.file_digest)
    with pytest.raises(StoreError, match="purged"):
        next(store.batches.rows(old))


def test_later_cuts_skip_what_was_purged(store: SqlStore) -> None:
    spec = keeping(batches_days=30)
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    add_rows(store, spec, [Row("b", 2, 5.0)], at=NOON + timedelta(days=2))
    store.purger.purge(spec, now=LATER)
    snapshot = store.snapshots.cut(
        spec, snapshot_id="s", as_of_seq=2, from_position=None, horizon=HORIZON
    )
    assert store.snapshots.read(snapshot, ["_row", "y"]).rows() == [(2, 5.0)]
    assert add_rows(store, spec, [Row("c", 3, 1.0)]).first_row == 3


def test_batches_in_the_training_window_of_the_champion_stay(store: SqlStore) -> None:
    spec = keeping(batches_days=30)
    serve(store, fit_from=100)
    before = add_rows(store, spec, [Row("a", 98, 1.0), Row("b", 99, 1.0)])
    add_rows(store, spec, [Row("c", 99, 1.0), Row("d", 100, 1.0)])
    purged = store.purger.purge(spec, now=LATER)
    assert [path.name for path in purged] == [before.path.rsplit("/", 1)[1]]


def test_labels_stay_as_long_as_rows_that_arrived_before_them(store: SqlStore) -> None:
    spec = keeping(batches_days=30)
    first = add_labels(store, spec, [("a", 1.0)])
    add_rows(store, spec, [Row("a", 1, None)], at=NOON + timedelta(days=2))
    second = add_labels(store, spec, [("a", 2.0)])
    assert len(store.purger.purge(spec, now=LATER)) == 1
    assert store.batches.get(first.batch_id).path == ""
    assert store.batches.get(second.batch_id).path == second.path
    assert len(store.purger.purge(spec, now=LATER + timedelta(days=2))) == 2


def test_predictions_go_but_stay_counted(store: SqlStore) -> None:
    spec = keeping(predictions_days=30)
    add_rows(store, spec, [Row("a", 1, 1.0)])
    predict(store, spec, "r1", {"a": 0.1})
    assert len(store.purger.purge(spec, now=LATER)) == 1
    assert len(store.predictions.outcomes(spec, as_of_seq=1).position) == 0
    assert store.predictions.counts("bikes") == {1: 1}


def test_quarantined_rows_go(store: SqlStore) -> None:
    spec = keeping(quarantine_days=30)
    held = add_quarantined(store, spec, [["bad:x"]])
    (path,) = store.purger.purge(spec, now=LATER)
    assert not path.exists()
    assert store.quarantine.held("bikes", released=True) == []
    assert store.batches.get(held.batch_id).quarantine_path == ""
    assert store.batches.counts("bikes").quarantined_rows == 0


def test_snapshots_go_except_the_one_of_the_champion(store: SqlStore) -> None:
    """Snapshots are cut now, so the purge looks from a month ahead."""
    spec = keeping(snapshots_days=30)
    snapshots = []
    for number in (1, 2):
        add_rows(store, spec, [Row(f"k{number}", number, 1.0)])
        snapshots.append(
            store.snapshots.cut(
                spec,
                snapshot_id=f"s{number}",
                as_of_seq=number,
                from_position=None,
                horizon=HORIZON,
            )
        )
    serve(store, snapshot_digest=snapshots[0].digest)
    store.purger.purge(spec, now=datetime.now(UTC) + timedelta(days=31))
    assert store.snapshots.path(snapshots[0]).exists()
    with pytest.raises(StoreError, match="purged"):
        store.snapshots.path(snapshots[1])
    assert store.snapshots.get("s2").digest == snapshots[1].digest


def test_snapshots_of_an_open_cycle_stay(store: SqlStore) -> None:
    spec = keeping(snapshots_days=30)
    cycle, _ = store.cycles.open_or_join(trigger(), spec_digest=spec.digest)
    add_rows(store, spec, [Row("a", 1, 1.0)])
    store.snapshots.cut(
        spec, snapshot_id=cycle.cycle_id, as_of_seq=1, from_position=None, horizon=HORIZON
    )
    now = datetime.now(UTC) + timedelta(days=31)
    assert store.purger.purge(spec, now=now) == []
    store.cycles.close(cycle.cycle_id, "held", at=NOON)
    assert len(store.purger.purge(spec, now=now)) == 1
