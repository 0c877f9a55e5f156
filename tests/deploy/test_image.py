"""Dockerfile, merge.cpf and the lists of packages of the image."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.deploy.files import AUTOCONF, BIN, COMPOSE, DOCKERFILE, MERGE, ROOT, run
from tests.deploy.image_checks import cpf_findings, dockerfile_findings

from iris_ct.doctor.compose_file import filled, variables

IMAGE = DOCKERFILE.read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
CPF = MERGE.read_text(encoding="utf-8")
DURABLE = "/dur/iconfig/mgr"

BROKEN_CPF = {
    "an action of nobody": (
        "ModifyService:",
        "EnableService:",
        "line 15: action 'EnableService' is not known",
    ),
    "a key of nobody": ("Interop=1", "Interoperability=1", "knows no Interoperability"),
    "a section of nobody": ("[config]", "[Config]", "line 4: section [Config] is not known"),
    "a setting of nobody": ("globals=", "global=", "[config] knows no 'global'"),
    "a comment": ("[Actions]", "# what is made\n[Actions]", "a merge file knows no comments"),
    "a comment among actions": ("[Actions]", "[Actions]\n; made", "action '; made' is not known"),
    "data in the container": (
        "Directory=/dur/iconfig/mgr/IRISAPP_DATA",
        "Directory=/usr/irissys/mgr/IRISAPP_DATA",
        "database IRISAPP_DATA lies outside /dur/iconfig/mgr",
    ),
    "a database that is not made": (
        "Globals=IRISAPP_DATA",
        "Globals=IRISAPP",
        "database IRISAPP is made nowhere",
    ),
    "a resource that is not made": (
        "Resource=%DB_IRISAPP_CODE",
        "Resource=%DB_CODE",
        "resource %DB_CODE is made nowhere",
    ),
    "commas without quotes": (
        'Description="Data of IRISAPP"',
        "Description=Data, of IRISAPP",
        "a value with commas needs quotes",
    ),
}
BROKEN_IMAGE = {
    "a source that is not there": ("merge.cpf /opt/ct/", "merged.cpf /opt/ct/", "not there"),
    "root at the end": ("USER 51773", "USER root", "it runs as root"),
    "a floating image": ("iris-community:2026.1", "iris-community:latest", "no fixed tag"),
    "no health check": ("HEALTHCHECK --", "LABEL --", "no HEALTHCHECK"),
}


def test_nothing_is_wrong_with_the_merge_file() -> None:
    assert cpf_findings(CPF, durable=DURABLE) == []


@pytest.mark.parametrize("name", BROKEN_CPF)
def test_a_merge_file_that_is_broken_on_purpose_is_found_out(name: str) -> None:
    right, wrong, said = BROKEN_CPF[name]
    assert right in CPF
    found = cpf_findings(CPF.replace(right, wrong), durable=DURABLE)
    assert [finding for finding in found if said in finding]


def test_the_merge_file_makes_what_the_product_asks_for() -> None:
    for line in (
        "EnsembleAutoStart=1",
        "CreateNamespace:Name=IRISAPP,Globals=IRISAPP_DATA,Routines=IRISAPP_CODE,Interop=1",
        "ModifyService:Name=%Service_CallIn,Enabled=1,AutheEnabled=48",
    ):
        assert line in CPF.splitlines()


def test_the_library_of_python_is_where_the_image_puts_it() -> None:
    library = re.search(r"^PythonRuntimeLibrary=(.+)$", CPF, re.MULTILINE)
    assert library is not None
    assert f'ln -sf "$library" {library[1]}' in IMAGE
    assert "PythonRuntimeLibraryVersion=3.12" in CPF


def test_nothing_is_wrong_with_the_dockerfile() -> None:
    assert dockerfile_findings(IMAGE, IGNORED, ROOT) == []
    said = run(BIN / "hadolint", "--no-color", DOCKERFILE)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("name", BROKEN_IMAGE)
def test_a_dockerfile_that_is_broken_on_purpose_is_found_out(name: str) -> None:
    right, wrong, said = BROKEN_IMAGE[name]
    assert right in IMAGE
    found = dockerfile_findings(IMAGE.replace(right, wrong), IGNORED, ROOT)
    assert [finding for finding in found if said in finding]


def test_a_source_that_is_not_sent_to_the_builder_is_found_out() -> None:
    found = dockerfile_findings(IMAGE, IGNORED.replace("!src/cls/\n", ""), ROOT)
    assert found == ["src/cls/ is copied, but .dockerignore hides it"]


def test_hadolint_sees_a_careless_dockerfile(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(IMAGE.replace("WORKDIR /build", "RUN cd /build"))
    assert run(BIN / "hadolint", path).returncode != 0


def test_the_gateways_image_is_its_own_and_says_what_the_compose_file_says() -> None:
    """No IRIS in it; where things are, and how it is asked, stand in both."""
    stage = re.search(r"^FROM runtime AS serving\n(.*?)^# ----", IMAGE, re.MULTILINE | re.DOTALL)
    assert stage is not None
    service = yaml.safe_load(filled(COMPOSE.read_text(), {}))["services"]["serving"]
    assert service["build"]["target"] == "serving"
    assert service["build"]["args"].keys() == {"PYTHON_IMAGE", "PIP_INDEX_URL"}
    assert "iris" not in stage[1].lower()
    assert f"USER {service['user'].partition(':')[0]}\n" in stage[1]
    assert f"ENTRYPOINT {json.dumps(service['entrypoint'])}" in stage[1]
    assert f"CMD {json.dumps(service['command'])}\n" in stage[1]
    test = service["healthcheck"]["test"]
    assert f"CMD {json.dumps(test[1:])}" in stage[1]
    block = re.search(r"^ENV PATH(?:.*\\\n)*.*$", stage[1], re.MULTILINE)
    assert block is not None
    in_image = dict(re.findall(r"(\w+)=(\S+)", block[0]))
    assert in_image.pop("PATH").startswith("/venv/bin:")
    assert in_image.items() <= service["environment"].items()


def test_the_gateways_image_comes_from_the_python_that_built_its_packages() -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", IMAGE, re.MULTILINE)
    assert [name for image, name in stages if image == "${PYTHON_IMAGE}"] == [
        "packages",
        "runtime",
    ]
    assert stages[-1] == ("system", ""), "what a build without a target gives is IRIS"


def test_image_and_compose_file_agree() -> None:
    """Compose says again what .env could otherwise change."""
    service = yaml.safe_load(filled(COMPOSE.read_text(), {}))["services"]["iris"]
    block = re.search(r"^ENV PATH=/opt(?:.*\\\n)*.*$", IMAGE, re.MULTILINE)
    assert block is not None
    in_image = dict(re.findall(r"(\w+)=(\S+)", block[0]))
    again = {k: v for k, v in service["environment"].items() if k != "MLFLOW_TRACKING_URI"}
    assert again == {name: in_image[name] for name in again}
    defaults = variables(COMPOSE.read_text())
    for name, image in re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", IMAGE, re.MULTILINE):
        assert defaults[name].default == image
    *_, command = re.findall(r"^CMD (.+)$", IMAGE, re.MULTILINE)
    assert yaml.safe_load(command) == service["command"]
    assert f"--start-period={service['healthcheck']['start_period']} " in IMAGE


def test_the_first_start_has_longer_than_one_of_its_steps() -> None:
    service = yaml.safe_load(filled(COMPOSE.read_text(), {}))["services"]["iris"]
    step = re.search(r"CT_STEP_SECONDS:-(\d+)", AUTOCONF.read_text())
    assert step is not None
    minutes = str(service["healthcheck"]["start_period"]).removesuffix("m")
    assert int(minutes) * 60 > int(step[1])


def test_the_image_has_no_test_tools_and_the_versions_that_are_tested() -> None:
    tested, runtime, build = (
        pins(ROOT / name)
        for name in ("requirements.lock", "requirements-runtime.lock", "deploy/build.lock")
    )
    assert runtime.items() <= tested.items()
    assert build.items() <= tested.items()
    assert not {"pytest", "mypy", "ruff", "hypothesis", "boto3"} & {n for n, _ in runtime}
    assert {name for name, _ in build} >= {"hatchling"}


def test_what_the_project_needs_is_in_the_image() -> None:
    """After a change of pyproject.toml: make lock."""
    project = (ROOT / "pyproject.toml").read_text().partition("[project.optional")[0]
    needed = re.findall(r'^  "([a-z0-9-]+)[=><]', project, re.MULTILINE)
    names = {name for name, _ in pins(ROOT / "requirements-runtime.lock")}
    assert len(needed) > 15
    assert {*needed, "psycopg"} <= names


def test_the_wrapper_can_be_taken_out_of_the_list_with_its_hashes(tmp_path: Path) -> None:
    """The Dockerfile's own awk line, run on the list."""
    script = re.search(r"awk '([^']+)'", IMAGE)
    assert script is not None
    said = run("awk", script[1], ROOT / "requirements-runtime.lock")
    first, *hashes = said.stdout.splitlines()
    assert re.fullmatch(r"iris-embedded-python-wrapper==[\d.]+ \\", first)
    assert hashes
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes)


def test_a_wheel_is_built_from_what_the_dockerfile_copies(tmp_path: Path) -> None:
    """From a clean copy, without an index: hatchling is there already, as in the image."""
    tree, wheels = tmp_path / "tree", tmp_path / "wheels"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tree / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "src/python/iris_ct").rglob("*"):
        if path.is_file() and path.suffix not in {".pyc"}:
            target = tree / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    said = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
         "--quiet", "--wheel-dir", str(wheels), str(tree)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    (wheel,) = wheels.glob("iris_ct-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "iris_ct/cli/main.py" in names
    assert not [name for name in names if name.startswith(("tests/", "src/"))]


def pins(path: Path) -> dict[tuple[str, str], str]:
    """Read a list of packages: name and marker, and the version."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; (.+?))? \\$", path.read_text(), re.MULTILINE)
    return {(name, marker): version for name, version, marker in found}
