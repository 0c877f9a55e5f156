"""Predictions are kept once per request and meet the newest truth of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.contract.store.histories import (
    NOON,
    Row,
    add_labels,
    add_rows,
    specification,
    unkeyed,
)

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import SchemaMismatchError
from iris_ct.core.specification import Specification
from iris_ct.ports import Outcomes

pytestmark = pytest.mark.integration


def predict(
    store: SqlStore,
    spec: Specification,
    request_id: str,
    predictions: dict[str, Any],
    *,
    version: int = 1,
    batch_id: str | None = None,
) -> None:
    keys = list(predictions)
    store.predictions.record(
        spec,
        request_id=request_id,
        version=version,
        frame=pl.DataFrame(
            {"_key": keys, "_position": [None] * len(keys), "prediction": predictions.values()}
        ),
        at=NOON,
        batch_id=batch_id,
    )


def told(outcomes: Outcomes) -> list[tuple[Any, ...]]:
    """Give ``(position, truth, prediction, version)`` of each outcome."""
    return list(
        zip(
            outcomes.position.tolist(),
            outcomes.truth.tolist(),
            outcomes.predictions["prediction"].to_list(),
            outcomes.version.tolist(),
            strict=True,
        )
    )


def test_outcomes_are_in_order_of_position_with_their_version(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 3, 1.0), Row("b", 1, 2.0), Row("c", 2, None)])
    predict(store, spec, "r1", {"a": 0.1, "b": 0.2, "c": 0.3}, version=4)
    outcomes = store.predictions.outcomes(spec, as_of_seq=1)
    assert told(outcomes) == [(1, 2.0, 0.2, 4), (3, 1.0, 0.1, 4)]
    assert outcomes.predictions["_key"].to_list() == ["b", "a"]
    assert outcomes.truth.dtype == np.float64


def test_truth_is_the_newest_as_of_the_arrival(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, None)])
    add_labels(store, spec, [("b", 5.0)])
    add_rows(store, spec, [Row("a", 7, 8.0)])
    predict(store, spec, "r1", {"a": 0.1, "b": 0.2})
    assert told(store.predictions.outcomes(spec, as_of_seq=1)) == [(1, 1.0, 0.1, 1)]
    assert told(store.predictions.outcomes(spec, as_of_seq=3)) == [
        (2, 5.0, 0.2, 1),
        (7, 8.0, 0.1, 1),
    ]


def test_the_first_prediction_of_a_row_counts(store: SqlStore) -> None:
    """Whoever predicts a row again later may have trained on it."""
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    predict(store, spec, "r1", {"a": 0.1}, version=1)
    predict(store, spec, "r2", {"a": 0.7, "b": 0.8}, version=2)
    both = store.predictions.outcomes(spec, as_of_seq=1)
    assert told(both) == [(1, 1.0, 0.1, 1), (2, 2.0, 0.8, 2)]
    assert told(store.predictions.outcomes(spec, as_of_seq=1, version=2)) == [(2, 2.0, 0.8, 2)]
    assert told(store.predictions.outcomes(spec, as_of_seq=1, version=3)) == []


def test_outcomes_can_be_those_of_a_window_or_a_batch(store: SqlStore) -> None:
    spec = specification()
    first = add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    second = add_rows(store, spec, [Row("c", 3, 3.0), Row("d", 4, 4.0)])
    predict(store, spec, "r1", {"a": 0.1, "b": 0.2}, batch_id=first.batch_id)
    predict(store, spec, "r2", {"c": 0.3, "d": 0.4}, batch_id=second.batch_id)
    inside = store.predictions.outcomes(spec, as_of_seq=2, from_position=2, to_position=3)
    assert told(inside) == [(2, 2.0, 0.2, 1), (3, 3.0, 0.3, 1)]
    of_batch = store.predictions.outcomes(spec, as_of_seq=2, batch_id=second.batch_id)
    assert told(of_batch) == [(3, 3.0, 0.3, 1), (4, 4.0, 0.4, 1)]


def test_predictions_of_rows_that_never_arrived_have_no_outcome(store: SqlStore) -> None:
    spec = specification()
    add_rows(store, spec, [Row("a", 1, 1.0)])
    predict(store, spec, "r1", {"zz": 0.1})
    outcomes = store.predictions.outcomes(spec, as_of_seq=1)
    assert told(outcomes) == []
    assert outcomes.predictions.columns == ["_key", "_position", "prediction"]


def test_a_model_without_predictions_has_no_outcomes(store: SqlStore) -> None:
    assert told(store.predictions.outcomes(specification(), as_of_seq=0)) == []


def test_classes_keep_their_probabilities(store: SqlStore) -> None:
    """Two versions may know different classes; a class a version did not know is null."""
    spec = unkeyed(task="multiclass")
    add_rows(store, spec, [Row("b:1", 1, "red"), Row("b:2", 2, "Red")])
    for request_id, key, columns in (
        ("r1", "b:1", {"prediction": "red", "probability_red": 0.9}),
        ("r2", "b:2", {"prediction": "Red", "probability_red": 0.2, "probability_Red": 0.8}),
    ):
        frame = pl.DataFrame({"_key": [key], "_position": [1], **columns})
        store.predictions.record(spec, request_id=request_id, version=1, frame=frame, at=NOON)
    outcomes = store.predictions.outcomes(spec, as_of_seq=1)
    assert outcomes.truth.tolist() == ["red", "Red"]
    assert outcomes.predictions["probability_red"].to_list() == [0.9, 0.2]
    assert outcomes.predictions["probability_Red"].to_list() == [None, 0.8]


def test_a_request_is_kept_once(store: SqlStore, tmp_path: Path) -> None:
    spec = specification()
    for _ in range(2):
        predict(store, spec, "r1", {"a": 0.1, "b": 0.2}, version=3)
    predict(store, spec, "r2", {"a": 0.1}, version=4)
    assert store.predictions.counts("bikes") == {3: 2, 4: 1}
    assert len(list((tmp_path / "home").rglob("*.parquet*"))) == 2


def test_missing_columns_are_named(store: SqlStore) -> None:
    frame = pl.DataFrame({"_key": ["a"], "prediction": [1.0]})
    with pytest.raises(SchemaMismatchError, match="lack _position"):
        store.predictions.record(specification(), request_id="r", version=1, frame=frame, at=NOON)
