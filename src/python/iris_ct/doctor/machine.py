"""What the doctor asks the machine below containers; a test hands over another one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# An engine that is well answers at once; one behind a virtual machine takes seconds.
_ANSWER_S = 20.0


@dataclass(frozen=True)
class Owned:
    """Owner and permission bits of a path."""

    uid: int
    mode: int


class Machine:
    """The machine that the doctor runs on."""

    def answer(self, *command: str, folder: Path | None = None) -> str | None:
        """Run a command and give what it printed; None if it is missing or fails."""
        program = shutil.which(command[0])
        return None if program is None else _output([program, *command[1:]], folder)

    def taken(self, address: str, port: int) -> str | None:
        """Say why a port cannot be opened; None if it can."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the engine does it: a port that is only cooling down counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return error.strerror or str(error)
        return None

    def owned(self, path: Path) -> Owned | None:
        """Tell whose a path is; None if it is not there.

        Raises
        ------
        PermissionError
            If this user may not look.
        """
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return Owned(found.st_uid, found.st_mode & 0o7777)

    def file_system(self, path: Path) -> str:
        """Name the type of the file system below a path; empty where that is not told."""
        try:
            lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        there = path.resolve()
        mounts = [(Path(words[1]), words[2]) for line in lines if len(words := line.split()) > 2]
        above = [mount for mount in mounts if there.is_relative_to(mount[0])]
        return max(above, key=lambda mount: len(mount[0].parts), default=(Path("/"), ""))[1]

    def free_bytes(self, path: Path) -> int:
        """Count the free room on the file system of a path."""
        return shutil.disk_usage(path).free

    def processors(self) -> int:
        """Count the processors."""
        return os.cpu_count() or 1

    def memory_bytes(self) -> int:
        """Count the memory; 0 where that is not told."""
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (OSError, ValueError):
            return 0


def _output(command: Sequence[str], folder: Path | None) -> str | None:
    try:
        run = subprocess.run(  # noqa: S603 - fixed words, and a program that was looked up
            command, cwd=folder, capture_output=True, text=True, timeout=_ANSWER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None
