"""Makes one onboarded package: unpacks it, reads its INFO, and lets it be built.

``python -m iris_ct.procedures.packaging HOME ID`` runs in a process of its own, which writes what
happens to the package's log. How it ended is in the catalogue.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from iris_ct.adapters.source_archive import unpack
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.core.errors import CTError, PackageRefusedError, UnknownServiceError
from iris_ct.core.service import STATEFUL, UNKNOWN, ModelRef, Package
from iris_ct.core.service.info import INFO, Info, parse_info
from iris_ct.procedures.packages import ARCHIVE, finish, note_failure, refuse_own

SOURCE = "source"

Build = Callable[[Path, Path, Info], str]
"""Takes the unpacked source, the package's directory and its INFO; gives the runtime."""

_log = logging.getLogger(__name__)


def make_package(parts: Parts, label: str, build_it: Build) -> Package:
    """Make the package that is waiting under a label.

    Parameters
    ----------
    label : str
        Its id until now.
    build_it : callable
        Builds what its workers need into the package's directory; what it raises says why not.

    Returns
    -------
    Package
        In status ``available`` or ``error``.
    """
    package = parts.store.packages.get(ModelRef(label, UNKNOWN))
    if package is None:
        raise UnknownServiceError(f"No package waits under the label {label}.")
    folder = parts.home / package.place
    try:
        _log.info("Unpacking %s", label)
        unpack(folder / ARCHIVE, folder / SOURCE)
        info = _read_info(folder / SOURCE)
        refuse_own(parts, info.id)
        known = _named(package, info)
        parts.store.packages.replace(package.reference, known)
        package = known
        _log.info("Building %s", package.reference)
        runtime = build_it(folder / SOURCE, folder, info)
    except (CTError, OSError) as error:
        _log.error("%s", error)
        return note_failure(parts, package, str(error).splitlines()[0])
    (folder / ARCHIVE).unlink()
    _log.info("Made %s", package.reference)
    runtime += STATEFUL if info.is_stateful else ""
    return finish(parts, replace(package, status="available", runtime=runtime))


def _read_info(source: Path) -> Info:
    try:
        return parse_info((source / INFO).read_text("utf-8"))
    except FileNotFoundError:
        raise PackageRefusedError(f"{INFO} is missing from the model source.") from None
    except UnicodeDecodeError as error:
        raise PackageRefusedError(f"{INFO} is no UTF-8 text.") from error


def _named(package: Package, info: Info) -> Package:
    return replace(
        package,
        id=info.id,
        version=info.version,
        image=f"{info.id}:{info.version}",
        title=info.title,
        author=info.author,
        description=info.description,
    )


def main(arguments: Sequence[str]) -> int:
    """Make a package; gives the exit code."""
    home, label = arguments
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    parts = build(load_settings(home))
    try:
        made = make_package(parts, label, _build)
    finally:
        parts.store.close()
    return 0 if made.status == "available" else 1


def _build(source: Path, folder: Path, info: Info) -> str:
    from iris_ct.adapters import packages

    return packages.build(source, folder, info)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
