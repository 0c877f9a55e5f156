"""A file belongs to the living or to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_ct.adapters.store.files import FactFiles, file_digest, part_of
from iris_ct.core.errors import IntegrityError, StoreError, StoreUnavailableError


def test_two_writers_never_choose_the_same_name(tmp_path: Path) -> None:
    first, second = FactFiles(tmp_path), FactFiles(tmp_path)
    paths = {
        files.new("store", "bikes", "rows", stem="a", suffix=".parquet")
        for files in (first, second)
        for _ in range(3)
    }
    assert len(paths) == 6
    first.close()
    second.close()


def test_names_hold_plain_characters_only(tmp_path: Path) -> None:
    files = FactFiles(tmp_path)
    path = files.new("store", "bikes", stem="../predict:1/ä", suffix=".parquet")
    assert path.parent == tmp_path / "store" / "bikes"
    assert path.name.startswith("___predict_1__.")
    files.close()


@pytest.mark.parametrize("synced", [True, False])
def test_a_published_file_is_whole(tmp_path: Path, synced: bool) -> None:
    files = FactFiles(tmp_path, synced=synced)
    path = files.new("store", "bikes", stem="a", suffix=".bin")
    part_of(path).write_bytes(b"abc")
    assert not path.exists()
    files.publish(path)
    assert path.read_bytes() == b"abc"
    assert not part_of(path).exists()
    assert files.absolute(files.relative(path)) == path
    # SHA-256 of "abc" as in FIPS 180-2, appendix B.1.
    assert file_digest(path) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    files.close()


def test_orphans_are_those_of_writers_that_are_gone(tmp_path: Path) -> None:
    alive, gone, watcher = FactFiles(tmp_path), FactFiles(tmp_path), FactFiles(tmp_path)
    paths = {}
    for files in (alive, gone, watcher):
        path = files.new("quarantine", "bikes", stem="a", suffix=".parquet")
        part_of(path).touch()
        paths[files] = part_of(path)
    assert watcher.orphans() == {}
    gone.close()
    assert watcher.orphans() == {"bikes": [paths[gone]]}
    alive.close()
    assert watcher.orphans() == {"bikes": sorted([paths[gone], paths[alive]])}
    watcher.close()


def test_a_half_written_artefact_of_a_dead_writer_is_an_orphan(tmp_path: Path) -> None:
    gone, watcher = FactFiles(tmp_path), FactFiles(tmp_path)
    draft = gone.new("artifacts", "bikes", stem="0123", suffix=".draft")
    draft.mkdir()
    (draft / "model.txt").touch()
    finished = draft.parent / "0123456789abcdef"
    finished.mkdir()
    (finished / "model.txt").touch()
    gone.close()
    assert watcher.orphans() == {"bikes": [draft]}
    watcher.remove([draft])
    assert list(draft.parent.iterdir()) == [finished]
    watcher.close()


def test_scratch_space_is_cleared_at_the_end_and_after_a_death(tmp_path: Path) -> None:
    gone, watcher = FactFiles(tmp_path), FactFiles(tmp_path)
    with gone.scratch() as mine, watcher.scratch() as ours:
        (mine / "spilled").touch()
        gone.close()
        watcher.clear_scratch()
        assert not mine.exists()
        assert ours.exists()
    assert not ours.exists()
    watcher.close()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    files = FactFiles(tmp_path)
    with pytest.raises(IntegrityError, match="no such file"):
        files.absolute("store/bikes/none.parquet")
    with pytest.raises(StoreError, match="purged"):
        files.absolute("")
    files.close()


def test_a_disk_that_refuses_is_transient(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="The disk refused"):
        FactFiles(tmp_path)
