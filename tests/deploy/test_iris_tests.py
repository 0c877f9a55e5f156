"""`tests/iris` where no instance can run: skipped with a reason, or failed on demand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_ENGINE = "needs a running InterSystems IRIS: no container engine: docker is not installed"
NOT_ASKED = "needs a running InterSystems IRIS: 'make iris-test' brings an IRIS up"


def ask(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tests in a process that finds no docker."""
    inherited = {
        name: said
        for name, said in os.environ.items()
        if not name.startswith(("CT_", "PYTEST_", "COV_"))
    }
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"),
            "tests/iris/test_log.py::test_no_value_of_a_row_is_in_a_line",
        ],
        cwd=ROOT,
        env={**inherited, "PATH": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("environment", "reason"), [({}, NOT_ASKED), ({"CT_TEST_IRIS": "1"}, NO_ENGINE)]
)
def test_they_are_skipped_and_say_why(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    told = ask(tmp_path, **environment)
    assert told.returncode == 0, told.stdout
    assert "1 skipped" in told.stdout
    assert reason in told.stdout


def test_a_missing_instance_is_a_failure_where_one_is_required(tmp_path: Path) -> None:
    told = ask(tmp_path, CT_TEST_IRIS="1", CT_REQUIRE_IRIS="1")
    assert told.returncode == 1
    assert re.search(r"^1 error|^1 failed", told.stdout, re.MULTILINE), told.stdout
    assert NO_ENGINE in told.stdout
