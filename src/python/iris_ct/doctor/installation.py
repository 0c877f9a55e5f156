"""Is everything installed: Python, packages, the right ``iris``, and what only a system has."""

from __future__ import annotations

import ctypes
import platform
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util

from iris_ct.doctor.finding import Finding, examine

_DISTRIBUTION = "iris-ct"
_SETUP = "Run 'make setup', or: pip install -r requirements.lock"


def installation() -> list[Finding]:
    """Look at this machine's Python and packages."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("iris", _iris),
        ("libgomp", _libgomp),
        ("venv", _venv),
    )
    return [examine(name, check, advice=_SETUP) for name, check in checks]


def _python() -> Finding:
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    wanted = metadata.metadata(_DISTRIBUTION)["Requires-Python"]
    if SpecifierSet(wanted).contains(version):
        return Finding("python", "ok", f"{version} ({sys.executable})")
    return Finding(
        "python",
        "failed",
        f"{version}: expected {wanted}",
        "Make the environment with another Python: make setup PYTHON=python3.12",
    )


def _packages() -> Finding:
    wrong = [*_wrong_packages()]
    if wrong:
        return Finding("packages", "failed", "; ".join(wrong), _SETUP)
    return Finding("packages", "ok", "all there, in versions that go together")


def _wrong_packages() -> Iterator[str]:
    from packaging.requirements import Requirement

    for line in metadata.requires(_DISTRIBUTION) or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield f"{wanted.name} is missing"
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name} {found}: expected {wanted.specifier}"


def _iris() -> Finding:
    """Two packages bring a module ``iris``; iop needs the one whose ``iris`` has ``runtime``."""
    import iris

    if not hasattr(iris, "runtime"):
        owner = "iris-embedded-python-wrapper"
        return Finding(
            "iris",
            "failed",
            f"{iris.__file__} has no iris.runtime: another package was installed over {owner}",
            f"pip install --force-reinstall --no-deps {owner}=={metadata.version(owner)}",
        )
    import iop

    version = metadata.version("iris-pex-embedded-python")
    return Finding("iris", "ok", f"{iop.__name__} {version}, {iris.__file__}")


def _libgomp() -> Finding:
    if sys.platform != "linux":
        return Finding("libgomp", "ok", "not needed on this system")
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError as error:
        return Finding(
            "libgomp",
            "failed",
            f"LightGBM needs the system's OpenMP library: {_first_line(error)}",
            "As root: apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora, "
            "RHEL) or apk add libgomp (Alpine)",
        )
    return Finding("libgomp", "ok", "libgomp.so.1 is there")


def _venv() -> Finding:
    if util.find_spec("venv") is not None and util.find_spec("ensurepip") is not None:
        return Finding("venv", "ok", "new environments can be made")
    number = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Finding(
        "venv",
        "warning",
        "this Python cannot make environments: ensurepip is missing",
        f"As root: apt-get install python{number}-venv (or python3-venv); only 'make setup' "
        "needs it",
    )


def _first_line(error: BaseException) -> str:
    return re.split(r"\n", str(error))[0]
