"""A candidate's loss is held against that of the stable version on the same stretch of rows."""

from __future__ import annotations

import pytest
from tests.contract.store.histories import Row, add_rows, specification
from tests.contract.store.test_fold import Clock, record, served

from iris_ct.adapters.store import SqlStore
from iris_ct.control.quality import MIN_LABELS, Quality
from iris_ct.flow.fold import fold_journal

pytestmark = pytest.mark.integration


def test_what_was_easy_before_the_candidate_came_does_not_count(store: SqlStore) -> None:
    """Version 1 errs by 0.1 on 300 rows and, after a drift, by 2; version 2 then errs by 1."""
    served(store)
    spec = specification()
    keys = [f"k{n:03}" for n in range(500)]
    old = [0.1] * 300 + [2.0] * 200
    store.journal_writer.append([record("p1", [*keys], old)])
    store.journal_writer.append(
        [record("p1", [*keys[300:]], [1.0] * 200, model_version=2, shadow=True)]
    )
    fold_journal(store, Clock())
    add_rows(store, spec, [Row(key, place, 0.0) for place, key in enumerate(keys)])
    quality = Quality(store, lambda: 0.0)
    losses = quality.losses("bikes:1", "bikes:2", shadow=True)
    told = {image: loss and (round(loss.value, 9), loss.n_rows) for image, loss in losses.items()}
    assert told == {"bikes:1": (2.0, 200), "bikes:2": (1.0, 200)}


def test_few_labels_and_strangers_say_nothing(store: SqlStore) -> None:
    served(store)
    keys = [f"k{n:03}" for n in range(MIN_LABELS - 1)]
    store.journal_writer.append([record("p1", [*keys], [0.0] * len(keys), model_version=2)])
    fold_journal(store, Clock())
    add_rows(store, specification(), [Row(key, place, 0.0) for place, key in enumerate(keys)])
    quality = Quality(store, lambda: 0.0)
    for candidate in ("bikes:2", "iris.seldon:1.0.0", "nobody:3"):
        told = quality.losses("bikes:1", candidate, shadow=False)
        assert dict(told) == {"bikes:1": None, candidate: None}
