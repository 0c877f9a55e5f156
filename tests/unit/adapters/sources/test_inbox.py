"""The inbox: only complete files are claimed, each once, whatever crashes."""

import json
import os
import time
from pathlib import Path

import pytest

from iris_ct.adapters.sources.inbox import Inbox, natural_order
from iris_ct.core.errors import ConfigError, UnreadableFileError


def drop(inbox: Inbox, name: str, *, age_s: float = 0.0) -> Path:
    path = inbox.folder("bikes") / name
    path.write_text("a,b\n1,2\n")
    if age_s:
        written = time.time() - age_s
        os.utime(path, (written, written))
    return path


def test_a_file_is_taken_when_it_did_not_change_between_two_looks(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    path = drop(inbox, "a.csv")
    assert inbox.ready(settle_s=0.05) == []
    time.sleep(0.1)
    path.write_text("a,b\n1,2\n3,4\n")
    assert inbox.ready(settle_s=0.05) == []
    time.sleep(0.1)
    assert inbox.ready(settle_s=0.05) == [("bikes", "rows", path)]


def test_two_looks_in_quick_succession_are_one(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    drop(inbox, "a.csv")
    assert inbox.ready(settle_s=60) == []
    assert inbox.ready(settle_s=60) == []


def test_a_marker_or_an_old_file_needs_no_second_look(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    marked, old = drop(inbox, "marked.csv"), drop(inbox, "old.csv", age_s=3600)
    marker = marked.with_name("marked.csv.done")
    marker.touch()
    assert [path for _, _, path in inbox.ready(settle_s=60)] == [marked, old]
    list(inbox.claim_ready(settle_s=60))
    assert not marker.exists()


@pytest.mark.parametrize("name", [".a.csv", "a.csv.part", "a.tmp", "a.partial", "~a.csv"])
def test_unfinished_names_are_passed_over(tmp_path: Path, name: str) -> None:
    inbox = Inbox(tmp_path)
    drop(inbox, name, age_s=3600)
    assert inbox.ready() == []


def test_files_come_in_natural_order_by_model_rows_before_labels(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for name in ("2011-10.csv", "2011-9.csv", "2011-02.csv"):
        drop(inbox, name, age_s=3600)
    labels = inbox.folder("bikes", "labels") / "a.csv"
    labels.write_text("a\n")
    os.utime(labels, (0, 0))
    other = inbox.folder("austin") / "z.csv"
    other.write_text("a\n")
    os.utime(other, (0, 0))
    assert [(model, kind, path.name) for model, kind, path in inbox.ready()] == [
        ("austin", "rows", "z.csv"),
        ("bikes", "rows", "2011-02.csv"),
        ("bikes", "rows", "2011-9.csv"),
        ("bikes", "rows", "2011-10.csv"),
        ("bikes", "labels", "a.csv"),
    ]
    assert [path.name for _, _, path in inbox.ready(models={"austin"})] == ["z.csv"]


def test_natural_order_of_mixed_names_is_total() -> None:
    names = ["b", "a10", "a2", "10", "9", "a", "", "a02"]
    assert sorted(names, key=natural_order) == ["", "9", "10", "a", "a02", "a2", "a10", "b"]


def test_folders_that_are_no_model_names_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "inbox" / "Not A Model"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("a\n")
    os.utime(folder / "a.csv", (0, 0))
    assert Inbox(tmp_path).ready() == []


def test_a_claimed_file_is_given_out_once_and_again_after_a_crash(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    path = drop(inbox, "a.csv", age_s=3600)
    (claimed,) = inbox.claim_ready()
    assert not path.exists()
    assert inbox.exists("bikes", claimed.path)
    assert (claimed.model, claimed.source, claimed.kind) == ("bikes", "a.csv", "rows")
    assert list(inbox.claim_ready()) == []
    # A new process does not know whether the message was sent; the path tells its receivers.
    restarted = Inbox(tmp_path)
    assert list(restarted.claim_ready()) == [claimed]
    assert list(restarted.claim_ready()) == []


def test_a_file_that_cannot_be_claimed_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    """As with a folder of another owner; those behind it come, and none is claimed for nothing."""
    inbox = Inbox(tmp_path)
    for model in ("aaa", "bbb", "ccc", "ddd"):
        path = inbox.folder(model) / "f.csv"
        path.write_text("a\n1\n")
        os.utime(path, (0, 0))
    # Nothing can be claimed to here, whoever asks: root may write in every folder.
    (tmp_path / "store/incoming").mkdir(parents=True)
    (tmp_path / "store/incoming/bbb").write_text("in the way")
    sent: list[str] = []
    with pytest.raises(ConfigError) as refused:
        sent.extend(claimed.model for claimed in inbox.claim_ready())
    assert sent == ["aaa", "ccc", "ddd"]
    assert "inbox/bbb/f.csv (Not a directory)" in str(refused.value)
    assert (tmp_path / "inbox/bbb/f.csv").exists()
    (tmp_path / "store/incoming/bbb").unlink()
    assert [claimed.model for claimed in inbox.claim_ready()] == ["bbb"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for model in ("aaa", "bbb"):
        path = inbox.folder(model) / "f.csv"
        path.write_text("a\n1\n")
        os.utime(path, (0, 0))
    (tmp_path / "inbox/aaa").chmod(0)
    sent: list[str] = []
    with pytest.raises(ConfigError, match=r"inbox/aaa \(Permission denied\)"):
        sent.extend(claimed.model for claimed in inbox.claim_ready())
    assert sent == ["bbb"]


def test_what_its_receiver_failed_on_is_given_out_again_and_the_rest_was_not_claimed(
    tmp_path: Path,
) -> None:
    inbox = Inbox(tmp_path)
    first, second = drop(inbox, "1.csv", age_s=3600), drop(inbox, "2.csv", age_s=3600)

    def send_all() -> None:
        for claimed in inbox.claim_ready():
            raise RuntimeError(claimed.source)

    with pytest.raises(RuntimeError, match=r"1\.csv"):
        send_all()
    assert not first.exists()
    assert second.exists()
    assert [claimed.source for claimed in inbox.claim_ready()] == ["1.csv", "2.csv"]
    assert list(inbox.claim_ready()) == []


def test_the_same_name_twice_gets_two_paths(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    drop(inbox, "a.csv", age_s=3600)
    (first,) = inbox.claim_ready()
    drop(inbox, "a.csv", age_s=3600)
    (second,) = inbox.claim_ready()
    assert first.path != second.path
    assert [c.path for c in Inbox(tmp_path).claimed()] == [first.path, second.path]


def test_a_file_taken_in_from_elsewhere_stays_where_it_is(tmp_path: Path) -> None:
    given = tmp_path / "given.csv"
    given.write_text("a,b\n1,2\n")
    inbox = Inbox(tmp_path / "home")
    claimed = inbox.take_in("bikes", given, kind="labels")
    assert given.exists()
    assert claimed.path.startswith("store/incoming/bikes/given-labels/")
    assert inbox.claimed() == []
    with inbox.open("bikes", claimed.path) as source:
        assert next(iter(source)).rows() == [("1", "2")]


def test_taking_in_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="There is no file"):
        Inbox(tmp_path).take_in("bikes", tmp_path / "none.csv")


def test_archiving_twice_is_archiving_once(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    drop(inbox, "a.csv", age_s=3600)
    (claimed,) = inbox.claim_ready()
    inbox.archive("bikes", claimed.path)
    inbox.archive("bikes", claimed.path)
    assert not inbox.exists("bikes", claimed.path)
    (archived,) = (tmp_path / "archive/bikes").iterdir()
    assert archived.name.endswith("_a.csv")


def test_a_refused_file_has_its_report_beside_it(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    drop(inbox, "a.csv", age_s=3600)
    (claimed,) = inbox.claim_ready()
    for _ in range(2):
        inbox.set_aside("bikes", claimed.path, report={"n_bad": 3}, text="3 rows are bad")
    found = {
        path.name.split("_", 1)[1]: path
        for path in (tmp_path / "quarantine/bikes/files").iterdir()
    }
    assert sorted(found) == ["a.csv", "a.csv.report.json", "a.csv.report.txt"]
    assert json.loads(found["a.csv.report.json"].read_text()) == {"n_bad": 3}
    assert found["a.csv.report.txt"].read_text() == "3 rows are bad\n"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "store/incoming/../../secret", "store/incoming/other/rows/a"]
)
def test_no_path_leads_out_of_the_claimed_files(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnreadableFileError, match="is no claimed file"):
        Inbox(tmp_path).open("bikes", path)


@pytest.mark.parametrize("model", ["../../../escaped", "", "Bikes", "bikes\n"])
def test_no_model_leads_out_of_the_home(tmp_path: Path, model: str) -> None:
    inbox = Inbox(tmp_path / "a" / "b" / "home")
    drop(inbox, "a.csv", age_s=3600)
    (claimed,) = inbox.claim_ready()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnreadableFileError, match="is no name of a model"):
        inbox.archive(model, claimed.path)
    with pytest.raises(UnreadableFileError, match="is no name of a model"):
        inbox.set_aside(model, claimed.path, report={}, text="")
    with pytest.raises(UnreadableFileError, match="is no claimed file of 'other'"):
        inbox.archive("other", claimed.path)
    assert sorted(tmp_path.rglob("*")) == before
