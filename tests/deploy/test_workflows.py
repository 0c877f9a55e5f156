"""The public continuous integration: valid, pinned, and the same commands as everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


@pytest.mark.parametrize("schema", ["github-workflows", "github-workflows-require-timeout"])
def test_workflows_follow_the_schema(schema: str) -> None:
    kind = "custom" if schema.endswith("timeout") else "vendor"
    told = subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", f"{kind}.{schema}"),
            *WORKFLOWS,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_actions_are_pinned_by_commit_with_their_tag_beside_it() -> None:
    used = [
        line.split("uses:")[1].strip()
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    assert [
        each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)
    ] == []


def test_every_python_of_the_project_is_tested() -> None:
    document = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    tested = document["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        found.group(1)
        for line in project["classifiers"]
        if (found := re.search(r"Python :: (3\.\d+)$", line))
    ]
    assert tested == named


def test_every_make_target_that_is_run_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    run = {name for path in WORKFLOWS for name in re.findall(r"make ([a-z-]+)", path.read_text())}
    assert {"check", "test", "iris-test"} <= run <= targets
