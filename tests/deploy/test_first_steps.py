"""The first ten minutes of docs/iris.md, typed by a person: what does not need a container."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.deploy.files import DEPLOY, ROOT, run

PAGE = (ROOT / "docs" / "iris.md").read_text(encoding="utf-8")
PREPARE = "docker compose run --rm prepare"
IRIS, PERSON = 51773, 1000


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give files away"
)
def test_the_person_can_put_the_example_where_iris_can_take_it(tmp_path: Path) -> None:
    for name in ("models/bikes.toml", "hour.csv"):
        path = tmp_path / "examples/bike_sharing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("here\n")
    dur = tmp_path / "dur"
    dur.mkdir()
    for place in (tmp_path, dur):
        os.chown(place, PERSON, PERSON)
    # pytest closes its directories to others; in the container the way to /dur is open.
    for place in (tmp_path, *tmp_path.parents):
        if not place.stat().st_mode & 0o001:
            place.chmod(place.stat().st_mode | 0o011)
    assert run("sh", DEPLOY / "prepare.sh", dur).returncode == 0, "the first start"
    block = next(b for b in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) if "inbox" in b)
    commands = block.splitlines()
    assert PREPARE in commands
    for command in commands:
        if command == PREPARE:
            assert run("sh", DEPLOY / "prepare.sh", dur).returncode == 0
        else:
            said = _as(PERSON, *shlex.split(command), folder=tmp_path)
            assert said.returncode == 0, said.stdout
    for taken in ("inbox/bikes/hour.csv", "inbox/bikes/labels"):
        said = _as(IRIS, "mv", str(dur / taken), str(dur / "store"), folder=Path("/"))
        assert said.returncode == 0, said.stdout


def _as(user: int, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    change = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    return run("sh", "-c", 'umask 022; exec "$@"', "sh", *change, *command, cwd=folder)
