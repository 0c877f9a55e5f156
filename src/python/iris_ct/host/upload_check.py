"""Imports an uploaded production in a process of its own and says what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iris_ct.host.component import describe
from iris_ct.host.defaults import DefaultSetting, to_rows
from iris_ct.host.foreign import Foreign
from iris_ct.host.plan import HostPlan, load_production, wakes_of

# iop's client waits for 30 seconds.
_TIMEOUT_S = 25.0


class UploadCheck:
    """Checks uploads for a host that gives its production these wakes and default settings."""

    def __init__(
        self, wakes: Mapping[str, float], defaults: Iterable[DefaultSetting] = ()
    ) -> None:
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
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "import json, sys\n"
                    "settings = json.loads(sys.stdin.readline())\n"
                    "sys.path[:] = settings['import_path']\n"
                    "from iris_ct.host.upload_check import answer\n"
                    "answer(settings)\n",
                ],
                input=json.dumps(settings) + "\n",
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [f"importing it took more than {_TIMEOUT_S:g} s"]
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            return [f"importing it ended with code {done.returncode}: {last}"]
        if not done.stdout:
            return ["importing it ended the process; it gave no answer"]
        findings: list[str] = json.loads(done.stdout)
        return findings


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
