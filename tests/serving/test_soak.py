"""The proof under load on the real thing, short; ``python -m tests.serving.soak`` has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serving import soak

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_every_request_is_answered_once_and_logged_to_the_row(home: Path) -> None:
    told = soak.run(home, requests=3_000, every_s=0.2)
    assert told.wrong == []
    assert told.requests >= 3_000
    assert told.actions["kill worker"] >= 1
    assert told.actions["kill gateway"] == 1
