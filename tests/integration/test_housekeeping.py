"""Housekeeping brings the SQL tables up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.store.histories import NOON, Row, add_rows, specification
from tests.contract.store.test_predictions import predict

from iris_ct import bootstrap
from iris_ct.adapters.store import SqlStore
from iris_ct.components.services.housekeeping import Housekeeping
from iris_ct.core.errors import StoreError
from iris_ct.flow.project import bring_up_tables

pytestmark = pytest.mark.integration


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with SqlStore(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path, synchronous="OFF") as made:
        yield made


def test_a_look_adds_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CT_HOME", str(tmp_path))
    store = bootstrap.parts().store
    assert isinstance(store, SqlStore)
    spec = specification(tables={"rows": True})
    store.specifications.record(spec, actor="anna", at=NOON)
    add_rows(store, spec, [Row("a", 1, 1.0)])
    predict(store, spec, "r1", {"a": 0.5})
    assert store.projections.behind() == ["bikes"]
    service = Housekeeping()
    service.on_init()
    service.on_poll()
    assert store.projections.behind() == []


class Broken:
    """Projections of three models, of which one cannot be made."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def behind(self) -> list[str]:
        return ["a", "b", "c"]

    def bring_up(self, model: str, *, most_rows: int | None = None) -> bool:
        self.asked.append(model)
        if model == "a":
            raise StoreError("no room for the table of a")
        return True


def test_a_model_whose_table_cannot_be_made_stops_no_other(store: SqlStore) -> None:
    broken = Broken()
    store.projections = broken  # type: ignore[assignment] # a stand-in for one part of the store
    with pytest.raises(StoreError, match="no room"):
        bring_up_tables(store, most_rows=9)
    assert broken.asked == ["a", "b", "c"]
