"""Stored rows are also rows of a table of their own, where the specification says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from tests.contract.store import children
from tests.contract.store.histories import (
    NOON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    specification,
    version,
)

from iris_ct.adapters.store import SqlStore
from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.budget import CHUNK_ROWS, chunk_rows
from iris_ct.adapters.store.projections import SqlProjections
from iris_ct.core.errors import SpecificationError
from iris_ct.core.specification import Specification

pytestmark = pytest.mark.integration

HOUR = 3_600_000_000


def projected(store: SqlStore, **changes: Any) -> Specification:
    """Record a specification whose rows are to be a table."""
    spec = specification(**{"tables": {"rows": True}, **changes})
    store.specifications.record(spec, actor="anna", at=NOON)
    return spec


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(statement))]
    engine.dispose()
    return found


def shown(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT row_key, row_position, x, y FROM ct_rows_bikes ORDER BY row_key")


def names(url: str) -> list[str]:
    engine = sa.create_engine(url)
    found = [column["name"] for column in sa.inspect(engine).get_columns("ct_rows_bikes")]
    engine.dispose()
    return found


def has_table(url: str) -> bool:
    engine = sa.create_engine(url)
    found = sa.inspect(engine).has_table("ct_rows_bikes")
    engine.dispose()
    return found


def row(key: str, position: int, y: float | None, x: float | None = None) -> Row:
    return Row(key, position, y, {"x": x})


def test_rows_are_no_table_unless_the_specification_says_so(store: SqlStore, url: str) -> None:
    spec = specification()
    store.specifications.record(spec, actor="anna", at=NOON)
    add_rows(store, spec, [row("a", 1, 1.0)])
    assert store.projections.behind() == []
    store.projections.bring_up("bikes")
    assert not has_table(url)


def test_every_kind_of_column_becomes_a_column(store: SqlStore, url: str) -> None:
    """Whatever the name: blanks, quotes of the other kind, reserved words, other scripts."""
    features = {
        "Temp (felt) °C": "numeric",
        "order": "categorical",
        "100%": "boolean",
        "it's :open": {"kind": "datetime", "parts": ["hour"]},
    }
    spec = projected(store, features=features, target="c0", group="Straße")
    said = {
        "Temp (felt) °C": 0.5,
        "order": "by post",
        "100%": True,
        "it's :open": datetime(2026, 5, 4, 3, 2, 1, 9, tzinfo=UTC),
        "Straße": "Ring 7",
    }
    add_rows(store, spec, [Row("a", 36 * HOUR, 1.5, said), Row("b", 0, None, {"100%": False})])
    assert store.projections.behind() == ["bikes"]
    assert store.projections.bring_up("bikes")
    assert store.projections.behind() == []
    own = ["row_key", "row_number", "row_position", "row_time", "batch_id"]
    assert names(url) == [*own, "Straße", *features, "c0"]
    first, second = rows(url, "SELECT * FROM ct_rows_bikes ORDER BY row_key")
    opened = first[9]
    assert first[:3] == ("a", 0, 36 * HOUR)
    assert str(first[3]).startswith("1970-01-02 12:00:00")
    assert first[4:9] == ("bikes-000001", "Ring 7", 0.5, "by post", 1)
    assert str(opened) == "2026-05-04 03:02:01.000009"
    assert first[10] == 1.5
    assert second[5:] == (None, None, None, 0, None, None)


def test_a_correction_replaces_the_row(store: SqlStore, url: str) -> None:
    spec = projected(store)
    add_rows(store, spec, [row("a", 1, 1.0), row("b", 2, 2.0), row("b", 3, 2.5, 9.0)])
    add_rows(store, spec, [row("a", 5, 5.0, 0.5), row("c", 6, None)])
    store.projections.bring_up("bikes")
    assert shown(url) == [("a", 5, 0.5, 5.0), ("b", 3, 9.0, 2.5), ("c", 6, None, None)]
    assert rows(url, "SELECT batch_id FROM ct_rows_bikes ORDER BY row_key") == [
        ("bikes-000002",),
        ("bikes-000001",),
        ("bikes-000002",),
    ]


def test_the_first_row_stays_where_the_specification_keeps_it(store: SqlStore, url: str) -> None:
    spec = projected(store, on_duplicate="keep")
    add_rows(store, spec, [row("a", 1, 1.0), row("a", 2, 2.0)])
    add_rows(store, spec, [row("a", 3, 3.0), row("b", 4, 4.0)])
    store.projections.bring_up("bikes")
    assert shown(url) == [("a", 1, None, 1.0), ("b", 4, None, 4.0)]


def test_rows_without_key_columns_all_stay(store: SqlStore, url: str) -> None:
    spec = projected(store, key=[], event_time=None)
    add_rows(store, spec, [row("b1:1", 0, 1.0), row("b1:2", 1, 2.0)])
    add_rows(store, spec, [row("b2:1", 2, 3.0)])
    store.projections.bring_up("bikes")
    assert [found[0] for found in shown(url)] == ["b1:1", "b1:2", "b2:1"]
    assert rows(url, "SELECT DISTINCT row_time FROM ct_rows_bikes") == [(None,)]


def test_labels_set_the_target_whether_they_come_before_or_after_the_row(
    store: SqlStore, url: str
) -> None:
    spec = projected(store)
    add_labels(store, spec, [("late", 7.0), ("late", 8.0), ("known", 9.0)])
    add_rows(store, spec, [row("late", 1, None), row("known", 2, 2.0), row("open", 3, None)])
    add_labels(store, spec, [("open", 4.0), ("known", 5.0), ("nobody", 6.0)])
    store.projections.bring_up("bikes")
    assert [(key, y) for key, _, _, y in shown(url)] == [
        ("known", 5.0),
        ("late", 8.0),
        ("open", 4.0),
    ]


def test_a_row_sent_again_without_a_target_keeps_it_at_its_place_in_time(
    store: SqlStore, url: str
) -> None:
    spec = projected(store)
    add_rows(store, spec, [row("moved", 1, 1.0), row("stays", 2, 2.0)])
    add_rows(store, spec, [row("moved", 9, None, 0.5), row("stays", 2, None, 0.5)])
    store.projections.bring_up("bikes")
    assert shown(url) == [("moved", 9, 0.5, None), ("stays", 2, 0.5, 2.0)]


@pytest.mark.parametrize("seed", range(3))
def test_the_table_has_the_truths_that_a_snapshot_has(
    store: SqlStore, url: str, seed: int
) -> None:
    """Random histories of rows at one place in time each, and labels before and after them."""
    rng = np.random.default_rng(seed)
    spec = projected(store)
    keys = [f"k{number}" for number in range(6)]
    for _ in range(6):
        picked = rng.choice(6, size=3, replace=False)
        values = [None if rng.random() < 0.5 else float(rng.integers(100)) for _ in picked]
        if rng.random() < 0.4:
            labels = [(keys[k], y) for k, y in zip(picked, values, strict=True) if y is not None]
            if labels:
                add_labels(store, spec, labels)
        else:
            chosen = zip(picked, values, strict=True)
            add_rows(store, spec, [row(keys[k], int(k), y) for k, y in chosen])
        store.projections.bring_up("bikes")
    snapshot = store.snapshots.cut(
        spec,
        snapshot_id="s",
        as_of_seq=store.batches.newest_seq("bikes"),
        from_position=None,
        horizon=100,
    )
    expected = store.snapshots.read(snapshot, ["_position", "y"]).rows()
    assert [(position, y) for _, position, _, y in shown(url) if y is not None] == expected


def test_rows_of_before_the_setting_are_filled_in(store: SqlStore, url: str) -> None:
    spec = specification()
    store.specifications.record(spec, actor="anna", at=NOON)
    add_rows(store, spec, [row("a", 1, 1.0)])
    add_quarantined(store, spec, [["bad:x"]])
    add_rows(store, spec, [row("b", 2, 2.0)])
    projected(store)
    assert store.projections.bring_up("bikes")
    assert shown(url) == [("a", 1, None, 1.0), ("b", 2, None, 2.0)]
    assert rows(url, "SELECT batch_id, in_row_table FROM ctv_batch ORDER BY seq") == [
        ("bikes-000001", 1),
        ("bikes-000002", 0),
        ("bikes-000003", 1),
    ]


def test_switching_off_drops_the_table(store: SqlStore, url: str) -> None:
    spec = projected(store)
    add_rows(store, spec, [row("a", 1, 1.0)])
    store.projections.bring_up("bikes")
    store.specifications.record(specification(), actor="anna", at=NOON)
    assert store.projections.behind() == ["bikes"]
    assert store.projections.bring_up("bikes")
    assert not has_table(url)
    assert store.projections.behind() == []


def test_other_columns_make_the_table_anew_from_the_files(store: SqlStore, url: str) -> None:
    """A dropped column goes, a new one is null in old rows, another kind is read anew."""
    spec = projected(store, features={"x": "numeric", "gone": "numeric"})
    add_rows(store, spec, [Row("a", 1, 1.0, {"x": 2.0, "gone": 3.0})])
    store.projections.bring_up("bikes")
    assert names(url)[5:] == ["x", "gone", "y"]
    later = projected(store, features={"x": "categorical", "new": "numeric"})
    assert store.projections.behind() == ["bikes"]
    add_rows(store, later, [Row("b", 2, 2.0, {"x": "two", "new": 4.0})])
    assert store.projections.bring_up("bikes")
    assert names(url)[5:] == ["x", "new", "y"]
    assert rows(url, "SELECT row_key, x, new, y FROM ct_rows_bikes ORDER BY row_key") == [
        ("a", "2", None, 1.0),
        ("b", "two", 4.0, 2.0),
    ]


def test_purged_rows_leave_the_table(store: SqlStore, url: str) -> None:
    spec = projected(store, retention={"batches_days": 30})
    add_rows(store, spec, [row("a", 1, 1.0), row("b", 2, 2.0)])
    add_rows(store, spec, [row("b", 2, 5.0), row("c", 3, 3.0)], at=NOON + timedelta(days=2))
    store.projections.bring_up("bikes")
    assert len(store.purger.purge(spec, now=NOON + timedelta(days=31))) == 1
    assert [found[0] for found in shown(url)] == ["b", "c"]
    assert rows(url, "SELECT in_row_table FROM ctv_batch ORDER BY seq") == [(0,), (1,)]
    assert store.projections.behind() == []


def test_a_large_batch_is_let_in_in_chunks(store: SqlStore, url: str) -> None:
    spec = projected(store)
    chunk = chunk_rows(is_iris=url.startswith("iris"))
    n_rows = chunk + 3
    add_large(store, spec, n_rows)
    assert not store.projections.bring_up("bikes", most_rows=1)
    assert rows(url, "SELECT count(*) FROM ct_rows_bikes") == [(chunk,)]
    assert rows(url, "SELECT in_row_table FROM ctv_batch") == [(0,)]
    assert store.projections.bring_up("bikes")
    assert rows(url, "SELECT count(*), min(y), max(y) FROM ct_rows_bikes") == [
        (n_rows, 0.0, n_rows - 1.0)
    ]
    assert rows(url, "SELECT in_row_table FROM ctv_batch") == [(1,)]


def test_a_killed_projection_is_finished_by_the_next_one(
    url: str, opened: Callable[[], SqlStore], tmp_path: Any
) -> None:
    child = children.start(
        url,
        tmp_path / "home",
        """
        from iris_ct.adapters.store import row_changes
        from tests.contract.store.test_row_tables import add_large, projected, CHUNK_ROWS

        add_large(store, projected(store), CHUNK_ROWS + 3)
        store.projections.bring_up("bikes", most_rows=1)

        class Stuck(row_changes.RowChanges):
            def apply(self, connection, prepared):
                super().apply(connection, prepared)
                tell("inserted but not committed")
                wait()

        from iris_ct.adapters.store import row_tables
        row_tables.RowChanges = Stuck
        store.projections.bring_up("bikes")
        """,
    )
    assert children.hear(child) == "inserted but not committed"
    children.kill(child)
    store = opened()
    assert store.projections.behind() == ["bikes"]
    assert store.projections.bring_up("bikes")
    assert rows(url, "SELECT count(*) FROM ct_rows_bikes") == [(CHUNK_ROWS + 3,)]


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (["a.b"], "'a.b' has a ."),
        (["x", "X"], "'X' differs from 'x' in case only"),
        (["Row_Key"], "'Row_Key' is a column of its own"),
        (['say "hi"'], 'has a "'),
        (["é" * 32], "is longer than 63 bytes"),
        (["a\tb"], "has a character that cannot be printed"),
        (["Y"], "'y' differs from 'Y' in case only"),
    ],
)
def test_names_that_sql_cannot_have_are_refused_before_any_row(
    features: list[str], told: str
) -> None:
    said = dict.fromkeys(features, "numeric")
    specification(features=said)
    with pytest.raises(SpecificationError) as caught:
        specification(features=said, tables={"rows": True})
    assert told in str(caught.value)


def add_large(store: SqlStore, spec: Specification, n_rows: int) -> None:
    """Let a batch arrive that needs two chunks."""
    frame = pl.DataFrame(
        {
            "_row": pl.arange(0, n_rows, eager=True),
            "_position": pl.arange(0, n_rows, eager=True),
            "_key": pl.arange(0, n_rows, eager=True).cast(pl.String),
            "x": pl.Series([None] * n_rows, dtype=pl.Float64),
            "y": pl.arange(0, n_rows, eager=True).cast(pl.Float64),
        }
    )
    with store.batches.writer(spec, "rows") as writer:
        writer.write_rows(frame)
        writer.commit(
            fingerprint="large",
            source="large.csv",
            state="stored",
            n_labelled=n_rows,
            arrived_at=NOON,
        )


def test_rows_that_a_purged_one_kept_from_counting_come_into_the_table(
    store: SqlStore, url: str
) -> None:
    """The first counts, and it was purged: then the next one is the first."""
    spec = projected(store, on_duplicate="keep", retention={"batches_days": 30})
    add_rows(store, spec, [row("a", 1, 1.0), row("b", 1, 1.5)])
    later = NOON + timedelta(days=2)
    add_rows(store, spec, [row("a", 2, None), row("c", 3, 3.0)], at=later)
    add_labels(store, spec, [("a", 2.5)], at=later)
    store.projections.bring_up("bikes")
    assert len(store.purger.purge(spec, now=NOON + timedelta(days=31))) == 1
    assert store.projections.behind() == ["bikes"]
    store.projections.bring_up("bikes")
    assert shown(url) == [("a", 2, None, 2.5), ("c", 3, None, 3.0)]


def test_an_earlier_row_counts_again_when_its_correction_is_purged(
    store: SqlStore, url: str
) -> None:
    """The earlier batch reaches into the champion's training window, so it stays."""
    spec = projected(store, retention={"batches_days": 30})
    made = store.models.add(version("c1", fit_from=100))
    store.models.appoint(
        "bikes", made.version, decision_id="d1", actor="anna", at=NOON, since_position=None
    )
    add_rows(store, spec, [row("a", 2, 1.0), row("z", 200, 9.0)])
    add_rows(store, spec, [row("a", 2, 2.0)])
    store.projections.bring_up("bikes")
    assert len(store.purger.purge(spec, now=NOON + timedelta(days=31))) == 1
    store.projections.bring_up("bikes")
    assert shown(url) == [("a", 2, None, 1.0), ("z", 200, None, 9.0)]


def test_a_table_that_was_forgotten_but_not_dropped_goes(
    url: str, opened: Callable[[], SqlStore], tmp_path: Any
) -> None:
    child = children.start(
        url,
        tmp_path / "home",
        """
        from datetime import timedelta
        from iris_ct.adapters.store import row_tables
        from tests.contract.store.test_row_tables import projected, row

        spec = projected(store, retention={"batches_days": 30})
        add_rows(store, spec, [row("a", 1, 1.0), row("b", 2, 2.0)])
        add_rows(store, spec, [row("c", 3, 3.0)], at=NOON + timedelta(days=2))
        store.projections.bring_up("bikes")
        store.specifications.record(
            specification(retention={"batches_days": 30}), actor="anna", at=NOON
        )

        def drop(connection, model):
            tell("forgotten but not dropped")
            wait()

        row_tables._drop = drop
        store.projections.bring_up("bikes")
        """,
    )
    assert children.hear(child) == "forgotten but not dropped"
    children.kill(child)
    store = opened()
    spec = specification(retention={"batches_days": 30})
    store.purger.purge(spec, now=NOON + timedelta(days=31))
    assert [found[0] for found in shown(url)] == ["c"], "personal data is not left behind"
    assert store.projections.behind() == ["bikes"]
    store.projections.bring_up("bikes")
    assert not has_table(url)
    assert store.projections.behind() == []


def test_a_key_with_nul_of_an_earlier_release_is_shown_without_it(
    store: SqlStore, url: str
) -> None:
    spec = projected(store)
    add_rows(store, spec, [row("a\0", 1, 1.0), row("a", 2, 2.0)])
    store.projections.bring_up("bikes")
    [plain, spelled] = [found[0] for found in shown(url)]
    assert plain == "a"
    assert spelled.startswith("a~")
    assert len(spelled) == len("a~") + 64


def test_the_newest_of_all_early_labels_is_found_at_once(store: SqlStore, url: str) -> None:
    """Whatever the files: the last one of a key counts, of the newest file that has it."""
    spec = projected(store)
    add_labels(store, spec, [("a", 1.0), ("b", 1.5), ("b", 2.0)])
    add_labels(store, spec, [("a", 3.0), ("other", 9.0)])
    add_labels(store, spec, [("other", 8.0)])
    add_rows(store, spec, [row("a", 1, None), row("b", 2, None), row("c", 3, None)])
    store.projections.bring_up("bikes")
    assert [(key, y) for key, _, _, y in shown(url)] == [("a", 3.0), ("b", 2.0), ("c", None)]


def test_labels_of_another_kind_or_name_of_target_are_read_as_declared_now(
    store: SqlStore, url: str
) -> None:
    spec = specification(target="old")
    store.specifications.record(spec, actor="anna", at=NOON)
    add_labels(store, spec, [("a", 1.0)])
    later = projected(store)
    add_rows(store, later, [row("a", 1, None)])
    store.projections.bring_up("bikes")
    assert shown(url) == [("a", 1, None, None)]
    add_labels(store, later, [("b", 4.0)])
    add_rows(store, later, [row("b", 1, None)])
    store.projections.bring_up("bikes")
    assert shown(url)[1] == ("b", 1, None, 4.0)


def test_labels_are_looked_up_once_for_an_arrival_that_lacks_some(
    store: SqlStore, url: str
) -> None:
    """However many its chunks and the label files before it; not at all if nothing is lacking."""
    asked: list[int] = []

    class Counting(Analyst):
        def shared(self, paths: Sequence[Path], arrival: Path) -> list[tuple[int, Any]]:
            asked.append(len(paths))
            return super().shared(paths, arrival)

    files = store._files
    analyst = Counting(files, memory_limit="256MB", threads=1)
    projections = SqlProjections(store._database, files, store.specifications, analyst)
    spec = projected(store)
    for number in range(5):
        add_labels(store, spec, [(f"k{number}", float(number))])
    add_rows(store, spec, [row("known", 1, 1.0)])
    n_rows = 2 * chunk_rows(is_iris=url.startswith("iris")) + 1
    add_rows(store, spec, [row(f"k{number}", number, None) for number in range(n_rows)])
    projections.bring_up("bikes")
    assert asked == [5]
    assert rows(url, "SELECT count(*), sum(y) FROM ct_rows_bikes WHERE row_key <> 'known'") == [
        (n_rows, 10.0)
    ]
