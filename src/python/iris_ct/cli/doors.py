"""Which way leads into the production: IRIS' own inside an instance, else the embedded host's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iris_ct.bootstrap import Parts
    from iris_ct.embedded import HostDoor
    from iris_ct.instance.door import InstanceDoor


@contextmanager
def open_door(parts: Parts) -> Iterator[HostDoor | InstanceDoor]:
    """Reach the running production; elsewhere than on IRIS, run it for the time of the block."""
    if parts.settings.on_iris:
        with look_door(parts) as door:
            door.ensure()
            yield door
        return
    from iris_ct import embedded

    with embedded.open_door(parts) as host_door:
        yield host_door


@contextmanager
def look_door(parts: Parts) -> Iterator[HostDoor | InstanceDoor]:
    """Read what became of messages; none is sent for and nothing is started."""
    if parts.settings.on_iris:
        from iris_ct.instance.door import InstanceDoor

        yield InstanceDoor()
        return
    from iris_ct import embedded

    with embedded.look_door(parts) as host_door:
        yield host_door


def refuse_on_iris(parts: Parts, instead: str) -> None:
    """Refuse what only the embedded host does.

    Raises
    ------
    ConfigError
        On IRIS; says what does it there.
    """
    from iris_ct.core.errors import ConfigError

    if parts.settings.on_iris:
        raise ConfigError(f"On IRIS the production runs in the instance. {instead}")
