"""Directories of model files, named by what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from iris_ct.adapters.durable import sync
from iris_ct.adapters.store.files import ARTIFACTS, FactFiles, disk_error
from iris_ct.core.canonical import digest
from iris_ct.core.errors import IntegrityError, StoreError


class Artifacts:
    """Content-addressed directories ``artifacts/<model>/<first 16 digits of the digest>``."""

    def __init__(self, files: FactFiles) -> None:
        self._files = files

    def save(self, model: str, contents: Mapping[str, bytes]) -> tuple[str, str]:
        """Write the files and give directory (relative to the home) and digest.

        The directory appears by one rename; if it is there already it is checked instead.
        """
        if not contents or any(Path(name).name != name for name in contents):
            raise StoreError("An artefact needs files with plain names, no folders.")
        said = artifact_digest(contents)
        final = self._files.home / ARTIFACTS / model / said[:16]
        relative = self._files.relative(final)
        if not final.exists():
            self._write(model, contents, final)
        self.checked(relative, said)
        return relative, said

    def checked(self, relative: str, expected: str) -> Path:
        """Give the absolute directory.

        Raises
        ------
        IntegrityError
            If its files are not those of the digest.
        """
        directory = self._files.absolute(relative)
        found = artifact_digest({p.name: p.read_bytes() for p in directory.iterdir()})
        if found != expected:
            raise IntegrityError(
                f"The model files in {relative} were changed: expected digest {expected}, "
                f"found {found}. Restore the directory from a backup or from MLflow."
            )
        return directory

    def _write(self, model: str, contents: Mapping[str, bytes], final: Path) -> None:
        draft = self._files.new(ARTIFACTS, model, stem=final.name, suffix=".draft")
        try:
            draft.mkdir()
            for name, content in contents.items():
                with (draft / name).open("wb") as file:
                    file.write(content)
                    if self._files.synced:
                        file.flush()
                        os.fsync(file.fileno())
            if self._files.synced:
                sync(draft)
            draft.rename(final)
            if self._files.synced:
                sync(final.parent)
        except OSError as error:
            self._files.remove([draft] if draft.exists() else [])
            # Another process may have renamed the same content into place first.
            if not final.exists():
                raise disk_error(final, error) from error


def artifact_digest(contents: Mapping[str, bytes]) -> str:
    """Give the digest over the names and the SHA-256 of each file."""
    return digest({name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
