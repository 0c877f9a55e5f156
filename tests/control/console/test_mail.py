"""Where the messages are that the console shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from iris_ct.config import Settings
from iris_ct.control.console.mail import Mail


@dataclass(frozen=True)
class OnlySettings:
    """Parts of which nothing else is asked."""

    settings: Settings


@pytest.mark.parametrize(
    ("url", "has_run", "is_here"),
    [
        ("", False, True),
        ("postgresql+psycopg://ct@db/ct", False, True),
        ("iris+emb:///IRISAPP", True, False),
        ("iris://ct@db:1972/IRISAPP", False, False),
        ("iris://ct@db:1972/IRISAPP", True, True),
    ],
)
def test_messages_are_here_unless_an_instance_keeps_them(
    tmp_path: Path, url: str, has_run: bool, is_here: bool
) -> None:
    """With the catalogue in an IRIS elsewhere the file of an embedded host tells."""
    if has_run:
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / "ct.db").touch()
    parts: Any = OnlySettings(Settings(home=tmp_path, store_url=url))
    assert Mail(parts).is_here is is_here
