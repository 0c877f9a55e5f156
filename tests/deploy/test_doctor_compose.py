"""``ct doctor --compose``: each finding, and what it says to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
from tests.deploy.files import BIN, COMPOSE, EXAMPLE, run

from iris_ct.core.errors import ConfigError
from iris_ct.doctor.compose import OWNED, SECRETS, diagnose_compose
from iris_ct.doctor.machine import Machine, Owned

Checks = dict[str, dict[str, str]]
GIB = 2**30


class HealthyMachine(Machine):
    """A machine with an engine; what a test wants otherwise is given."""

    def __init__(
        self,
        *,
        answers: dict[str, str | None] | None = None,
        owners: dict[str, Owned] | None = None,
        held: dict[int, str] | None = None,
        kind: str = "ext4",
        free: int = 50 * GIB,
    ) -> None:
        self.answers = {
            "docker version": "28.2.2",
            "docker compose version": "2.39.1",
            "docker compose ps": "",
            "docker info MemTotal": str(16 * GIB),
            "docker info NCPU": "4",
            **(answers or {}),
        }
        self.owners = owners or {}
        self.held = held or {}
        self.kind = kind
        self.free = free

    def answer(self, *command: str, folder: Path | None = None) -> str | None:
        plain = " ".join(word for word in command if not word.startswith("-"))
        for written, meant in _FORMATS.items():
            plain = plain.replace(written, meant)
        return self.answers.get(plain)

    def taken(self, address: str, port: int) -> str | None:
        return self.held.get(port)

    def owned(self, path: Path) -> Owned | None:
        place = str(path).partition("/dur/")[2]
        return self.owners.get(place)

    def file_system(self, path: Path) -> str:
        return self.kind

    def free_bytes(self, path: Path) -> int:
        return self.free


_FORMATS = {" {{.Server.Version}}": "", "{{.MemTotal}}": "MemTotal", "{{.NCPU}}": "NCPU"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh clone with a copied .env."""
    shutil.copy(COMPOSE, tmp_path)
    shutil.copy(EXAMPLE, tmp_path)
    shutil.copy(EXAMPLE, tmp_path / ".env")
    (tmp_path / "dur").mkdir()
    return tmp_path


def look(project: Path, machine: Machine | None = None, **environment: str) -> Checks:
    answer = diagnose_compose(
        project, environment=environment, machine=machine or HealthyMachine()
    )
    return {check["name"]: check for check in answer["checks"]}


def prepared() -> dict[str, Owned]:
    """Owners as deploy/prepare.sh leaves them."""
    owners = {place: Owned(uid, 0o755) for place, uid in OWNED.items()}
    owners["secrets"] = Owned(0, 0o711)
    for service, (uid, names) in SECRETS.items():
        owners[f"secrets/{service}"] = Owned(uid, 0o500)
        owners |= {f"secrets/{service}/{name}": Owned(uid, 0o400) for name in names}
    return owners


def test_a_fresh_clone_with_a_copied_env_is_well(project: Path) -> None:
    checks = look(project)
    assert {name: check["state"] for name, check in checks.items()} == dict.fromkeys(
        ("engine", "compose", "env", "variables", "dur", "disk", "secrets", "ports", "memory",
         "processors"), "ok",
    )  # fmt: skip
    assert not [check for check in checks.values() if check["advice"]]


def test_a_prepared_home_is_well(project: Path) -> None:
    checks = look(project, HealthyMachine(owners=prepared()))
    assert checks["dur"]["state"] == checks["secrets"]["state"] == "ok"


class CloseMachine(HealthyMachine):
    """A machine whose user may look into nothing that is the containers'."""

    def owned(self, path: Path) -> Owned | None:
        raise PermissionError(13, "Permission denied", str(path))


def test_what_this_user_may_not_see_is_no_failure(project: Path) -> None:
    """Directories with rows are closed to others; that is as it should be."""
    checks = look(project, CloseMachine())
    assert checks["dur"]["state"] == checks["secrets"]["state"] == "ok"
    assert "may not look" in checks["secrets"]["text"]


def test_without_env_it_says_what_to_copy(project: Path) -> None:
    (project / ".env").unlink()
    assert look(project)["env"] == {
        "name": "env",
        "state": "failed",
        "text": "no .env",
        "advice": "cp .env.example .env",
    }


def test_a_required_variable_that_is_missing_is_named(project: Path) -> None:
    path = project / "docker-compose.yml"
    path.write_text(path.read_text().replace("${IRIS_PORT:-1972}", "${IRIS_PORT:?choose one}"))
    assert ".env lacks IRIS_PORT" in look(project)["env"]["text"]
    assert look(project, IRIS_PORT="1972")["env"]["state"] == "ok"


def test_a_name_that_nobody_reads_is_a_warning(project: Path) -> None:
    with (project / ".env").open("a") as file:
        file.write("IRIS_MEMROY=8g\nCOMPOSE_PROJECT_NAME=x\n")
    found = look(project)["variables"]
    assert found["state"] == "warning"
    assert found["text"] == "nobody reads IRIS_MEMROY"


def test_no_engine_and_no_plugin_are_two_findings(project: Path) -> None:
    nothing = dict.fromkeys(("docker version", "docker compose version", "docker info NCPU"))
    checks = look(project, HealthyMachine(answers={**nothing, "docker info MemTotal": None}))
    assert "no docker engine answers" in checks["engine"]["text"]
    assert checks["compose"]["state"] == "failed"


def test_an_old_plugin_is_told_apart(project: Path) -> None:
    checks = look(project, HealthyMachine(answers={"docker compose version": "2.20.3"}))
    assert checks["compose"]["text"] == "2.20.3: expected 2.24 or newer"


def test_what_belongs_to_somebody_else_is_given_away_at_the_next_start(project: Path) -> None:
    owners = {**prepared(), "store": Owned(1000, 0o755)}
    found = look(project, HealthyMachine(owners=owners))["dur"]
    assert found["state"] == "warning"
    assert "dur/store belongs to user 1000, expected 51773" in found["text"]
    assert "docker compose run --rm prepare" in found["advice"]


def test_a_durable_directory_with_foreign_files_would_stop_iris(project: Path) -> None:
    (project / "dur/iconfig").mkdir()
    (project / "dur/iconfig/notes.txt").touch()
    found = look(project)["dur"]
    assert found["state"] == "failed"
    assert "not empty and holds no mgr/" in found["text"]
    (project / "dur/iconfig/mgr").mkdir()
    assert look(project)["dur"]["state"] == "ok"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_file_system_that_iris_does_not_bear_is_named(project: Path, kind: str) -> None:
    found = look(project, HealthyMachine(kind=kind))["dur"]
    assert found["state"] == "failed"
    assert kind in found["text"]


def test_little_room_is_a_warning(project: Path) -> None:
    found = look(project, HealthyMachine(free=2 * GIB))["disk"]
    assert found["state"] == "warning"
    assert found["text"] == "2.0 GiB free"


def test_secrets_that_others_could_read_fail(project: Path) -> None:
    owners = {**prepared(), "secrets/iris/iris_password": Owned(51773, 0o644)}
    found = look(project, HealthyMachine(owners=owners))["secrets"]
    assert found["state"] == "failed"
    assert found["text"] == (
        "dur/secrets/iris/iris_password: user 51773, mode 644; expected 51773, 400"
    )


def test_a_secret_that_is_missing_fails(project: Path) -> None:
    owners = prepared()
    del owners["secrets/mlflow/s3_secret_key"]
    found = look(project, HealthyMachine(owners=owners))["secrets"]
    assert found["text"] == "dur/secrets/mlflow/s3_secret_key is missing"
    assert found["advice"] == "docker compose run --rm prepare"


def test_a_port_that_is_taken_is_named_with_its_variable(project: Path) -> None:
    found = look(project, HealthyMachine(held={1972: "Address already in use"}))["ports"]
    assert found["state"] == "failed"
    assert found["text"] == "127.0.0.1:1972: Address already in use"
    assert "IRIS_PORT" in found["advice"]


def test_ports_of_the_running_stack_are_its_own(project: Path) -> None:
    machine = HealthyMachine(held={1972: "in use"}, answers={"docker compose ps": "0123abcd"})
    assert look(project, machine)["ports"]["state"] == "ok"


def test_another_port_in_env_is_the_one_that_is_tried(project: Path) -> None:
    (project / ".env").write_text("IRIS_PORT=11972\n")
    found = look(project, HealthyMachine(held={1972: "in use"}))["ports"]
    assert "127.0.0.1:11972" in found["text"]


@pytest.mark.parametrize("value", ["http", "0", "70000"])
def test_a_port_that_is_none_is_a_finding(project: Path, value: str) -> None:
    found = look(project, IRIS_PORT=value)["ports"]
    assert found["state"] == "failed"
    assert f"port '{value}'" in found["text"]


def test_memory_is_what_the_engine_has(project: Path) -> None:
    """The limits sum to 6 + 1 + 2 + 0.5 + 1 + 0.5 GiB."""
    some = look(project, HealthyMachine(answers={"docker info MemTotal": str(8 * GIB)}))
    assert some["memory"]["state"] == "warning"
    assert some["memory"]["text"] == "limits of 11.0 GiB, 8.0 GiB there"
    little = look(project, HealthyMachine(answers={"docker info MemTotal": str(4 * GIB)}))
    assert little["memory"]["state"] == "failed"
    assert "IRIS_MEMORY" in little["memory"]["advice"]


def test_a_limit_above_the_processors_is_refused_by_the_engine(project: Path) -> None:
    found = look(project, HealthyMachine(answers={"docker info NCPU": "1"}))["processors"]
    assert found["state"] == "failed"
    assert "Lower IRIS_CPUS" in found["advice"]


def test_more_processors_than_community_edition_bears_need_a_set(project: Path) -> None:
    machine = HealthyMachine(answers={"docker info NCPU": "32"})
    assert "IRIS_CPUSET=0-19" in look(project, machine)["processors"]["advice"]
    assert look(project, machine, IRIS_CPUSET="0-19")["processors"]["state"] == "ok"


def test_elsewhere_it_says_where_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="project's directory"):
        look(tmp_path)


def test_a_real_machine_sees_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert Machine().taken("127.0.0.1", server.getsockname()[1])
    assert Machine().answer("no-such-program-at-all") is None
    assert Machine().memory_bytes() > 2**20


def test_the_command_shows_the_findings_and_fails_with_them(project: Path) -> None:
    said = run(
        BIN / "ct",
        "doctor",
        "--compose",
        "--json",
        cwd=project,
        environment={"HOME": os.devnull, "PATH": str(project)},
    )
    answer = json.loads(said.stdout)
    assert said.returncode == 1
    assert [check["name"] for check in answer["checks"] if check["state"] == "failed"][:2] == [
        "engine",
        "compose",
    ]
