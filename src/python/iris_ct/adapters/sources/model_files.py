"""Model files: ``models/<name>.toml`` read into specifications."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from iris_ct.core.errors import SpecificationError
from iris_ct.core.specification import Specification, parse_specification

_SUFFIX = ".toml"


def model_names(folder: Path) -> list[str]:
    """Name the models of a folder, sorted; none if there is no such folder."""
    return sorted(path.stem for path in folder.glob(f"*{_SUFFIX}") if path.is_file())


def model_path(folder: Path, name: str) -> Path:
    """Give the path of a model's file, whether it exists or not."""
    return folder / f"{name}{_SUFFIX}"


def read_model_file(path: Path) -> Specification:
    """Read a model file; the file's name is the model's name.

    Raises
    ------
    SpecificationError
        If the file cannot be read, is no TOML, or breaks a rule.
    """
    content = _toml(path)
    content.setdefault("name", path.stem)
    if content["name"] != path.stem:
        raise SpecificationError(
            f"{path} says name = {content['name']!r}: expected {path.stem!r}, as the file is "
            "called. Rename the file, or leave name out."
        )
    return parse_specification(content, source=str(path))


class FolderModelFiles:
    """The folder of model files (``CT_MODELS``); read anew at every call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Name the models that have a file, sorted."""
        return model_names(self.folder)

    def read(self, model: str) -> Specification | None:
        """Read and check one file; None if there is none, `SpecificationError` if it is wrong."""
        path = model_path(self.folder, model)
        return read_model_file(path) if path.is_file() else None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SpecificationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SpecificationError(f"{path} is not UTF-8; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(f"{path} is no TOML: {error}.") from error
