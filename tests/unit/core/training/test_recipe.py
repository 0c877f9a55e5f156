"""Which changes of a specification make a champion's recipe outdated."""

from __future__ import annotations

from typing import Any

import pytest
from tests.training_tables import specification

from iris_ct.core.training.recipe import forces_retraining


@pytest.mark.parametrize(
    ("change", "forces"),
    [
        ({}, False),
        ({"features": {"size": "numeric"}}, True),
        ({"training": {"seed": 8}}, True),
        ({"gate": {"metric": "rmse"}}, True),
        ({"gate": {"margin": 0.5}}, False),
        ({"drift": {"enabled": False}, "retention": {"batches_days": 9}}, False),
        ({"label_delay": "5d"}, False),
        ({"training": {"windows": ["30d"]}}, False),
    ],
)
def test_a_change_forces_a_retraining_if_something_else_is_learned(
    change: dict[str, Any], forces: bool
) -> None:
    """The trigger asks the same question; what is recorded and what happens are one."""
    assert forces_retraining(specification(), specification(**change)) == forces
