"""What was stored, decided and promoted is there after a restart, and after a kill."""

from __future__ import annotations

from typing import Any

import pytest
from tests.iris.conftest import MODEL, status
from tests.iris.stack import Stack

pytestmark = pytest.mark.iris

KEPT = ("champion_version", "n_rows", "n_batches", "n_trainings", "n_promotions")
FIRST_KEY = "2024-01-01 00:00:00"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(("restart", "iris"), id="restart"),
        pytest.param(("kill", "--signal", "SIGKILL", "iris"), id="kill"),
        pytest.param(("down",), id="containers-removed"),
    ],
)
def test_a_restart_keeps_all(stack: Stack, champion: dict[str, Any], end: tuple[str, ...]) -> None:
    before = {name: status(stack)[name] for name in KEPT}
    predicted = stack.value("SELECT CT.Predict(?, ?)", MODEL, FIRST_KEY)
    decisions = stack.query("SELECT decision_id FROM CT.Decision WHERE model = ?", MODEL)
    stack.compose(*end)
    stack.compose("up", "--detach", "--wait")
    assert {name: status(stack)[name] for name in KEPT} == before
    assert stack.value("SELECT CT.Predict(?, ?)", MODEL, FIRST_KEY) == predicted
    after = stack.query("SELECT decision_id FROM CT.Decision WHERE model = ?", MODEL)
    assert after == decisions
    state = "set sc = ##class(Ens.Director).GetProductionStatus(.name,.state)"
    assert stack.evaluate("state", state) == "1"
