"""Directories and secrets: made once, for the right users, and kept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from tests.deploy.files import DEPLOY, ROOT, program, run

from iris_ct.doctor.compose import OWNED, SECRETS
from iris_ct.serving.access.tokens import create_token, read_tokens, tokens_path

PREPARE = DEPLOY / "prepare.sh"


@pytest.fixture
def dur(tmp_path: Path) -> Path:
    (tmp_path / "dur" / "models").mkdir(parents=True)
    (tmp_path / "dur/models/bikes.toml").touch()
    return tmp_path / "dur"


def prepare(dur: Path, *, chown: str = "exit 0") -> subprocess.CompletedProcess[str]:
    """Run the script; only root can give files away, so that is recorded instead."""
    bin_ = program(
        dur.parent / "bin", "chown", f'#!/bin/sh\necho "$@" >>{dur.parent}/given\n{chown}\n'
    ).parent
    return run("sh", PREPARE, dur, environment={"PATH": f"{bin_}:{os.environ['PATH']}"})


def given(dur: Path) -> dict[str, str]:
    """Tell who was given each path, by its place below dur/."""
    lines = (dur.parent / "given").read_text().splitlines()
    pairs = [line.removeprefix("-hR ").split(" ", 1) for line in lines]
    return {path.removeprefix(f"{dur}/").removesuffix(".new"): owner for owner, path in pairs}


def contents(dur: Path) -> dict[str, str]:
    return {
        str(path.relative_to(dur)): path.read_text()
        for path in sorted((dur / "secrets").rglob("*"))
        if path.is_file()
    }


def test_each_service_has_its_secrets_and_each_secret_is_another_one(dur: Path) -> None:
    said = prepare(dur)
    assert said.returncode == 0, said.stdout
    made = contents(dur)
    expected = {f"secrets/{s}/{name}" for s, (_, names) in SECRETS.items() for name in names}
    assert set(made) == expected
    assert len(set(made.values())) == 5
    assert all(re.fullmatch(r"[0-9a-f]{20,40}\n", text) for text in made.values())
    # What two services share is the same for both.
    for name, other in (
        ("postgres_password", "postgres"),
        ("s3_access_key", "storage"),
        ("s3_secret_key", "storage"),
    ):
        assert made[f"secrets/mlflow/{name}"] == made[f"secrets/{other}/{name}"]
    gateway = {made[f"secrets/{service}/gateway_password"] for service in ("iris", "serving")}
    assert len(gateway) == 1


def test_no_secret_is_printed(dur: Path) -> None:
    said = prepare(dur)
    assert not [text for text in contents(dur).values() if text.strip() in said.stdout]


def test_two_installations_have_different_secrets(dur: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "dur"
    other.mkdir(parents=True)
    prepare(dur)
    prepare(other)
    assert not set(contents(dur).values()) & set(contents(other).values())


def test_a_second_run_changes_nothing(dur: Path) -> None:
    prepare(dur)
    before = contents(dur)
    said = prepare(dur)
    assert said.returncode == 0
    assert contents(dur) == before
    assert "made" not in said.stdout


def test_a_secret_of_the_administrators_own_is_kept_and_handed_on(dur: Path) -> None:
    """Keys of an S3 server elsewhere."""
    prepare(dur)
    path = dur / "secrets/storage/s3_secret_key"
    path.chmod(0o600)
    path.write_text("chosen-elsewhere\n")
    prepare(dur)
    assert (dur / "secrets/mlflow/s3_secret_key").read_text() == "chosen-elsewhere\n"


def test_only_its_owner_may_read_a_secret(dur: Path) -> None:
    prepare(dur)
    for service, (_, names) in SECRETS.items():
        folder = dur / "secrets" / service
        assert folder.stat().st_mode & 0o777 == 0o500
        assert all((folder / name).stat().st_mode & 0o777 == 0o400 for name in names)
    assert (dur / "secrets").stat().st_mode & 0o777 == 0o711


def test_everything_belongs_to_the_user_whom_the_doctor_expects(dur: Path) -> None:
    prepare(dur)
    owners = given(dur)
    for place, uid in OWNED.items():
        assert owners[place] == f"{uid}:{uid}"
    for service, (uid, names) in SECRETS.items():
        for place in (f"secrets/{service}", *(f"secrets/{service}/{name}" for name in names)):
            assert owners[place] == f"{uid}:{uid}"


def test_those_users_are_the_ones_that_the_containers_run_as() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for service in ("postgres", "storage", "mlflow", "serving"):
        uid = SECRETS[service][0]
        assert f'user: "{uid}:{uid}"' in compose
    assert f"USER {SECRETS['iris'][0]}" in (ROOT / "Dockerfile").read_text()


def test_a_person_puts_files_where_iris_takes_them(dur: Path) -> None:
    """One inbox for each model; the person owns it, IRIS' group may remove from it."""
    prepare(dur)
    owner = dur.stat().st_uid
    for place in ("inbox", "inbox/bikes", "inbox/bikes/labels", "models"):
        assert given(dur)[place] == f"{owner}:51773"
        mode = 0o2775 if place == "models" else 0o2770
        assert (dur / place).stat().st_mode & 0o7777 == mode


def test_other_accounts_of_the_machine_see_no_rows(dur: Path) -> None:
    """Model files and logs hold none; what an older release left open is closed."""
    (dur / "store").mkdir(mode=0o755)
    prepare(dur)
    for place in ("store", "archive", "quarantine", "artifacts", "serving", "iconfig", "inbox"):
        assert (dur / place).stat().st_mode & 0o007 == 0, place
    assert (dur / "log").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("place", [*OWNED])
def test_files_of_a_restore_are_given_to_whom_they_belong(dur: Path, place: str) -> None:
    """A copy that root puts back is root's inside, whoever owns the directory."""
    prepare(dur)
    (dur / place / "deep").mkdir(parents=True)
    (dur / place / "deep" / "file").touch()
    (dur.parent / "given").unlink()
    prepare(dur)
    lines = (dur.parent / "given").read_text().splitlines()
    assert f"-hR {OWNED[place]}:{OWNED[place]} {dur / place}" in lines


def test_the_gateway_is_guarded_before_anybody_has_a_token(dur: Path) -> None:
    """With this file it may listen in its container, and lets nobody in."""
    prepare(dur)
    path = tokens_path(dur)
    assert read_tokens(path) == ()
    assert path.stat().st_mode & 0o077 == 0
    assert given(dur)["serving/tokens.json"] == "51773:51773"


def test_tokens_that_are_there_are_left_alone(dur: Path) -> None:
    (dur / "serving").mkdir()
    create_token(dur, "shop", role="reader", domains=("*",), now=datetime.now(UTC))
    prepare(dur)
    kept = read_tokens(tokens_path(dur))
    assert kept is not None
    assert [token.name for token in kept] == ["shop"]


def test_the_directory_of_iris_stays_empty(dur: Path) -> None:
    """IRIS copies itself into an empty directory only."""
    prepare(dur)
    assert list((dur / "iconfig").iterdir()) == []


def test_a_file_system_without_owners_is_named(dur: Path) -> None:
    said = prepare(dur, chown="exit 1")
    assert said.returncode == 1
    assert "must know owners" in said.stdout


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give files away"
)
def test_the_capabilities_of_its_service_are_enough(dur: Path) -> None:
    """As docker-compose.yml has them; FSETID, for one, is missed by no error but by a lost bit."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prepare"]
    kept = ",".join(f"+{name.lower()}" for name in service["cap_add"])
    elsewhere = dur.parent / "elsewhere"
    elsewhere.touch()
    for _ in range(2):
        said = run("setpriv", f"--bounding-set=-all,{kept}", "--no-new-privs", "sh", PREPARE, dur)
        assert said.returncode == 0, said.stdout
        for place in OWNED:
            (dur / place / "restored").touch()
            link = dur / place / "link"
            link.unlink(missing_ok=True)
            link.symlink_to(elsewhere)
    said = run("setpriv", f"--bounding-set=-all,{kept}", "--no-new-privs", "sh", PREPARE, dur)
    assert elsewhere.stat().st_uid == 0, "what a link leads to stays whose it is"
    assert (dur / "inbox").stat().st_mode & 0o7777 == 0o2770
    for place, uid in OWNED.items():
        assert (dur / place).stat().st_uid == uid
        assert all(found.lstat().st_uid == uid for found in (dur / place).rglob("*"))
    for service_name, (uid, names) in SECRETS.items():
        for name in names:
            assert (dur / "secrets" / service_name / name).stat().st_uid == uid


def test_git_ignores_every_secret() -> None:
    for place in ("dur/secrets/iris/iris_password", ".env", "deploy/wheelhouse/a.whl"):
        said = run("git", "check-ignore", place, cwd=ROOT, environment={"HOME": os.devnull})
        assert said.returncode == 0, place
