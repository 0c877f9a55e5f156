"""Files of the dead go, files of the living and files in the catalogue stay."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.store import children
from tests.contract.store.histories import Row, add_quarantined, add_rows, specification

from iris_ct.adapters.store import SqlStore

pytestmark = pytest.mark.integration

# Renamed and synced, but the transaction that names the files is still open.
KILLED_BETWEEN_RENAME_AND_CATALOGUE = """
with store.transactions.begin():
    add_rows(store, spec, [Row("b", 2, 2.0)])
    add_quarantined(store, spec, [["bad:x"]])
    os.kill(os.getpid(), signal.SIGKILL)
"""

WRITING = """
writer = store.batches.writer(spec, "rows")
writer.write_rows(frame_of(spec, [Row("b", 2, 2.0)], writer.first_row))
tell("written")
wait()
batch = writer.commit(
    fingerprint="f", source="s", state="stored", n_labelled=1, arrived_at=NOON
)
tell(batch.batch_id)
"""


def files_below(home: Path) -> set[str]:
    return {
        path.relative_to(home).as_posix()
        for room in ("store", "quarantine", "artifacts")
        for path in (home / room).rglob("*.*")
        if path.is_file()
    }


def test_a_kill_between_rename_and_catalogue_leaves_orphans_that_are_swept(
    store: SqlStore, url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    kept = add_rows(store, specification(), [Row("a", 1, 1.0)])
    child = children.start(url, home, KILLED_BETWEEN_RENAME_AND_CATALOGUE)
    assert children.end(child) == -signal.SIGKILL
    orphans = files_below(home) - {kept.path}
    assert len(orphans) == 2
    listed = store.batches.orphans()
    swept = store.batches.sweep()
    assert listed == swept
    assert {path.relative_to(home).as_posix() for path in swept} == orphans
    assert files_below(home) == {kept.path}
    assert store.batches.arrivals("bikes") == [kept]
    assert store.batches.sweep() == []
    assert add_rows(store, specification(), [Row("b", 2, 2.0)]).seq == 2


def test_files_of_a_living_writer_are_never_swept(
    store: SqlStore, url: str, tmp_path: Path
) -> None:
    child = children.start(url, tmp_path / "home", WRITING)
    assert children.hear(child) == "written"
    assert store.batches.sweep() == []
    children.let_go(child)
    assert children.hear(child) == "bikes-000001"
    assert children.end(child) == 0
    assert store.batches.sweep() == []
    (rows,) = store.batches.rows(store.batches.get("bikes-000001"))
    assert rows["_key"].to_list() == ["b"]


def test_files_of_a_killed_writer_are_swept(store: SqlStore, url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    child = children.start(url, home, WRITING)
    assert children.hear(child) == "written"
    assert store.batches.sweep() == []
    children.kill(child)
    (swept,) = store.batches.sweep()
    assert swept.name.endswith(".part")
    assert files_below(home) == set()


def test_what_the_catalogue_names_outlives_its_writer(
    opened: Callable[[], SqlStore], tmp_path: Path
) -> None:
    spec = specification()
    writer, sweeper = opened(), opened()
    add_rows(writer, spec, [Row("a", 1, 1.0)])
    add_quarantined(writer, spec, [["bad:x"]])
    writer.snapshots.cut(spec, snapshot_id="s1", as_of_seq=1, from_position=None, horizon=9)
    before = files_below(tmp_path / "home")
    writer.close()
    assert sweeper.batches.sweep() == []
    assert files_below(tmp_path / "home") == before


def test_other_files_are_left_alone(store: SqlStore, tmp_path: Path) -> None:
    stranger = tmp_path / "home" / "store" / "bikes" / "notes.of.mine.txt"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("keep")
    assert store.batches.sweep() == []
    assert stranger.exists()
