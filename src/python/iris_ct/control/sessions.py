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


def forget_sessions(home: Path, kept: Collection[tuple[str, str]]) -> None:
    """Remove the sessions of all that is not kept.

    Workers that end, and still answer, keep writing into files that nobody finds any more.

    Parameters
    ----------
    kept : collection of (service, model)
        Who may have sessions, also if there are none.
    """
    folder = home / FOLDER
    if not folder.is_dir():
        return
    try:
        _forget(folder, kept)
    except OSError as error:
        # A worker that ends may just make a file; the next look comes soon.
        _log.warning("Sessions in %s could not be removed: %s", folder, error)


def _forget(folder: Path, kept: Collection[tuple[str, str]]) -> None:
    services = {name for name, _ in kept}
    for service in sorted(folder.iterdir()):
        if service.name.startswith(_GONE):
            shutil.rmtree(service, ignore_errors=True)
            continue
        for model in sorted(service.iterdir()):
            if (service.name, model.name) not in kept:
                _remove(folder, service, model)
        if service.name not in services:
            service.rmdir()


def _remove(folder: Path, service: Path, model: Path) -> None:
    """Take a folder out of sight in one step, so that no worker finds half of it."""
    out_of_sight = folder / f"{_GONE}{service.name}-{model.name}-{os.urandom(4).hex()}"
    model.rename(out_of_sight)
    shutil.rmtree(out_of_sight, ignore_errors=True)
    _log.info("The sessions of %s in service %s were removed with it.", model.name, service.name)
