"""A trained home, made once, and copies of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import copy_home
from tests.serving.real import home_with_two_versions


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions of the model rentals; read only."""
    return home_with_two_versions(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A copy of that home, to serve from."""
    return copy_home(trained, tmp_path / "dur")
