"""Imports an uploaded production in a process of its own and says what is wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from iris_ct.host.component import describe
from iris_ct.host.defaults import DefaultSetting, to_rows
from iris_ct.host.foreign import Foreign
from iris_ct.host.plan import HostPlan, load_production, wakes_of

# iop's client waits for 30 seconds.
_TIMEOUT_S = 25.0


class UploadCheck:
    """Checks uploads for a host that gives its production these wakes and default settings.

    What an import leaves running, or takes longer than ``timeout_s`` seconds, is killed.
    """

    def __init__(
        self,
        wakes: Mapping[str, float],
        defaults: Iterable[DefaultSetting] = (),
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._wakes = dict(wakes)
        self._defaults = to_rows(defaults)

    def __call__(self, folder: Path, module: str, strict: bool) -> list[str]:
        """Give the findings, none for a production that can run here."""
        settings = {
            "import_path": [str(folder), *sys.path],
            "reference": f"{module}:PRODUCTIONS",
            "strict": strict,
            "wakes": self._wakes,
            "defaults": self._defaults,
        }
        try:
            done = _run(json.dumps(settings) + "\n", self._timeout_s)
        except subprocess.TimeoutExpired:
            return [f"importing it took more than {self._timeout_s:g} s"]
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            return [f"importing it ended with code {done.returncode}: {last}"]
        if not done.stdout:
            return ["importing it ended the process; it gave no answer"]
        findings: list[str] = json.loads(done.stdout)
        return findings


def _run(said: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Import in a process of its own, at the head of a group of its own."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, sys\n"
            "settings = json.loads(sys.stdin.readline())\n"
            "sys.path[:] = settings['import_path']\n"
            "from iris_ct.host.upload_check import answer\n"
            "answer(settings)\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(said, timeout_s)
        finally:
            # The head may have ended long ago; what it started has its group still.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def answer(settings: dict[str, Any]) -> None:
    """Write the findings as a line of JSON; what the imported code prints goes elsewhere."""
    answers = os.dup(1)
    os.dup2(2, 1)
    findings = _findings(settings)
    with os.fdopen(answers, "w") as file:
        json.dump(findings, file)


def _findings(settings: dict[str, Any]) -> list[str]:
    with Foreign() as importing:
        production = load_production(settings["reference"])
        if settings["strict"]:
            production.validate(strict=True)
        HostPlan.from_production(
            production,
            wakes=wakes_of(production, settings["wakes"]),
            defaults=[DefaultSetting(**row) for row in settings["defaults"]],
        )
    return [] if importing.error is None else [describe(importing.error)]
