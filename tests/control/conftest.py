"""A home with two versions of a model, of which one serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import copied, lived

from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings

__all__ = ["copied", "lived"]


@pytest.fixture
def parts(copied: Path) -> Iterator[Parts]:
    """A copy of the home, to change."""
    opened = build(load_settings(copied))
    yield opened
    opened.store.close()
