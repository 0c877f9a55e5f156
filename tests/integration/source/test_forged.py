"""A message that somebody forged moves no file but a claimed one of its model, and records nothing."""

from __future__ import annotations

import pytest
from tests.integration.source.orders import MODEL, Orders
from tests.integration.source.test_storing import Files

from iris_ct.adapters.sources.inbox import Inbox
from iris_ct.core.errors import UnreadableFileError
from iris_ct.flow.ingest import Arrival, ingest_file

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("../../../escaped", "store/incoming/orders/rows/a.csv"),
        (MODEL, "store/incoming/../../secret.csv"),
        (MODEL, "store/incoming/other/rows/a.csv"),
        (MODEL, "store/incoming/orders"),
    ],
)
def test_a_forged_arrival_is_refused_before_anything(
    orders: Orders, model: str, path: str
) -> None:
    for name in (MODEL, "other"):
        folder = orders.home / "store/incoming" / name / "rows"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text("number,item\n1,tea\n")
    files = sorted(orders.home.parent.rglob("*.csv*"))
    with pytest.raises(UnreadableFileError):
        ingest_file(
            Arrival(model, path, "a.csv", "rows", "", "somebody"),
            files=Files(orders),
            inbox=Inbox(orders.home),
            store=orders.store,
            clock=orders.clock,
        )
    assert sorted(orders.home.parent.rglob("*.csv*")) == files
    assert orders.store.decisions.decisions(model) == []
