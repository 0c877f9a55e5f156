"""iop's own ``Production`` methods, answered by a host instead of IRIS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from iop import DirectorProtocol
from tests.host import productions
from tests.host.productions import Task, notes

from iris_ct.host import EmbeddedDirector, Host, HostError, UnsupportedError


def test_a_production_is_started_tested_and_stopped(
    sqlite_url: str, lock_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prod = productions.make()
    host = Host(prod, store_url=sqlite_url, lock_path=lock_path)
    director = EmbeddedDirector(host)
    assert isinstance(director, DirectorProtocol)
    prod.with_director(director)
    assert prod.status()["Status"] == "stopped"
    prod.start()
    assert prod.status() == {
        "Production": "Test.Production",
        "Status": "running",
        "NeedsUpdate": 0,
    }
    assert prod.test("Worker", Task("double", 4)).number == 8
    assert prod.test("Entry", Task("pass", 3)).number == 3
    assert director.test_component("Worker", None, "tests.host.productions.Task", {"wish": "pass"})
    prod.stop_component("Worker")
    host.send("Direct", Task("async-pass", 9))
    deadline = time.monotonic() + 60
    while prod.queue()["Worker"]["count"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    prod.start_component("Worker")
    assert host.wait_idle(60)
    assert notes()[-1] == "worker 9"
    prod.log(5)
    assert "Production Test.Production starts" in capsys.readouterr().out
    prod.restart()
    assert host.is_running
    prod.kill()
    assert director.list_productions()["Test.Production"]["Status"] == "stopped"


def test_a_production_compares_equal_to_what_its_host_runs(
    sqlite_url: str, lock_path: Path
) -> None:
    """``diff`` reads the running production back through the director."""
    prod = productions.make()
    host = Host(prod, store_url=sqlite_url, lock_path=lock_path)
    prod.with_director(EmbeddedDirector(host))
    with host:
        assert not prod.diff().has_changes


def test_what_needs_iris_is_refused(sqlite_url: str, lock_path: Path) -> None:
    director = EmbeddedDirector(Host(productions.small, store_url=sqlite_url, lock_path=lock_path))
    for call in (
        director.update_production,
        director.setup,
        lambda: director.migrate("settings.py"),
        lambda: director.unbind_component("Python.x"),
        lambda: director.apply_production_plan({}),
    ):
        with pytest.raises(UnsupportedError):
            call()
    with pytest.raises(HostError, match=r"runs production 'Test\.Small', not 'Other'"):
        director.start_production("Other")
