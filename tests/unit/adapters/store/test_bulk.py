"""Rows inserted column by column reach the driver as rows inserted one by one do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from iris_ct.adapters.store import iris_dialect, tables
from iris_ct.adapters.store.bulk import insert_columns

SHARED = {"model": "m", "file_seq": 3}
COLUMNS: dict[str, list[Any]] = {
    "place": [0, 1],
    "row_key": ["a", ""],
    "row_position": [1, None],
    "prediction": ["1.5", ""],
    "prediction_number": [1.5, None],
    "predicted_at": [datetime(2026, 1, 31, 23, 59, tzinfo=UTC), None],
}


class Driver:
    """A connection and its cursor that note what they are told, and have no rows."""

    description = None
    rowcount = 0

    def __init__(self) -> None:
        self.told: list[tuple[str, list[tuple[Any, ...]]]] = []

    def cursor(self) -> "Driver":
        return self

    def execute(self, operation: str, parameters: Sequence[Any] = ()) -> None:
        self.told.append((operation, [tuple(parameters)]))

    def executemany(self, operation: str, rows: Sequence[Sequence[Any]]) -> None:
        self.told.append((operation, [tuple(row) for row in rows]))

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> None:
        return None

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


def told(address: str, *, by_column: bool) -> tuple[str, list[tuple[Any, ...]]]:
    driver = Driver()
    engine = sa.create_engine(
        address, creator=lambda: driver, poolclass=sa.pool.StaticPool, _initialize=False
    )
    with engine.connect() as connection:
        if by_column:
            insert_columns(connection, tables.prediction, SHARED, COLUMNS)
        else:
            rows = zip(*COLUMNS.values(), strict=True)
            given = [{**SHARED, **dict(zip(COLUMNS, row, strict=True))} for row in rows]
            connection.execute(sa.insert(tables.prediction), given)
    [inserted] = [said for said in driver.told if said[0].startswith("INSERT")]
    return inserted


@pytest.mark.parametrize("address", ["sqlite://", "iris://x@h:1972/N"])
def test_the_driver_is_told_the_same_both_ways(address: str) -> None:
    iris_dialect.register()
    statement, rows = told(address, by_column=True)
    assert (statement, rows) == told(address, by_column=False)
    assert len(rows) == 2
    assert "2026-01-31T23:59:00.000000+00:00" in rows[0]
    # IRIS keeps the empty text as character 0.
    assert rows[1][3] == ("" if address.startswith("sqlite") else "\0")


def test_rows_are_there_and_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'ct.db'}")
    tables.prediction.create(engine)
    with engine.begin() as connection:
        insert_columns(connection, tables.prediction, SHARED, COLUMNS)
        with pytest.raises(ValueError, match=r"shorter|longer"):
            insert_columns(connection, tables.prediction, SHARED, {**COLUMNS, "place": [7]})
    with engine.connect() as connection:
        t = tables.prediction.c
        found = connection.execute(sa.select(t.place, t.row_key, t.model, t.predicted_at)).all()
    assert sorted(tuple(row) for row in found) == [
        (0, "a", "m", COLUMNS["predicted_at"][0]),
        (1, "", "m", None),
    ]
    engine.dispose()
