"""The journal for whoever folds it: what waits is sealed, read, and removed once it is logged."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

import msgspec

from iris_ct.adapters.durable import sync, write_whole
from iris_ct.adapters.journal.segment import END, FRAME, HEAD, locked, sizes
from iris_ct.core.errors import StoreError
from iris_ct.core.scoring.record import Entry, Segment, SegmentContent

_PLAN = ".fold"
_SET_ASIDE = "set-aside"


class FolderJournal:
    """`ports.Journal`: the segments of all writers of one directory.

    Parameters
    ----------
    directory : Path
        Where they lie; need not be there.
    inbox : Path, optional
        Folder of the models' inboxes, which get the labels of feedback; default that of the home
        of which `journal_dir` gives the directory.
    """

    def __init__(self, directory: Path, *, inbox: Path | None = None) -> None:
        self.directory = directory
        self._inbox = inbox or directory.parents[1] / "inbox"
        self._decode: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)

    @contextmanager
    def folding(self) -> Iterator[None]:
        """Be the only one who folds; waits for another one to end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.directory / ".folding", flags, 0o640)
        try:
            with locked(descriptor):
                yield
        finally:
            os.close(descriptor)

    def segments(self) -> list[Segment]:
        """List what waits, oldest first."""
        return [
            Segment(name, size, int(name.partition("-")[0]))
            for name, size in sorted(sizes(self.directory))
        ]

    def begun(self) -> dict[str, list[str]]:
        """Give the folds that were begun and not finished: segment names by the fold's id."""
        plans = sorted(self.directory.glob(f"*{_PLAN}")) if self.directory.is_dir() else []
        return {path.stem: json.loads(path.read_bytes()) for path in plans}

    def begin(self, names: Sequence[str]) -> str:
        """Seal segments, so that nothing is added to them, and plan to fold them; give an id."""
        for name in names:
            self._seal(name)
        fold_id = secrets.token_hex(8)
        with write_whole(self.directory / f"{fold_id}{_PLAN}") as file:
            file.write(json.dumps(list(names)).encode())
        return fold_id

    def read(self, name: str) -> SegmentContent | None:
        """Read a segment; None if it is gone.

        Raises
        ------
        StoreError
            If it is no segment.
        """
        try:
            content = (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None
        if not content.startswith(HEAD):
            if HEAD.startswith(content.partition(END)[0]):
                return SegmentContent([], len(content), 0)
            raise StoreError(
                f"{self.directory / name} is no journal of predictions of this release: it "
                f"begins otherwise than {HEAD!r}. Move it away, or use the release that wrote it."
            )
        return self._parse(memoryview(content))

    def hand_over_labels(self, model: str, name: str, content: bytes) -> None:
        """Put a CSV file of labels where labels arrive; the same name again changes nothing."""
        folder = self._inbox / model / "labels"
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(folder / name) as file:
            file.write(content)

    def finish(self, fold_id: str, *, kept: Sequence[str] = ()) -> None:
        """Remove the segments of a fold, then its plan; ``kept`` ones are set aside instead."""
        plan = self.directory / f"{fold_id}{_PLAN}"
        for name in json.loads(plan.read_bytes()):
            if name in kept:
                aside = self.directory / _SET_ASIDE
                aside.mkdir(exist_ok=True)
                with suppress(FileNotFoundError):
                    (self.directory / name).rename(aside / name)
            else:
                (self.directory / name).unlink(missing_ok=True)
        # Should the power fail now, removed segments may be there again: their plan must be too.
        sync(self.directory)
        plan.unlink()

    def _seal(self, name: str) -> None:
        try:
            descriptor = os.open(self.directory / name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            with locked(descriptor):
                # Also behind another mark: a record may end with the bytes of one, and only the
                # first that stands where a record would begin counts.
                os.write(descriptor, END)
        finally:
            os.close(descriptor)

    def _parse(self, content: memoryview) -> SegmentContent:
        entries: list[Entry] = []
        at, damaged, last = len(HEAD), 0, len(content)
        if content[-len(END) :] == END:
            last -= len(END)
        while at + FRAME.size <= last:
            length, checksum = FRAME.unpack_from(content, at)
            if content[at : at + FRAME.size] == END:
                # What follows its writer has written once more elsewhere.
                last = at
                break
            end = at + FRAME.size + length
            if length == 0 or end > last:
                break
            payload = content[at + FRAME.size : end]
            entry = self._entry(payload) if crc32(payload) == checksum else None
            if entry is None:
                damaged += FRAME.size + length
            else:
                entries.append(entry)
            at = end
        return SegmentContent(entries, last - at, damaged)

    def _entry(self, payload: memoryview) -> Entry | None:
        try:
            return self._decode.decode(payload)
        except msgspec.DecodeError:
            return None
