"""Which way leads into the production: on IRIS its own, elsewhere the embedded host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_ct.bootstrap import build
from iris_ct.cli.doors import look_door, open_door, refuse_on_iris
from iris_ct.config import Settings, load_settings
from iris_ct.core.errors import ConfigError
from iris_ct.embedded import HostDoor


class OnIris:
    """Of the parts only the settings count here."""

    settings = Settings(store_url="iris+emb:///IRISAPP")


def test_elsewhere_the_embedded_host_is_reached(tmp_path: Path) -> None:
    parts = build(load_settings(tmp_path / "dur"))
    with look_door(parts) as door:
        assert isinstance(door, HostDoor)
        assert not door.is_temporary, "looking starts nothing"
    with open_door(parts) as door:
        assert door.is_temporary
    refuse_on_iris(parts, "unsaid")
    parts.store.close()


@pytest.mark.parametrize("way", [open_door, look_door])
def test_on_iris_the_instance_is_asked_for_and_nothing_else(way: object) -> None:
    """This Python is not inside an IRIS process, and says so."""
    with (
        pytest.raises(ConfigError, match="does not run inside an IRIS process"),
        way(OnIris()),  # type: ignore[operator]
    ):
        pass


def test_on_iris_nobody_starts_a_second_production() -> None:
    with pytest.raises(ConfigError, match=r"runs in the instance\. Start it with 'iop --start'"):
        refuse_on_iris(OnIris(), "Start it with 'iop --start'.")  # type: ignore[arg-type]
