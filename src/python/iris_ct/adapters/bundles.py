"""Bundles: directories with all that a process needs to answer for one version of a model.

A bundle is named by its digest and never changed. It is checked whole before anything of it is
used, so a worker answers either with the model that was bundled or not at all. Reading one needs
neither the store nor pandas, polars or pydantic.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from iris_ct.adapters.durable import sync, write_whole
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import IntegrityError
from iris_ct.core.scoring.scorer import Scorer
from iris_ct.core.scoring.signature import Signature, signature_of

if TYPE_CHECKING:
    from iris_ct.core.specification import Specification
    from iris_ct.core.training.encoding import FeatureEncoding

MODEL, ENCODING, SPECIFICATION, SIGNATURE = (
    "model.txt",
    "encoding.json",
    "specification.json",
    "signature.json",
)
MANIFEST = "MANIFEST.json"

_FORMAT = 1
_IS_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """SHA-256 of each file by its name."""

    format: int
    files: dict[str, str]


def write_bundle(
    folder: Path,
    *,
    model_text: str,
    encoding: FeatureEncoding,
    specification: Specification,
    version: int,
) -> Path:
    """Write one version's bundle, unless it is there, and give its directory.

    Parameters
    ----------
    folder : Path
        Where bundles are kept; made if missing.
    model_text : str
        LightGBM's native text.
    encoding, specification
        Those the version was trained with.

    Returns
    -------
    Path
        ``<folder>/<SHA-256 of the manifest>``; it appears by one rename.
    """
    contents = {
        MODEL: model_text.encode(),
        ENCODING: encoding.to_json().encode(),
        SPECIFICATION: specification.to_json().encode(),
        SIGNATURE: signature_of(specification, encoding, version).to_json().encode(),
    }
    manifest = canonical_json(
        {"format": _FORMAT, "files": {name: _sha256(data) for name, data in contents.items()}}
    ).encode()
    final = folder / _sha256(manifest)
    if final.exists():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{final.name[:16]}.{secrets.token_hex(4)}.draft"
    draft.mkdir()
    try:
        for name, data in {**contents, MANIFEST: manifest}.items():
            with write_whole(draft / name) as file:
                file.write(data)
        try:
            draft.rename(final)
        except OSError:
            # Another process may have renamed the same content into place first.
            if not final.exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync(folder)
    return final


def load_bundle(directory: Path, *, threads: int = 1) -> Scorer:
    """Load a bundle after every digest was checked.

    Parameters
    ----------
    threads : int
        Threads of one call for many rows.

    Raises
    ------
    IntegrityError
        If a file is missing or was changed.
    """
    contents = read_bundle(directory)
    return Scorer(
        contents[MODEL].decode(), Signature.from_json(contents[SIGNATURE]), threads=threads
    )


def read_bundle(directory: Path) -> dict[str, bytes]:
    """Give the checked files of a bundle by name; see `load_bundle`."""
    manifest = _read(directory, MANIFEST)
    try:
        files = msgspec.json.decode(manifest, type=_Manifest).files
    except msgspec.MsgspecError as error:
        raise _damaged(directory, f"{MANIFEST} cannot be read: {error}") from error
    if _IS_DIGEST.fullmatch(directory.name) and _sha256(manifest) != directory.name:
        raise _damaged(directory, f"{MANIFEST} is not the one it is named by")
    if missing := {MODEL, ENCODING, SPECIFICATION, SIGNATURE} - set(files):
        raise _damaged(directory, f"{MANIFEST} does not name {', '.join(sorted(missing))}")
    contents = {}
    for name, expected in files.items():
        if Path(name).name != name:
            raise _damaged(directory, f"{MANIFEST} names a file outside")
        contents[name] = _read(directory, name)
        if _sha256(contents[name]) != expected:
            raise _damaged(directory, f"{name} has not the digest that {MANIFEST} says")
    return contents


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise _damaged(directory, f"{name} cannot be read: {error.strerror}") from error


def _damaged(directory: Path, what: str) -> IntegrityError:
    return IntegrityError(
        f"The bundle {directory} cannot be used: {what}. Delete the directory; it is made again "
        "from the model's files when its service is started."
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
