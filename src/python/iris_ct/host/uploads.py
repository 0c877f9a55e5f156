"""Productions that were uploaded: checked, kept by content, and taken up at the next start.

An upload is a folder with a settings file and the modules it needs. What the running Python
already has under the same name is left out if it is the same, and refused if it is not: modules
of the product cannot be replaced while it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path, PurePosixPath
from typing import Any

from iris_ct.host.errors import UploadError

# No name that climbs, is hidden, or means something to a file system.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?<![.])")
# What makes a module a settings file of iop, which nothing else imports.
_HAS_PRODUCTIONS = re.compile(r"^PRODUCTIONS\b", re.MULTILINE)
_MAX_DEPTH = 12
_MAX_FILES = 5000
_SHOWN = 3


@dataclass(frozen=True)
class Upload:
    """What ``iop --migrate`` sends.

    Attributes
    ----------
    settings_file : str
        The file with ``PRODUCTIONS``, one of ``files``.
    files : mapping of str to str
        Text by relative path.
    strict : bool
        iop's own strict validation is asked for too.
    """

    settings_file: str
    files: Mapping[str, str]
    strict: bool = False

    @classmethod
    def from_json(cls, content: Any) -> Upload:
        """Read the body of ``PUT /migrate``.

        ``remote_folder`` and ``package`` say where IRIS keeps the files; here the host decides.

        Raises
        ------
        UploadError
            If it is not of the documented form, or a file name is not a plain relative path.
        """
        body = content.get("body") if isinstance(content, dict) else None
        if not isinstance(body, list) or not all(_is_file(entry) for entry in body):
            raise UploadError('"body" must be an array of objects with texts "name" and "data".')
        if not 0 < len(body) <= _MAX_FILES:
            raise UploadError(f"{len(body)} files were sent; expected 1 to {_MAX_FILES}.")
        files: dict[str, str] = {}
        folded: set[str] = set()
        for entry in body:
            name = _checked_name(entry["name"])
            if name.casefold() in folded:
                raise UploadError(f"File {name!r} was sent twice.")
            folded.add(name.casefold())
            files[name] = _checked_text(name, entry["data"])
        _check_folders(files)
        settings_file = str(content.get("settings_file") or "settings.py")
        if settings_file not in files or "/" in settings_file:
            raise UploadError(f"Settings file {settings_file!r} is not among the files sent.")
        return cls(settings_file, files, bool(content.get("strict_production_validation")))

    @property
    def digest(self) -> str:
        """Name of the content."""
        text = json.dumps([self.settings_file, sorted(self.files.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptUpload:
    """An upload that was checked and is on the disk."""

    digest: str
    module: str

    @property
    def reference(self) -> str:
        """Where the production is, for `load_production`."""
        return f"{self.module}:PRODUCTIONS"


class Uploads:
    """The folder of uploaded productions. Calls must not overlap, but for the check of `take`.

    Parameters
    ----------
    folder : Path
        Holds a folder for each upload, and which of them is to run.
    check : callable
        ``check(folder, module, strict)`` imports the production elsewhere and gives what is wrong
        with it.
    """

    def __init__(self, folder: Path, check: Callable[[Path, str, bool], list[str]]) -> None:
        self.folder = folder
        self._check = check

    def folder_of(self, kept: KeptUpload) -> Path:
        """Give the folder to import an upload from."""
        return self.folder / kept.digest

    def take(
        self, upload: Upload, *, alone: AbstractContextManager[Any] | None = None
    ) -> KeptUpload:
        """Check an upload, keep it, and let it run from the next start on.

        Parameters
        ----------
        upload : Upload
        alone : context manager, optional
            Entered once the upload is checked, which takes long, to keep it.

        Raises
        ------
        UploadError
            With every finding; nothing has changed then.
        """
        files = _new_files(upload, self.folder)
        kept = KeptUpload(upload.digest, upload.settings_file.removesuffix(".py"))
        draft = self.folder / f".{kept.digest}-{secrets.token_hex(4)}"
        try:
            _write_files(draft, files)
            findings = self._check(draft, kept.module, upload.strict)
            if findings:
                lines = "".join(f"\n  - {finding}" for finding in findings)
                raise UploadError(f"The uploaded production cannot run here:{lines}")
            with alone or nullcontext():
                if not self.folder_of(kept).is_dir():
                    draft.rename(self.folder_of(kept))
                self._write("next", kept)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return kept

    @property
    def next(self) -> KeptUpload | None:
        """What waits for the next start."""
        return self._read("next")

    @property
    def current(self) -> KeptUpload | None:
        """What ran last; None for the product's own production."""
        return self._read("current")

    def appoint(self, kept: KeptUpload) -> None:
        """Note that an upload has started."""
        self._write("current", kept)
        (self.folder / "next.json").unlink(missing_ok=True)

    def drop_next(self) -> None:
        """Forget what waited for the next start."""
        (self.folder / "next.json").unlink(missing_ok=True)

    def _read(self, name: str) -> KeptUpload | None:
        path = self.folder / f"{name}.json"
        return KeptUpload(**json.loads(path.read_text())) if path.exists() else None

    def _write(self, name: str, kept: KeptUpload) -> None:
        draft = self.folder / f"{name}.json.draft"
        draft.write_text(json.dumps(asdict(kept)))
        os.replace(draft, self.folder / f"{name}.json")


def _is_file(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("data"), str)
    )


def _checked_name(name: str) -> str:
    parts = name.split("/")
    plain = len(parts) <= _MAX_DEPTH and all(_PART.fullmatch(part) for part in parts)
    if not plain or PurePosixPath(name).suffix not in {".py", ".cls"}:
        raise UploadError(
            f"File name {name[:200]!r} is refused. Expected a relative path of letters, digits, "
            "'_', '-' and '.', parts separated by '/', that ends with .py or .cls."
        )
    return name


def _checked_text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UploadError(
            f"File {name!r} is no text: character {error.start + 1} is half of a surrogate pair."
        ) from error
    return text


def _check_folders(files: Mapping[str, str]) -> None:
    """Refuse a name that is a file and a folder, whatever the case of its letters."""
    folded = {name.casefold() for name in files}
    for name in files:
        for parent in PurePosixPath(name.casefold()).parents:
            if str(parent) in folded:
                raise UploadError(f"File {name!r} lies in a folder that was sent as a file.")


def _write_files(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UploadError(
            f"The upload cannot be written below {folder.parent} "
            f"({error.strerror or type(error).__name__}). See whether the disk is full, "
            "then send it again."
        ) from error


def _check_settings_name(upload: Upload, path: list[str]) -> None:
    """Refuse a settings module that this Python has as something else: it would hide that."""
    module = upload.settings_file.removesuffix(".py")
    spec = PathFinder.find_spec(module, path)
    if spec is None and module not in sys.stdlib_module_names:
        return
    installed = None if spec is None else _installed_text(spec, upload.settings_file)
    if installed is None or not _HAS_PRODUCTIONS.search(installed):
        raise UploadError(
            f"The settings file {upload.settings_file!r} has the name of a module that this "
            "host's Python has already. Rename it."
        )


def _new_files(upload: Upload, folder: Path) -> dict[str, str]:
    """Leave out ObjectScript and what this Python has already; refuse what differs from that."""
    path = [entry for entry in sys.path if not Path(entry).resolve().is_relative_to(folder)]
    _check_settings_name(upload, path)
    installed: dict[str, ModuleSpec | None] = {}
    new, differing = {}, []
    for name, text in upload.files.items():
        if name.endswith(".cls"):
            continue
        top = name.partition("/")[0].removesuffix(".py")
        if name == upload.settings_file:
            new[name] = text
            continue
        if top not in installed:
            installed[top] = PathFinder.find_spec(top, path)
        spec = installed[top]
        if spec is None and top not in sys.stdlib_module_names:
            new[name] = text
        elif spec is None or _installed_text(spec, name) != text:
            differing.append(name)
    if differing:
        more = len(differing) - _SHOWN
        shown = ", ".join(differing[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise UploadError(
            f"The upload has modules under names that this host's Python has already, with other "
            f"content: {shown}. Install the same release on both sides and restart, or rename "
            "the modules."
        )
    return new


def _installed_text(spec: ModuleSpec, name: str) -> str | None:
    places = spec.submodule_search_locations
    candidates = (
        [Path(place, *name.split("/")[1:]) for place in places]
        if places
        else [Path(spec.origin or "")]
    )
    for path in candidates:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None
