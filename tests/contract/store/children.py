"""Processes beside the test's own, which can be killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

_BARE = """
import sys, os, signal
from pathlib import Path

url, home = sys.argv[1], Path(sys.argv[2])

def tell(word):
    print(word, flush=True)

def wait():
    sys.stdin.readline()
"""
_STORE = """
from iris_ct.adapters.store import SqlStore
from tests.contract.store.histories import *

store = SqlStore(url, home, synchronous="OFF")
spec = specification()
"""


def start(url: str, home: Path, code: str) -> subprocess.Popen[str]:
    """Start a process that has ``store``, ``spec``, ``tell(word)`` and ``wait()``."""
    return start_bare(url, home, _STORE + textwrap.dedent(code))


def start_bare(url: str, home: Path, code: str) -> subprocess.Popen[str]:
    """Start a process that has ``url``, ``home``, ``tell(word)`` and ``wait()`` only."""
    return subprocess.Popen(
        [sys.executable, "-c", _BARE + textwrap.dedent(code), url, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=None,
    )


def hear(child: subprocess.Popen[str]) -> str:
    """Wait for the next word of a process."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def let_go(child: subprocess.Popen[str]) -> None:
    """Let a waiting process go on."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def end(child: subprocess.Popen[str]) -> int:
    """Wait for its end, closing its pipes; give the exit code."""
    child.communicate(timeout=120)
    return child.returncode


def kill(child: subprocess.Popen[str]) -> None:
    """Kill it as the operating system would."""
    child.kill()
    end(child)
