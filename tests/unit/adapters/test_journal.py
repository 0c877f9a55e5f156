"""Predictions wait in segments that lose nothing a process has written, however it ends."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_ct.adapters.journal import END, HEAD, FolderJournal, JournalWriter
from iris_ct.core.errors import JournalFullError, StoreError
from iris_ct.core.scoring.record import Record, Truth


def record(number: int, *, n_rows: int = 1) -> Record:
    values = np.arange(n_rows, dtype="<f8") + number
    return Record(f"p{number}", "bikes", "a", "bikes", 3, 1_000 + number, None, values.tobytes())


def numbers(journal: FolderJournal) -> list[int]:
    """Give the numbers of all records that wait, in their order."""
    found = []
    for segment in journal.segments():
        content = journal.read(segment.name)
        assert content is not None
        found += [int(kept.puid[1:]) for kept in content.records]
    return found


def fold(journal: FolderJournal) -> list[int]:
    """Take out what waits, as whoever folds does."""
    names = [segment.name for segment in journal.segments()]
    fold_id = journal.begin(names)
    found = []
    for name in names:
        content = journal.read(name)
        assert content is not None
        found += [int(kept.puid[1:]) for kept in content.records]
    journal.finish(fold_id)
    return found


def test_what_was_appended_is_read_back_in_its_order(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append([record(1), record(2, n_rows=1000)])
    writer.append([])
    labels = Record("p3", "", "", "m", 1, 5, ["k", None], ["yes", "no"], b"", ["no", "yes"], True)
    writer.append([labels])
    journal = FolderJournal(tmp_path)
    [segment] = journal.segments()
    content = journal.read(segment.name)
    assert content is not None
    assert content.records == [record(1), record(2, n_rows=1000), labels]
    assert (content.torn_bytes, content.damaged_bytes) == (0, 0)
    assert [kept.n_rows for kept in content.records] == [1, 1000, 2]
    assert content.records[1].numbers()[999] == 1001.0


def test_a_writer_goes_on_in_another_segment_when_its_own_is_sealed(tmp_path: Path) -> None:
    writer, journal = JournalWriter(tmp_path), FolderJournal(tmp_path)
    writer.append([record(1)])
    assert fold(journal) == [1]
    writer.append([record(2)])
    names = [segment.name for segment in journal.segments()]
    fold_id = journal.begin(names)
    writer.append([record(3)])
    journal.finish(fold_id)
    assert numbers(journal) == [3]


def test_what_stands_behind_the_mark_of_who_sealed_was_written_once_more(tmp_path: Path) -> None:
    """A writer appends without a lock: what comes too late lies in two segments, read once."""
    writer, journal = JournalWriter(tmp_path), FolderJournal(tmp_path)
    writer.append([record(1)])
    [segment] = journal.segments()
    fold_id = journal.begin([segment.name])
    sealed = (tmp_path / segment.name).read_bytes()
    writer.append([record(2)])
    late = (tmp_path / segment.name).read_bytes()
    assert late.startswith(sealed)
    assert len(late) > len(sealed)
    content = journal.read(segment.name)
    assert content is not None
    assert content.records == [record(1)]
    assert (content.torn_bytes, content.damaged_bytes) == (0, 0)
    journal.begin([segment.name])
    again = journal.read(segment.name)
    assert again == content
    journal.finish(fold_id)
    assert numbers(journal) == [2]


def test_a_segment_that_is_sealed_while_it_is_made_takes_nothing(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)

    class Sealed(JournalWriter):
        """Is overtaken between making the file and writing its head."""

        n_begun = 0

        def _make(self) -> None:
            super()._make()
            self.n_begun += 1
            if self.n_begun == 1:
                journal.begin([segment.name for segment in journal.segments()])

    writer = Sealed(tmp_path)
    writer.append([record(1)])
    assert writer.n_begun == 2
    assert numbers(journal) == [1]


def test_a_record_that_ends_like_the_mark_does_not_pass_for_it(tmp_path: Path) -> None:
    """A number that feedback says can have any eight bytes; what follows must not be lost."""
    (number,) = struct.unpack(">d", END)
    writer, journal = JournalWriter(tmp_path), FolderJournal(tmp_path, inbox=tmp_path)
    truth = Truth("p1", "s", "m", 1, [number])
    writer.append([truth])
    [segment] = journal.segments()
    fold_id = journal.begin([segment.name])
    writer.append([record(2)])
    content = journal.read(segment.name)
    assert content is not None
    assert (content.truths, content.torn_bytes) == ([truth], 0)
    journal.finish(fold_id)
    assert numbers(journal) == [2]


def test_a_full_segment_is_closed_and_another_one_begun(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=200)
    for number in range(12):
        writer.append([record(number)])
    journal = FolderJournal(tmp_path)
    assert len(journal.segments()) == 3
    assert numbers(journal) == list(range(12))
    writer.close()
    assert all((tmp_path / s.name).read_bytes().endswith(END) for s in journal.segments())


def test_a_full_journal_refuses_and_takes_again_once_it_is_folded(tmp_path: Path) -> None:
    other = JournalWriter(tmp_path)
    other.append([record(0, n_rows=50)])
    writer = JournalWriter(tmp_path, max_bytes=1_000)
    taken = []

    def fill() -> None:
        for number in range(1, 100):
            writer.append([record(number)])
            taken.append(number)

    with pytest.raises(JournalFullError, match=r"at most 1,000 bytes.*nothing was lost"):
        fill()
    journal = FolderJournal(tmp_path)
    assert 1 <= len(taken) < 15
    assert sorted(fold(journal)) == [0, *taken]
    deadline = threading.Event()
    for _ in range(100):
        try:
            writer.append([record(100)])
            break
        except JournalFullError:
            deadline.wait(0.05)
    assert numbers(journal) == [100]


def test_threads_of_one_writer_lose_nothing(tmp_path: Path) -> None:
    writer, journal = JournalWriter(tmp_path, segment_bytes=5_000), FolderJournal(tmp_path)

    def write(first: int) -> None:
        for number in range(first, first + 200):
            writer.append([record(number)])

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads):
        taken += fold(journal)
    taken += fold(journal)
    assert sorted(taken) == [start + n for start in (0, 1000, 2000) for n in range(200)]


def test_a_forked_child_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, sync_s=0)
    writer.append([record(1)])
    child = os.fork()
    if child == 0:
        writer.append([record(2)])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.append([record(3)])
    journal = FolderJournal(tmp_path)
    assert len(journal.segments()) == 2
    assert sorted(numbers(journal)) == [1, 2, 3]


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """The child says a number only after append has returned, as a worker answers."""
    code = f"""
        from pathlib import Path
        from iris_ct.adapters.journal import JournalWriter
        from iris_ct.core.scoring.record import Record
        writer = JournalWriter(Path({str(tmp_path)!r}), segment_bytes=3000)
        for n in range(10**9):
            writer.append([Record(f"p{{n}}", "b", "a", "m", 1, n, None, b"\\0" * 8)])
            print(n, flush=True)
    """
    lines = "\n".join(line[8:] for line in code.splitlines())
    child = subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    answered = [int(child.stdout.readline()) for _ in range(500)]
    journal = FolderJournal(tmp_path)
    taken = fold(journal)
    answered += [int(child.stdout.readline()) for _ in range(500)]
    child.send_signal(signal.SIGKILL)
    answered += [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait()
    child.stdout.close()
    taken += fold(journal)
    # One more may be written and not said.
    assert taken in (answered, [*answered, answered[-1] + 1])


SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=6)


@settings(max_examples=60)
@given(SIZES, st.floats(0, 1))
def test_a_torn_tail_costs_only_the_record_it_tears(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], where: float
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    records = [record(number, n_rows=size) for number, size in enumerate(sizes)]
    writer = JournalWriter(folder)
    ends = []
    journal = FolderJournal(folder)
    for kept in records:
        writer.append([kept])
        ends.append(journal.segments()[0].size_bytes)
    [segment] = journal.segments()
    path = folder / segment.name
    cut = round(where * ends[-1])
    os.truncate(path, cut)
    for sealed in (False, True):
        if sealed:
            journal.begin([segment.name])
        content = journal.read(segment.name)
        assert content is not None
        whole = [end for end in ends if end <= cut]
        assert content.records == records[: len(whole)]
        before = whole[-1] if whole else min(cut, len(HEAD))
        if cut >= len(HEAD):
            assert content.torn_bytes == cut - before
        assert content.damaged_bytes == 0


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_never_taken_for_a_prediction(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    records = [record(number) for number in range(5)]
    JournalWriter(folder).append(records)
    journal = FolderJournal(folder)
    [segment] = journal.segments()
    path = folder / segment.name
    content = bytearray(path.read_bytes())
    content[len(HEAD) + place % (len(content) - len(HEAD))] ^= change
    path.write_bytes(content)
    found = journal.read(segment.name)
    assert found is not None
    assert all(kept in records for kept in found.records)
    assert len(found.records) < 5
    assert found.torn_bytes + found.damaged_bytes > 0


def test_a_file_that_is_no_segment_is_told(tmp_path: Path) -> None:
    (tmp_path / "0000000000000001-aa.journal").write_bytes(b"something else altogether")
    with pytest.raises(StoreError, match="no journal of predictions"):
        FolderJournal(tmp_path).read("0000000000000001-aa.journal")


def test_what_is_kept_is_set_aside_and_the_rest_removed(tmp_path: Path) -> None:
    writer, journal = JournalWriter(tmp_path, segment_bytes=1), FolderJournal(tmp_path)
    writer.append([record(1)])
    writer.append([record(2)])
    first, second = (segment.name for segment in journal.segments())
    fold_id = journal.begin([first, second])
    assert journal.begun() == {fold_id: [first, second]}
    journal.finish(fold_id, kept=[first])
    assert journal.segments() == []
    assert journal.begun() == {}
    assert (tmp_path / "set-aside" / first).exists()


def test_the_journal_imports_no_heavy_library() -> None:
    code = (
        "import sys, iris_ct.adapters.journal; "
        "print({'sqlalchemy', 'polars', 'pandas', 'pydantic', 'pyarrow'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
