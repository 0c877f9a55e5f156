"""Programs that stand in for ``iris``, ``iop`` and ``ct``: they record calls and fail on demand."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.files import AUTOCONF, program, run

# What a terminal session prints for the lines it is given: a prompt, the answer, and 0 at the end
# whatever went wrong (iris.md, section 0, fact 2). $FAIL_AT is the number of the call that fails.
_PROGRAM = r"""#!/bin/bash
name=${0##*/}
echo "$name $*" >>"$STATE/calls"
number=$(wc -l <"$STATE/calls")
lines=
if [[ $name == iris ]]; then lines=$(cat); fi
printf '%s\n' "$lines" >>"$STATE/sessions"
if [[ $number == "${FAIL_AT:-0}" ]]; then
    case $FAIL_AS in
        code) exit 3 ;;
        status) echo "ERROR #5001: the disk is full"; exit 0 ;;
        status_and_end) printf 'ERROR #5001: the disk is full\nCT step done\nCT state=1=CT.Production=\n' ;;
        crash) printf '\nIRISAPP 2d0>\n<UNDEFINED> *sc\n'; exit 0 ;;
        silence) exit 0 ;;
        traceback) printf 'Traceback (most recent call last):\n  ...\n'; exit 0 ;;
        hang) sleep 60 ;;
    esac
fi
case $name in
    ct) echo 9.8.7 ;;
    iop) echo "migrated" ;;
    iris)
        [[ $lines == *StartProduction* && ${NEVER_STARTS:-} == "" ]] && echo 1=CT.Production >"$STATE/running"
        [[ $lines == *RecoverProduction* ]] && echo 2= >"$STATE/running"
        printf '\nIRISAPP>'
        if [[ $lines == *GetProductionStatus* ]]; then
            printf '\nCT state=%s=\n' "$(cat "$STATE/running")"
        else
            printf '\nCT step done\n'
        fi
        ;;
esac
"""


@dataclass(frozen=True)
class Instance:
    """A directory with the stand-ins, a durable directory and what they remember."""

    folder: Path

    @property
    def marker(self) -> Path:
        return self.folder / "dur" / "log" / "ct.ready"

    @property
    def log(self) -> str:
        return (self.folder / "dur" / "log" / "iris_autoconf.log").read_text()

    @property
    def calls(self) -> list[str]:
        """Programs and arguments, in order, of the last start."""
        return self._lines("calls")

    @property
    def sessions(self) -> list[str]:
        """First line that each session was given."""
        return [line for line in self._lines("sessions") if line.startswith("try ")]

    @property
    def running(self) -> Path:
        """State and name of the production, as in ``1=CT.Production``."""
        return self.folder / "state" / "running"

    def start(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the start-up script once."""
        for name in ("calls", "sessions"):
            (self.folder / "state" / name).unlink(missing_ok=True)
        places = {
            "CT_HOME": self.folder / "dur",
            "CT_CODE": "/opt/ct",
            "CT_PACKAGES": self.folder / "packages",
            "ISC_DATA_DIRECTORY": self.folder / "dur" / "iconfig",
            "STATE": self.folder / "state",
        }
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        said = {name: str(place) for name, place in places.items()}
        return run("bash", AUTOCONF, environment={**said, "PATH": path, **environment})

    def _lines(self, name: str) -> list[str]:
        path = self.folder / "state" / name
        return path.read_text().splitlines() if path.exists() else []


def make_instance(folder: Path) -> Instance:
    """Lay an instance out that has never been started."""
    for name in ("iris", "iop", "ct"):
        program(folder / "bin", name, _PROGRAM)
    for place in ("dur/log", "dur/iconfig/mgr", "packages/iris_ct", "state"):
        (folder / place).mkdir(parents=True)
    (folder / "state" / "running").write_text("2=\n")
    return Instance(folder)
