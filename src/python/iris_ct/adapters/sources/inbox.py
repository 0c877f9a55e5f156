"""The inbox folders: complete files are claimed, read, and archived or set aside.

Below the home::

    inbox/<model>/             rows, as CSV, gzip CSV or Parquet
    inbox/<model>/labels/      labels that come later
    store/incoming/<model>/<kind>/   claimed, on their way (given-<kind>/: handed over by a person)
    archive/<model>/           stored
    quarantine/<model>/files/  refused, each with a report beside it

A file is claimed by one rename to a name that no other arrival gets, so a crash leaves it either
in the inbox or claimed, and never twice. What a crashed host had claimed is given out again, under
the same path, by which its receivers know it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from iris_ct.adapters.durable import sync, write_whole
from iris_ct.adapters.sources.files import RowSource, open_rows
from iris_ct.core.errors import ConfigError, UnreadableFileError
from iris_ct.core.specification import MODEL_NAME

ArrivalKind = Literal["rows", "labels", "release"]

_INCOMING = Path("store/incoming")
_LABELS, _DONE = "labels", ".done"
# Names under which other programs write before they rename.
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", _DONE)
# A file last written so long ago is complete at the first look, even if two clocks disagree.
_OLD_S = 60.0
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_STAMPED = re.compile(r"\d{8}T\d{6}\.\d{6}Z(?:-\d+)?_(.+)")


@dataclass(frozen=True)
class ClaimedFile:
    """A file on its way.

    Attributes
    ----------
    path : str
        Relative to the home, unique among all arrivals.
    source : str
        Name under which it arrived.
    """

    model: str
    path: str
    source: str
    kind: ArrivalKind


class Inbox:
    """The folders of one home; owned by one service, used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()
        self._looks: dict[Path, tuple[int, int, float]] = {}
        # Given out and not yet taken on.
        self._unsent: list[ClaimedFile] = []
        self._recovered = False

    def folder(self, model: str, kind: ArrivalKind = "rows") -> Path:
        """Give the folder into which files of a model are put; it is made if need be."""
        folder = self._home / "inbox" / model
        folder = folder / _LABELS if kind == "labels" else folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def ready(
        self,
        *,
        settle_s: float = 1.0,
        models: Collection[str] | None = None,
        refused: list[str] | None = None,
    ) -> list[tuple[str, ArrivalKind, Path]]:
        """List the complete files, by model, rows before labels, in natural order of names.

        A file is complete if a marker ``<name>.done`` lies beside it, if its size and time of
        change were the same at an earlier look at least ``settle_s`` ago, or if it was last
        written over a minute ago. Dot files and names of unfinished downloads are passed over:
        to hand a file over at once, write it under such a name and rename it.

        Parameters
        ----------
        settle_s : float
            Seconds between two looks.
        models : collection of str, optional
            Whose files; default those of all models.
        refused : list of str, optional
            Takes what cannot be read, with the reason; without it that is raised.

        Raises
        ------
        OSError
            If a folder cannot be read.
        """
        complete: list[tuple[str, ArrivalKind, Path]] = []
        seen: set[Path] = set()
        for model, kind, folder in self._folders(models):
            try:
                for path in sorted(_files(folder), key=lambda p: natural_order(p.name)):
                    seen.add(path)
                    if self._is_complete(path, settle_s):
                        complete.append((model, kind, path))
            except OSError as error:
                if refused is None:
                    raise
                refused.append(f"{self._relative(folder)} ({error.strerror})")
        self._looks = {path: look for path, look in self._looks.items() if path in seen}
        return complete

    def claim_ready(
        self, *, settle_s: float = 1.0, models: Collection[str] | None = None
    ) -> Iterator[ClaimedFile]:
        """Claim the complete files, each when the one before it has been taken on.

        In front come those of a crashed host, and what an earlier call gave out while its receiver
        failed. What cannot be claimed keeps nothing else waiting.

        Raises
        ------
        ConfigError
            At the end, if files or folders could not be claimed; names them all.
        """
        if not self._recovered:
            self._unsent, self._recovered = self.claimed(), True
        while self._unsent:
            yield self._unsent[0]
            del self._unsent[0]
        refused: list[str] = []
        for model, kind, path in self.ready(settle_s=settle_s, models=models, refused=refused):
            try:
                path.with_name(path.name + _DONE).unlink(missing_ok=True)
                claimed = self._claim(model, kind, path)
            except FileNotFoundError:
                continue  # Someone took it back, or another host was faster.
            except OSError as error:
                refused.append(f"{self._relative(path)} ({error.strerror})")
                continue
            self._unsent.append(claimed)
            yield claimed
            self._unsent.remove(claimed)
        if refused:
            raise ConfigError(
                f"Expected to take every file from the inbox, could not take {', '.join(refused)}. "
                "The user of the production must be able to read the file and to change its folder "
                "(in containers: docker compose run --rm prepare), and inbox and store must be on "
                "one file system. All other files were taken."
            )

    def claimed(self) -> list[ClaimedFile]:
        """List the rows and labels on their way, in the order in which they were claimed."""
        found = []
        for kind in ("rows", "labels"):
            for path in (self._home / _INCOMING).glob(f"*/{kind}/*"):
                if path.is_file() and (match := _STAMPED.fullmatch(path.name)):
                    model = path.parent.parent.name
                    found.append(ClaimedFile(model, self._relative(path), match[1], kind))
        return sorted(found, key=lambda claimed: Path(claimed.path).name)

    def take_in(
        self, model: str, path: Path, *, kind: ArrivalKind = "rows", source: str | None = None
    ) -> ClaimedFile:
        """Copy a file from anywhere among the claimed ones; the original stays.

        Raises
        ------
        UnreadableFileError
            If there is no such file.
        """
        if not path.is_file():
            raise UnreadableFileError(f"There is no file {path}.")
        name = source or path.name
        # Apart from the claimed ones: its sender knows of it, and the original is still there.
        target = self._incoming(model, f"given-{kind}", name)
        with path.open("rb") as given, write_whole(target) as copy:
            shutil.copyfileobj(given, copy, 2**20)
        return ClaimedFile(model, self._relative(target), name, kind)

    def open(self, model: str, path: str) -> RowSource:
        """Open a claimed file; `UnreadableFileError` if it is no table."""
        return open_rows(self._claimed_path(model, path))

    def exists(self, model: str, path: str) -> bool:
        """Tell whether the file is still where it was claimed to."""
        return self._claimed_path(model, path).is_file()

    def archive(self, model: str, path: str) -> None:
        """Move a stored file to the archive; once."""
        self._move(self._claimed_path(model, path), self._home / "archive" / model)

    def set_aside(self, model: str, path: str, *, report: Mapping[str, Any], text: str) -> None:
        """Move a refused file into quarantine, with the report as JSON and as text; once."""
        source = self._claimed_path(model, path)
        folder = self._home / "quarantine" / model / "files"
        folder.mkdir(parents=True, exist_ok=True)
        name = source.name
        with write_whole(folder / f"{name}.report.json") as file:
            file.write(json.dumps(dict(report), indent=2, ensure_ascii=False).encode() + b"\n")
        with write_whole(folder / f"{name}.report.txt") as file:
            file.write(text.encode() + b"\n")
        self._move(source, folder)

    def _folders(self, models: Collection[str] | None) -> Iterator[tuple[str, ArrivalKind, Path]]:
        inbox = self._home / "inbox"
        if not inbox.is_dir():
            return
        for folder in sorted(inbox.iterdir()):
            wanted = models is None or folder.name in models
            if wanted and folder.is_dir() and MODEL_NAME.fullmatch(folder.name):
                yield folder.name, "rows", folder
                yield folder.name, "labels", folder / _LABELS

    def _is_complete(self, path: Path, settle_s: float) -> bool:
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        if path.with_name(path.name + _DONE).exists():
            return True
        if time.time() - status.st_mtime > max(_OLD_S, settle_s):
            return True
        now = time.monotonic()
        size, changed, since = self._looks.get(path, (-1, -1, now))
        if (size, changed) != (status.st_size, status.st_mtime_ns):
            since = now
        self._looks[path] = (status.st_size, status.st_mtime_ns, since)
        return (size, changed) == (status.st_size, status.st_mtime_ns) and now - since >= settle_s

    def _claim(self, model: str, kind: ArrivalKind, path: Path) -> ClaimedFile:
        target = self._incoming(model, kind, path.name)
        # Another program wrote it, perhaps a moment ago.
        sync(path)
        path.rename(target)
        try:
            sync(target.parent)
            sync(path.parent)
        except OSError:
            # It is claimed, perhaps not durably: the next look gives it out.
            self._recovered = False
            raise
        return ClaimedFile(model, self._relative(target), path.name, kind)

    def _incoming(self, model: str, kind: str, name: str) -> Path:
        """Give a path that no other arrival has or had."""
        folder = self._home / _INCOMING / model / kind
        folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime(_STAMP)
        number = 0
        while True:
            mark = f"{stamp}-{number}" if number else stamp
            target = folder / f"{mark}_{name}"
            if not target.exists():
                return target
            number += 1

    @staticmethod
    def _move(source: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / source.name
        if not source.exists() and target.exists():
            return
        source.rename(target)
        sync(folder)
        sync(source.parent)

    def _claimed_path(self, model: str, path: str) -> Path:
        """Give the absolute path; a message cannot name any other file, nor another folder."""
        if not MODEL_NAME.fullmatch(model):
            raise UnreadableFileError(
                f"{model[:100]!r} is no name of a model, so it has no claimed files. Expected "
                f"{MODEL_NAME.pattern}."
            )
        absolute, folder = Path(os.path.normpath(self._home / path)), _INCOMING / model
        if self._home / folder not in absolute.parents:
            raise UnreadableFileError(
                f"{path[:300]!r} is no claimed file of '{model}': expected one below {folder}."
            )
        return absolute

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Give a sort key by which ``part-2`` comes before ``part-10``."""
    pieces = re.split(r"(\d+)", name)
    return tuple(
        (0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece
    )


def _files(folder: Path) -> Iterator[Path]:
    """Give the files of a folder that are not marked as unfinished."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            unfinished = entry.name.startswith((".", "~")) or entry.name.endswith(_UNFINISHED)
            if not unfinished and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
