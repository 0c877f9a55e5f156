"""One real gateway for all clients: ``ct serve`` with workers and control on a trained home."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import MODEL, copy_home
from tests.serving.real import Serving, serving, wait_for


@pytest.fixture(scope="session")
def served(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A gateway whose only service is rentals."""
    home = copy_home(trained, tmp_path_factory.mktemp("served") / "dur")
    with serving(home) as running:
        wait_for(lambda: _is_ready(running))
        yield running


def _is_ready(running: Serving) -> bool:
    connection = http.client.HTTPConnection(running.netloc, timeout=60)
    try:
        connection.request("GET", f"/v2/models/{MODEL}/ready")
        return connection.getresponse().status == 200
    finally:
        connection.close()
