"""One stored row by its key: the newest, or the first where that one is kept."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.contract.store.histories import (
    NOON,
    Row,
    add_labels,
    add_quarantined,
    add_rows,
    specification,
    unkeyed,
)

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import IntegrityError

pytestmark = pytest.mark.integration


def _x(frame: pl.DataFrame | None) -> float | None:
    return None if frame is None else float(frame["x"].item())


def test_the_newest_row_of_a_key_is_given_or_the_oldest(store: SqlStore) -> None:
    spec = specification()
    first = [
        Row("a", 1, 1.0, {"x": 1.0}),
        Row("b", 2, 1.0, {"x": 2.0}),
        Row("a", 3, 1.0, {"x": 3.0}),
    ]
    add_rows(store, spec, first)
    add_labels(store, spec, [("a", 9.0)])
    assert _x(store.batches.row("bikes", "a")) == 3.0, "within a file the last row is the newest"
    assert _x(store.batches.row("bikes", "a", oldest=True)) == 1.0
    add_rows(store, spec, [Row("a", 2, None, {"x": 4.0})])
    assert _x(store.batches.row("bikes", "a")) == 4.0, "age is arrival, not event time"
    assert _x(store.batches.row("bikes", "a", oldest=True)) == 1.0
    assert _x(store.batches.row("bikes", "b")) == 2.0
    assert store.batches.row("bikes", "c") is None
    assert store.batches.row("cars", "a") is None


def test_what_is_quarantined_is_not_given(store: SqlStore) -> None:
    add_quarantined(store, specification(), [["above_maximum:x"]])
    assert store.batches.row("bikes", "a") is None


def test_a_row_is_found_in_any_row_group(store: SqlStore) -> None:
    """131 072 rows are one row group; the writer makes two here."""
    spec, n_rows = unkeyed(), 140_000
    with store.batches.writer(spec, "rows") as writer:
        ordinals = pl.int_range(n_rows, eager=True)
        writer.write_rows(
            pl.DataFrame({"_row": ordinals, "_position": ordinals}).with_columns(
                pl.format("bikes-000001:{}", pl.col("_row") + 1).alias("_key"),
                pl.col("_row").cast(pl.Float64).alias("x"),
            )
        )
        writer.commit(fingerprint="f", source="s", state="stored", n_labelled=0, arrived_at=NOON)
    for ordinal in (0, 131_071, 131_072, 139_999):
        for oldest in (False, True):
            row = store.batches.row("bikes", f"bikes-000001:{ordinal + 1}", oldest=oldest)
            assert _x(row) == float(ordinal)


def test_a_damaged_file_is_told(store: SqlStore, tmp_path: Path) -> None:
    batch = add_rows(store, specification(), [Row("a", 1, 1.0, {"x": 1.0})])
    path = tmp_path / "home" / batch.path
    path.chmod(0o600)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(IntegrityError, match="damaged"):
        store.batches.row("bikes", "a")
