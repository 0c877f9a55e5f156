"""The files that bring the containers up, and how tests run shell scripts with stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = ROOT / "Dockerfile"
MERGE = ROOT / "merge.cpf"
AUTOCONF = ROOT / "iris_autoconf.sh"
DEPLOY = ROOT / "deploy"


def run(
    *command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with no environment but ours, and give all it printed."""
    return subprocess.run(
        [str(word) for word in command],
        env={"PATH": os.environ["PATH"], **(environment or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> Path:
    """Write a program that stands in for another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path
