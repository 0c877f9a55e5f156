"""Building an onboarded model: its virtual environment, and the list of what it consists of.

Below a package's folder: ``source/`` as it was onboarded, ``venv/`` with what its
``requirements.txt`` asks for, ``PACKAGE.json`` with the SHA-256 of every source file, which
`serving.foreign_worker` checks before it imports any of them. What pip says goes where this
process' output goes: into the package's log, whether it ends well or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from iris_ct.adapters.durable import write_whole
from iris_ct.core.errors import PackageRefusedError
from iris_ct.core.service.info import ENVIRONMENT, Info, model_class

MANIFEST = "PACKAGE.json"
SOURCE, VENV = "source", "venv"
SELDON, PYFUNC = "seldon", "pyfunc"

_FORMAT = 1
_MLMODEL = "MLmodel"
_REQUIREMENTS = "requirements.txt"
_NUMPY = re.compile(r"^\s*(?:import|from)\s+numpy\b", re.MULTILINE)
# Of pip: large libraries on a slow line.
_INSTALL_S = 3600.0
_VENV_S = 300.0


def build(source: Path, folder: Path, info: Info, *, python: str = sys.executable) -> str:
    """Make a package ready to be served; whatever was built before is built anew.

    Parameters
    ----------
    source : Path
        What was onboarded, unpacked into ``<folder>/source``.
    folder : Path
        The package's own.
    info : Info
        What it says of itself.
    python : str
        Interpreter of which the virtual environment is made.

    Returns
    -------
    str
        `SELDON` or `PYFUNC`: what can run it.

    Raises
    ------
    PackageRefusedError
        If it is neither, or what it needs cannot be installed; the log says why not.
    """
    runtime, name = _kind(source)
    _drop_bytecode(source)
    files = _digests(source)
    _make_venv(source, folder, python)
    said = {
        "format": _FORMAT,
        "id": info.id,
        "version": info.version,
        "runtime": runtime,
        "model_name": name,
        "files": files,
    }
    with write_whole(folder / MANIFEST) as file:
        file.write(json.dumps(said, indent=1, sort_keys=True).encode())
    return runtime


def python_of(folder: Path) -> Path:
    """Give the interpreter that serves a built package."""
    return folder / VENV / "bin" / "python"


def _kind(source: Path) -> tuple[str, str]:
    """Give the runtime and, of a class, its name."""
    if (source / _MLMODEL).is_file():
        return PYFUNC, ""
    described = source / ENVIRONMENT
    if not described.is_file():
        raise PackageRefusedError(
            f"The model source has neither {ENVIRONMENT}, which names a Python class, nor "
            f"{_MLMODEL}, as an MLflow model has. Add one of them."
        )
    name = model_class(described.read_text("utf-8"))
    module = name.partition(".")[0]
    if not (source / f"{module}.py").is_file() and not (source / module).is_dir():
        raise PackageRefusedError(
            f"{ENVIRONMENT} names the class {name}, but there is no {module}.py in the source."
        )
    return SELDON, name


def _drop_bytecode(source: Path) -> None:
    """Remove compiled files: they may say something else than the source beside them."""
    for folder in list(source.rglob("__pycache__")):
        shutil.rmtree(folder)
    for path in list(source.rglob("*.pyc")):
        path.unlink()


def _digests(source: Path) -> dict[str, str]:
    files = {}
    for path in sorted(source.rglob("*")):
        if path.is_symlink():
            raise PackageRefusedError(f"The source holds a link: {path.relative_to(source)}.")
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.relative_to(source).as_posix()] = digest
    return files


def _make_venv(source: Path, folder: Path, python: str) -> None:
    shutil.rmtree(folder / VENV, ignore_errors=True)
    own = str(python_of(folder))
    # To put pip into the environment takes longer than all the rest.
    has_pip = _has(python, "pip")
    # -I: what lies in the working directory, the source, is no part of venv and pip.
    made = [
        python,
        "-I",
        "-m",
        "venv",
        *(["--without-pip"] if has_pip else []),
        str(folder / VENV),
    ]
    _run(made, _VENV_S, "its virtual environment")
    pip = [python, "-I", "-m", "pip", "--python", own] if has_pip else [own, "-I", "-m", "pip"]
    pip += ["--disable-pip-version-check", "install", "--no-input", "--progress-bar", "off"]
    requirements = source / _REQUIREMENTS
    if requirements.is_file() and _asks_for_something(requirements):
        what = f"what {_REQUIREMENTS} asks for"
        _run([*pip, "-r", str(requirements)], _INSTALL_S, what, cwd=source)
    # Where Seldon runs a class NumPy is there, so that few ask for it.
    if _imports_numpy(source) and not _has(own, "numpy"):
        _run([*pip, "numpy"], _INSTALL_S, "NumPy, which the source imports,")


def _asks_for_something(requirements: Path) -> bool:
    lines = requirements.read_text("utf-8", "replace").splitlines()
    return any(line.split("#")[0].strip() for line in lines)


def _imports_numpy(source: Path) -> bool:
    return any(_NUMPY.search(path.read_text("utf-8", "replace")) for path in source.rglob("*.py"))


def _has(python: str, module: str) -> bool:
    command = [python, "-I", "-c", f"import {module}"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words
    return done.returncode == 0


def _run(command: Sequence[str], within_s: float, what: str, cwd: Path | None = None) -> None:
    """Run a step; what it says goes to the log."""
    # What the caller's own Python was told must not reach the model's.
    env = {name: said for name, said in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and paths that we made
            command, stdin=subprocess.DEVNULL, timeout=within_s, check=False, env=env, cwd=cwd
        )
    except subprocess.TimeoutExpired as error:
        raise PackageRefusedError(
            f"Making {what} took longer than {within_s:g} s. See the packaging log."
        ) from error
    except OSError as error:
        raise PackageRefusedError(f"{command[0]} cannot be started: {error.strerror}.") from error
    if done.returncode:
        raise PackageRefusedError(
            f"Making {what} failed with code {done.returncode}. The packaging log says why; mend "
            "the source, delete the model and onboard it again."
        )
