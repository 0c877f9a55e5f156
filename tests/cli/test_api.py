"""``ct up --api``: the REST interface of a real production, in the process that people start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.running import ct, ct_process, ct_up, make_home, wait_until

from iris_ct.config import load_settings

pytestmark = pytest.mark.integration

SETTINGS = Path(__file__).parents[2] / "src" / "python" / "settings.py"


def iop(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "iop", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "IOP_URL": url,
            "IOP_PASSWORD": "open sesame",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def api_url(process: subprocess.Popen[str]) -> str:
    """Read what ``ct up`` says after its first line."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    return lines[-1].strip().partition("IOP_URL=")[2]


def test_the_production_is_reached_migrated_and_restarted_by_iop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "dur")
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    monkeypatch.setenv("CT_API_PASSWORD_FILE", str(file))
    monkeypatch.setenv("CT_API_MIGRATE", "1")
    with ct_up(home, "--api", "0") as process:
        url = api_url(process)
        assert url.startswith("http://127.0.0.1:")
        assert json.loads(iop(url, "--status"))["status"] == "running"
        iop(url, "--migrate", str(SETTINGS), "--strict-production-validation")
        iop(url, "--update")
        kept = json.loads((home / "production" / "current.json").read_text())
        assert kept["module"] == "settings"
        folder = home / "production" / kept["digest"]
        assert [path.name for path in folder.rglob("*.py")] == ["settings.py"]
        message = (
            "--classname",
            "iris_ct.messages.NotificationRequested",
            "--body",
            '{"model": ""}',
        )
        assert '"n_lines": 0' in iop(url, "--test", "Notification", *message)
        assert iop(url, "--stop") == "Production CT.Production stopped\n"
        assert process.poll() is None, "the interface stays"
        assert iop(url, "--start", "-D") == "Production CT.Production started\n"
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_down_ends_the_process_of_a_stopped_production_and_up_takes_its_port_again(
    tmp_path: Path,
) -> None:
    home = make_home(tmp_path / "dur")
    with ct_up(home, "--api", "0") as process:
        url = api_url(process)
        assert iop(url, "--stop") == "Production CT.Production stopped\n"
        (host,) = [
            found
            for found in ct(home, "doctor", "--json").json["checks"]
            if found["name"] == "host"
        ]
        assert host["state"] == "warning"
        assert f"stopped, kept by process {process.pid}" in host["text"]
        down = ct(home, "down", "--json").json
        assert (down["stopped"], down["pid"], down["found"]) == (True, process.pid, "stopped")
        assert process.wait(60) == 0
    assert not list((home / "store").glob("keeper-*"))
    with ct_up(home, "--api", url.rpartition(":")[2]) as process:
        assert api_url(process) == url
        assert ct(home, "down").out.startswith(f"Process {process.pid}, which ran since")
    assert ct(home, "down").out == "No production runs on this home.\n"


def test_it_is_not_opened_to_others_without_a_password(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur")
    said = ct_process(home, "up", "--api", "0.0.0.0:0")
    assert said.code == 1
    assert "which other machines reach, but has no password" in said.err


def test_an_address_without_a_port_is_refused(tmp_path: Path) -> None:
    said = ct_process(make_home(tmp_path / "dur"), "up", "--api", "127.0.0.1")
    assert said.code == 2
    assert "--api '127.0.0.1': expected PORT or HOST:PORT" in said.err


def test_a_variable_without_a_value_means_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose files hand variables on that nobody has set."""
    for name in ("CT_API_PORT", "CT_API_PASSWORD_FILE", "CT_SETTLE_S", "CT_MODELS"):
        monkeypatch.setenv(name, "")
    settings = load_settings(tmp_path)
    assert (settings.api_port, settings.api_password) == (None, "")
    assert (settings.settle_s, settings.models) == (1.0, None)


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("CT_API_PORT", "99999", "less than or equal to 65535"),
        ("CT_API_PASSWORD_FILE", "absent", "cannot be read: No such file or directory"),
        ("CT_API_PASSWORD_FILE", "/dev/null", "is empty; write a password into it"),
    ],
)
def test_a_wrong_setting_of_it_is_named(
    tmp_path: Path, variable: str, text: str, reason: str
) -> None:
    home = make_home(tmp_path / "dur")
    said = ct_process(home, "up", **{"CT_API_PORT": "0", variable: text})
    assert said.code == 2
    assert variable in said.err
    assert reason in said.err
