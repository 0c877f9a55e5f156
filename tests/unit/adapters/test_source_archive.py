"""Archives of somebody are unpacked into their own directory or not at all."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from iris_ct.adapters.source_archive import unpack, zip_source
from iris_ct.core.errors import PackageRefusedError


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


def test_a_directory_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "pkg" / "__pycache__").mkdir(parents=True)
    (source / "a.py").write_text("a")
    (source / "pkg" / "b.py").write_text("b")
    (source / "pkg" / "__pycache__" / "b.pyc").write_text("x")
    packed = tmp_path / "source.zip"
    packed.write_bytes(zip_source(source))
    unpack(packed, tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"a.py", "pkg/b.py"}


def test_one_directory_around_everything_is_taken_off(tmp_path: Path) -> None:
    unpack(archive(tmp_path / "a.zip", {"wine/a.py": b"a"}), tmp_path / "out")
    assert (tmp_path / "out" / "a.py").read_text() == "a"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:/evil", "..\\evil"])
def test_nothing_is_written_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackageRefusedError, match="outside of its directory"):
        unpack(archive(tmp_path / "a.zip", {name: b"x"}), tmp_path / "inner" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_links_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(PackageRefusedError, match="holds a link"):
        unpack(tmp_path / "link.zip", tmp_path / "out")
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    with pytest.raises(PackageRefusedError, match="damaged"):
        unpack(tmp_path / "bad.zip", tmp_path / "out")
