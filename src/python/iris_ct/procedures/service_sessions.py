"""What stateful models kept of sessions goes when their service, or the model in it, has gone."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

FOLDER = Path("serving", "sessions")
_GONE = ".gone-"

_log = logging.getLogger(__name__)


def forget_service(home: Path, name: str) -> None:
    """Remove the sessions of a service that is deleted, if it has any here."""
    if (home / FOLDER / name).is_dir():
        _remove(home / FOLDER, home / FOLDER / name)


def forget_others(home: Path, kept: Collection[tuple[str, str]]) -> None:
    """Remove the sessions of all that is not kept, as when a worker answered to its end.

    Parameters
    ----------
    kept : collection of (service, model)
        Who may have sessions, also if there are none.
    """
    folder = home / FOLDER
    if not folder.is_dir():
        return
    services = {name for name, _ in kept}
    for service in sorted(folder.iterdir()):
        if service.name.startswith(_GONE):
            shutil.rmtree(service, ignore_errors=True)
        elif service.name not in services:
            _remove(folder, service)
        else:
            for model in sorted(service.iterdir()):
                if (service.name, model.name) not in kept:
                    _remove(folder, model)


def _remove(folder: Path, gone: Path) -> None:
    """Take a folder out of sight in one step, so that no worker finds half of it."""
    out_of_sight = folder / f"{_GONE}{os.urandom(8).hex()}"
    try:
        gone.rename(out_of_sight)
    except OSError as error:
        _log.warning("The sessions in %s could not be removed: %s", gone, error)
    else:
        shutil.rmtree(out_of_sight, ignore_errors=True)
