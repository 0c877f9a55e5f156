"""Logged predictions are also rows of a table, whole requests at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from tests.contract.store import children
from tests.contract.store.histories import NOON, Row, add_rows, specification, unkeyed
from tests.contract.store.test_predictions import predict

from iris_ct.adapters.store import SqlStore
from iris_ct.adapters.store.budget import CHUNK_ROWS, chunk_rows
from iris_ct.adapters.store.row_tables import row_table
from iris_ct.adapters.store.views import VIEWS
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import SchemaMismatchError, StoreError
from iris_ct.core.specification import Specification
from iris_ct.flow.project import bring_up_tables

pytestmark = pytest.mark.integration

MANY = 2 * CHUNK_ROWS + 7


def known(store: SqlStore, spec: Specification, **tables: bool) -> Specification:
    """Record a specification with these tables."""
    changed = specification(**{**_said(spec), "tables": tables})
    store.specifications.record(changed, actor="anna", at=NOON)
    return changed


def _said(spec: Specification) -> dict[str, Any]:
    """Give a specification as a model file would say it."""
    content = spec.model_dump(mode="json", exclude_defaults=True)
    content["features"] = {feature.name: feature.kind for feature in spec.features}
    return content


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(statement))]
    engine.dispose()
    return found


def seen(url: str) -> list[tuple[Any, ...]]:
    return rows(
        url,
        "SELECT request_id, place, row_key, prediction, prediction_number FROM ctv_prediction "
        "ORDER BY request_id, place",
    )


def many(n: int, start: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "_key": [f"k{place}" for place in range(start, start + n)],
            "_position": pl.Series([None] * n, dtype=pl.Int64),
            "prediction": [place / 8 for place in range(start, start + n)],
        }
    )


def record(store: SqlStore, spec: Specification, request_id: str, frame: Any, **more: Any) -> None:
    store.predictions.record(spec, request_id=request_id, version=1, frame=frame, at=NOON, **more)


def test_predictions_become_rows_unless_the_specification_says_no(
    store: SqlStore, url: str
) -> None:
    spec = known(store, specification(), predictions=True)
    assert spec.tables == specification().tables
    predict(store, spec, "r1", {"a": 0.1, "b": 2.0}, batch_id="bikes-000001", version=3)
    assert store.projections.behind() == ["bikes"]
    assert store.projections.bring_up("bikes")
    assert store.projections.behind() == []
    assert seen(url) == [("r1", 0, "a", "0.1", 0.1), ("r1", 1, "b", "2.0", 2.0)]
    assert rows(url, "SELECT DISTINCT model_version, batch_id FROM ctv_prediction") == [
        (3, "bikes-000001")
    ]


def test_bringing_up_again_changes_nothing(store: SqlStore, url: str) -> None:
    spec = known(store, specification())
    for _ in range(2):
        predict(store, spec, "r1", {"a": 0.1})
        store.projections.bring_up("bikes")
    assert seen(url) == [("r1", 0, "a", "0.1", 0.1)]


def test_a_large_request_is_added_in_chunks_and_seen_whole(store: SqlStore, url: str) -> None:
    """A reader sees none of it, then all of it."""
    spec = known(store, specification())
    record(store, spec, "big", many(MANY))
    there = []
    while not store.projections.bring_up("bikes", most_rows=1):
        there.append(
            (
                rows(url, "SELECT count(*) FROM ct_prediction")[0][0],
                rows(url, "SELECT count(*) FROM ctv_prediction")[0][0],
            )
        )
    chunk = chunk_rows(is_iris=url.startswith("iris"))
    assert there == [*((n, 0) for n in range(chunk, MANY, chunk)), (MANY, MANY)]
    assert rows(
        url,
        f"SELECT row_key, prediction_number FROM ctv_prediction WHERE place = {CHUNK_ROWS}",
    ) == [(f"k{CHUNK_ROWS}", CHUNK_ROWS / 8)]


def test_a_killed_projection_is_finished_by_the_next_one(url: str, tmp_path: Path) -> None:
    child = children.start(
        url,
        tmp_path / "home",
        """
        from tests.contract.store.test_projections import MANY, known, many, record

        record(store, known(store, spec), "big", many(MANY))
        store.projections.bring_up("bikes", most_rows=1)
        begin = store.projections._predictions._database.begin
        with begin() as connection:
            connection.exec_driver_sql("UPDATE ct_prediction_file SET n_projected = 0")
            tell("in the middle of a transaction")
            wait()
        """,
    )
    assert children.hear(child) == "in the middle of a transaction"
    children.kill(child)
    with SqlStore(url, tmp_path / "home", synchronous="OFF") as store:
        assert store.projections.behind() == ["bikes"]
        assert store.projections.bring_up("bikes")
    assert rows(url, "SELECT count(*), count(DISTINCT row_key) FROM ctv_prediction") == [
        (MANY, MANY)
    ]


def test_several_at_once_add_every_row_once(opened: Callable[[], SqlStore], url: str) -> None:
    first, second = opened(), opened()
    spec = known(first, specification())
    for number in range(4):
        record(first, spec, f"r{number}", many(CHUNK_ROWS // 10 + number))
    crowd = [
        threading.Thread(target=store.projections.bring_up, args=("bikes",))
        for store in (first, second)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    first.projections.bring_up("bikes")
    shown = rows(url, "SELECT request_id, count(*) FROM ctv_prediction GROUP BY request_id")
    assert sorted(shown) == [(f"r{number}", CHUNK_ROWS // 10 + number) for number in range(4)]


def test_switching_off_removes_the_rows_and_on_brings_them_back(store: SqlStore, url: str) -> None:
    spec = known(store, specification())
    predict(store, spec, "r1", {"a": 0.1})
    predict(store, spec, "r2", {"b": 0.2})
    store.projections.bring_up("bikes")
    known(store, spec, predictions=False)
    assert store.projections.behind() == ["bikes"]
    assert store.projections.bring_up("bikes")
    assert store.projections.behind() == []
    assert rows(url, "SELECT * FROM ct_prediction") == []
    assert store.predictions.counts("bikes") == {1: 2}
    known(store, spec)
    store.projections.bring_up("bikes")
    assert [row[0] for row in seen(url)] == ["r1", "r2"]


def test_a_class_has_its_text_and_the_probability_that_was_given_to_it(
    store: SqlStore, url: str
) -> None:
    """Binary files keep the probability of the positive class, others one for each class."""
    spec = known(store, unkeyed(task="multiclass"))
    for request_id, columns in (
        ("binary", {"prediction": ["no", "yes"], "probability": [0.25, 0.75]}),
        (
            "classes",
            {
                "prediction": ["red", None],
                "probability_red": [0.5, None],
                "probability_Blue": [0.125, None],
            },
        ),
    ):
        frame = pl.DataFrame({"_key": ["a", "b"], "_position": [1, 2], **columns})
        record(store, spec, request_id, frame)
    store.projections.bring_up("bikes")
    assert rows(
        url,
        "SELECT request_id, row_position, prediction, prediction_number, "
        "prediction_probability FROM ctv_prediction ORDER BY request_id, place",
    ) == [
        ("binary", 1, "no", None, 0.75),
        ("binary", 2, "yes", None, 0.75),
        ("classes", 1, "red", None, 0.5),
        ("classes", 2, None, None, None),
    ]


def test_what_is_no_number_is_null(store: SqlStore, url: str) -> None:
    spec = known(store, specification())
    predict(store, spec, "r1", {"a": float("nan")})
    store.projections.bring_up("bikes")
    assert seen(url) == [("r1", 0, "a", None, None)]


def test_long_keys_are_shortened_and_stay_different(store: SqlStore, url: str) -> None:
    spec = known(store, specification())
    predict(store, spec, "r1", {"x" * 300: 0.1, "x" * 301: 0.2, "x" * 255: 0.3})
    store.projections.bring_up("bikes")
    keys = [row[2] for row in seen(url)]
    assert [len(key) for key in keys] == [255, 255, 255]
    assert len(set(keys)) == 3


def test_purged_predictions_are_no_rows_any_more(store: SqlStore, url: str) -> None:
    spec = known(store, specification(retention={"predictions_days": 30}))
    predict(store, spec, "r1", {"a": 0.1, "b": 0.2})
    store.projections.bring_up("bikes")
    assert len(store.purger.purge(spec, now=NOON + timedelta(days=31))) == 1
    assert rows(url, "SELECT * FROM ct_prediction") == []
    assert seen(url) == []
    assert store.projections.behind() == []
    assert store.predictions.counts("bikes") == {1: 2}


def test_a_request_can_come_in_many_frames(store: SqlStore, url: str, tmp_path: Path) -> None:
    spec = known(store, specification())
    add_rows(store, spec, [Row("k1", 1, 1.0), Row("k4", 4, 4.0)])

    def frames() -> Iterator[pl.DataFrame]:
        yield many(0)
        for start in (0, 3):
            yield many(3, start)

    record(store, spec, "r1", frames())
    store.projections.bring_up("bikes")
    assert [row[2] for row in seen(url)] == [f"k{place}" for place in range(6)]
    assert store.predictions.counts("bikes") == {1: 6}
    outcomes = store.predictions.outcomes(spec, as_of_seq=1)
    assert outcomes.predictions["prediction"].to_list() == [1 / 8, 4 / 8]
    assert len(list((tmp_path / "home").rglob("predictions/*.parquet*"))) == 1


def test_a_request_whose_frames_break_off_is_not_recorded(store: SqlStore, tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield many(3)
        yield many(3).drop("_key")

    with pytest.raises(SchemaMismatchError, match="lack _key"):
        record(store, specification(), "r1", frames())
    assert store.predictions.counts("bikes") == {}
    assert list((tmp_path / "home").rglob("predictions/*")) == []


def test_a_request_without_rows_leaves_nothing(store: SqlStore, tmp_path: Path) -> None:
    record(store, specification(), "r1", iter([many(0)]))
    assert store.predictions.counts("bikes") == {}
    assert list((tmp_path / "home").rglob("*.parquet*")) == []


def test_tables_and_views_can_be_read_on_every_database(store: SqlStore) -> None:
    """Also through the statements for IRIS, where a table lies in another schema."""
    spec = known(store, specification(), rows=True)
    batch = add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, None)])
    add_rows(store, spec, [Row("b", 3, 4.0)])
    predict(store, spec, "r1", {"a": 0.5, "b": 1.5}, batch_id=batch.batch_id)
    bring_up_tables(store, most_rows=10**6)
    assert store.projections.behind() == []
    [view] = [view for view in VIEWS if view.name == "Prediction"]
    table = row_table("bikes", canonical_json([["x", "numeric"], ["y", "numeric"]])).c
    with store.engine.connect() as connection:
        shown = connection.execute(view.select).all()
        kept = connection.execute(sa.select(table.row_key, table.c1)).all()
    assert sorted((row.row_key, row.prediction, row.prediction_number) for row in shown) == [
        ("a", "0.5", 0.5),
        ("b", "1.5", 1.5),
    ]
    assert sorted(map(tuple, kept)) == [("a", 1.0), ("b", 4.0)]
    known(store, spec, predictions=False)
    bring_up_tables(store, most_rows=10**6)
    assert store.projections.behind() == []
    with store.engine.connect() as connection:
        assert connection.execute(view.select).all() == []


def test_a_file_that_cannot_be_added_keeps_no_other_one_from_being_rows(
    store: SqlStore, url: str, tmp_path: Path
) -> None:
    spec = known(store, specification(), rows=True)
    add_rows(store, spec, [Row("a", 1, 1.0)])
    for request_id in ("r1", "r2", "r3", "r4"):
        predict(store, spec, request_id, {"a": 0.5})
    damaged, gone = rows(
        url, "SELECT path FROM ct_prediction_file WHERE request_id IN ('r2', 'r4') ORDER BY seq"
    )
    (tmp_path / "home" / damaged[0]).write_bytes(b"no Parquet")
    (tmp_path / "home" / gone[0]).unlink()
    with pytest.raises(StoreError) as caught:
        store.projections.bring_up("bikes")
    assert f"those of {gone[0]}, {damaged[0]}; all others are" in str(caught.value)
    assert [row[0] for row in seen(url)] == ["r1", "r3"]
    assert rows(url, "SELECT row_key FROM ct_rows_bikes") == [("a",)]


def test_a_key_with_nul_of_an_earlier_release_becomes_a_row(store: SqlStore, url: str) -> None:
    spec = known(store, specification())
    predict(store, spec, "r1", {"a\0": 0.1, "a": 0.2})
    store.projections.bring_up("bikes")
    first, second = [row[2] for row in seen(url)]
    assert (first[:2], len(first), second) == ("a~", 66, "a")
