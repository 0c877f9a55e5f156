"""A process with many open files: descriptors from 1024 on, which ``select`` would refuse."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.host.productions import Task

from iris_ct.host import Host

_N_OPEN = 1100


@pytest.fixture(autouse=True)
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * _N_OPEN:
        pytest.skip(f"this machine allows no more than {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * _N_OPEN), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(_N_OPEN)]
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("processes", [False, True])
def test_a_host_runs_in_a_process_with_many_open_files(
    sqlite_url: str, lock_path: Path, processes: bool
) -> None:
    """In strict mode the nursery inherits its channel under the high number."""
    host = Host(
        "tests.host.productions:pair",
        store_url=sqlite_url,
        lock_path=lock_path,
        processes=processes,
    )
    with host:
        assert host.call("Direct", Task("double", 2), 60).number == 4
