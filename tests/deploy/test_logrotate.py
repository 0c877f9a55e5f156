"""The example that rotates the log IRIS writes: it names what the product uses, and logrotate takes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "logrotate.conf"
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def test_it_names_the_file_that_irislogd_writes_and_the_container_of_the_compose_file() -> None:
    text = EXAMPLE.read_text()
    assert '..Home()_"/log/ct.log"' in (ROOT / "src/cls/CT/Setup.cls").read_text()
    assert "\n/srv/iris-ct/dur/log/ct.log {\n" in text
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    command = f"docker exec {services['iris']['container_name']} iris session IRIS -U %SYS"
    (restart,) = re.findall(r"docker exec .*", text)
    assert restart == f"{command} '##class(SYS.LogDmn).Restart()'"
    assert restart in (ROOT / "docs" / "iris.md").read_text()


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_a_full_file_is_renamed_whole_before_the_daemon_is_restarted(tmp_path: Path) -> None:
    assert LOGROTATE is not None
    log = tmp_path / "dur" / "log" / "ct.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"full\n" * 1_100_000)
    programs = tmp_path / "bin"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/asked\n')
    docker.chmod(0o755)
    config = tmp_path / "logrotate.conf"
    # Whoever runs the tests may not be root.
    text = EXAMPLE.read_text().replace("    su root root\n", "")
    config.write_text(text.replace("/srv/iris-ct", str(tmp_path)))
    config.chmod(0o644)
    for _ in range(2):
        subprocess.run(
            [LOGROTATE, "--state", tmp_path / "state", config],
            check=True,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )
    assert not log.exists(), "irislogd makes it"
    assert (log.parent / "ct.log.1").stat().st_size == 5_500_000
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[-1] == "##class(SYS.LogDmn).Restart()"
    assert asked.count("exec") == 1, "a missing or small file is left alone"
