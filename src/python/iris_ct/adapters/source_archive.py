"""A model's source as a zip archive: written from a directory or what Git has of it, and unpacked."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

from iris_ct.core.errors import PackageRefusedError

_LEFT_OUT = frozenset({".git", "__pycache__"})
_MOST_FILES = 20_000
_MOST_BYTES = 4 << 30
# Of a git command; a large repository on a slow disk.
_GIT_S = 120.0


def zip_source(source: Path) -> bytes:
    """Give the directory as a zip archive, without Git's own files.

    Raises
    ------
    PackageRefusedError
        If it is no directory.
    """
    _check_folder(source)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, names, files in os.walk(source):
            names[:] = sorted(name for name in names if name not in _LEFT_OUT)
            for name in sorted(files):
                path = Path(folder, name)
                archive.write(path, path.relative_to(source).as_posix())
    return written.getvalue()


def zip_committed(source: Path) -> bytes:
    """Give the directory as a zip archive; in a Git project, as it was committed last.

    Raises
    ------
    PackageRefusedError
        If it is no directory, or nothing of it is committed.
    """
    _check_folder(source)
    git = shutil.which("git")
    if git is None:
        if any(
            (parent / ".git").exists() for parent in (source.resolve(), *source.resolve().parents)
        ):
            raise PackageRefusedError(
                f"{source} is in a Git project, of which only what is committed is packed, but git "
                "is not installed."
            )
        return zip_source(source)
    if _git(git, source, "rev-parse", "--is-inside-work-tree").stdout.strip() != b"true":
        return zip_source(source)
    packed = _git(git, source, "archive", "--format=zip", "HEAD")
    if packed.returncode:
        reason = packed.stderr.decode("utf-8", "replace").strip()
        raise PackageRefusedError(
            f"{source} is in a Git project, but nothing of it is committed ({reason}). Commit it."
        )
    return packed.stdout


def read_member(archive: bytes, name: str) -> str:
    """Read a text file of an archive.

    Raises
    ------
    PackageRefusedError
        If it is not there, or no text.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            return zipped.read(name).decode("utf-8")
    except (KeyError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise PackageRefusedError(
            f"{name} is missing from the model source, or cannot be read."
        ) from error


def member_names(archive: bytes) -> list[str]:
    """Name the files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return [one.filename for one in zipped.infolist() if not one.is_dir()]


def unpack(archive: Path, into: Path) -> None:
    """Unpack an archive of somebody into a new directory.

    An archive that holds one directory and nothing else is unpacked without that directory.

    Raises
    ------
    PackageRefusedError
        If it is damaged, too large, or would write beside the directory.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [one for one in zipped.infolist() if not one.is_dir()]
            _check_members(members)
            into.mkdir(parents=True)
            left = _MOST_BYTES
            for member in members:
                path = into / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as packed, path.open("wb") as file:
                    # What is said of the size may be wrong.
                    while block := packed.read(1 << 20):
                        left -= len(block)
                        if left < 0:
                            raise PackageRefusedError(_too_large())
                        file.write(block)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageRefusedError(
            f"The archive of the model source is damaged ({type(error).__name__})."
        ) from error
    _lift(into)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MOST_FILES or sum(one.file_size for one in members) > _MOST_BYTES:
        raise PackageRefusedError(_too_large())
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise PackageRefusedError(
                f"The archive would write outside of its directory: {member.filename[:80]!r}."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise PackageRefusedError(f"The archive holds a link: {member.filename[:80]!r}.")


def _lift(folder: Path) -> None:
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name != "MXE-META-INF":
        lifted = folder.with_name(folder.name + ".lifted")
        inside[0].rename(lifted)
        folder.rmdir()
        lifted.rename(folder)


def _too_large() -> str:
    return f"The archive holds more than {_MOST_FILES:,} files or {_MOST_BYTES >> 30} GiB."


def _check_folder(source: Path) -> None:
    if not source.is_dir():
        raise PackageRefusedError(f"Source parameter must be a directory; {source} is none.")


def _git(git: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - fixed words, and a directory as working directory
        [git, *arguments], cwd=folder, capture_output=True, timeout=_GIT_S, check=False
    )
