"""docs/deployment.md names what there is: variables, files, images, services, commands."""

from __future__ import annotations

import re

import pytest
import yaml
from tests.deploy.files import BIN, COMPOSE, EXAMPLE, ROOT, run

from iris_ct.doctor.compose import OWNED, SECRETS
from iris_ct.doctor.compose_file import filled, variables

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
DEFAULTS = variables(COMPOSE.read_text(encoding="utf-8"))
SERVICES = yaml.safe_load(filled(COMPOSE.read_text(encoding="utf-8"), {}))["services"]
# Names of what is built, not of what is fetched.
BUILT = {"CT_IMAGE", "SERVING_IMAGE"}
# Made where there is a network, with what the other machine could not fetch; and what they stand for.
FETCHED = {"iris-ct-system:2026.1": "IRIS_IMAGE", "iris-ct-runtime:3.12": "PYTHON_IMAGE"}
# Variables of others: compose itself, the product, the Web Gateway's image, the environment.
FOREIGN = {
    "COMPOSE_FILE", "CT_HOME", "PYTHONPATH", "IRISAPP", "IMAGE", "MLFLOW_BACKEND_STORE_URI",
    "ISC_CSP_CONF_FILE", "ISC_CSP_INI_FILE", "IRIS", "FAILED", "CSP",
}  # fmt: skip


def commands(program: str) -> list[str]:
    """Lines of the page's console blocks that call a program."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith(program)]


def test_every_variable_it_names_exists() -> None:
    named = set(re.findall(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b", PAGE)) - FOREIGN
    lines = EXAMPLE.read_text(encoding="utf-8")
    known = set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", lines, re.MULTILINE))
    assert named <= known, named - known


def test_its_table_of_images_has_the_defaults() -> None:
    rows = re.findall(r"^\| `(\w+_IMAGE)` \| (?:`([^`]+)`|([^|]+)) \|", PAGE, re.MULTILINE)
    said = {name: image for name, image, _ in rows}
    assert said.keys() == {name for name in DEFAULTS if name.endswith("_IMAGE")} - BUILT
    for name, image in said.items():
        if image:
            assert DEFAULTS[name].default == image


def test_every_service_and_secret_is_in_its_tables() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE))
    assert SERVICES.keys() <= rows
    for service, (uid, names) in SECRETS.items():
        assert f"`{service}/" in PAGE
        assert str(uid) in PAGE
        assert all(name in PAGE for name in names)


def test_commands_name_services_that_exist() -> None:
    for line in commands("docker compose"):
        words = line.split()[2:]
        if words[0] in {"exec", "run", "stop", "restart"}:
            named = [word for word in words[1:] if not word.startswith("-")]
            assert named[0] in SERVICES, line


def test_images_to_take_along_are_those_that_run() -> None:
    (line,) = [line for line in commands("docker save") if "images.tar" in line]
    carried = set(line.split("images.tar")[1].split()) - set(FETCHED)
    wanted = {
        str(DEFAULTS[name].default).partition("@")[0]
        for name in DEFAULTS
        if name.endswith("_IMAGE") and name not in BUILT | set(FETCHED.values())
    }
    assert carried == wanted
    for image, variable in FETCHED.items():
        assert f"{variable}={image}" in PAGE
        stage = image.partition(":")[0].removeprefix("iris-ct-")
        assert f"docker build --target {stage} --tag {image} ." in commands("docker build")
        assert f" AS {stage}\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize(
    "verb", sorted({line.split()[1] for line in commands("ct ")} | {"status"})
)
def test_verbs_of_ct_exist(verb: str) -> None:
    said = run(BIN / "ct", verb, "--help")
    assert said.returncode == 0, said.stdout


def test_files_and_links_exist() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (ROOT / "docs" / name).exists(), name
    for name in ("deploy/compose.rustfs.yml", "deploy/wheelhouse", "requirements-runtime.lock"):
        assert name in PAGE
        assert (ROOT / name).exists()


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(commands("make")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", ["iris.md", "deployment.md"])
def test_a_backup_has_everything_that_a_restore_needs(name: str) -> None:
    """Without ct.initialised a restored instance would get its first password again."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    _, _, rest = page.partition("**Backup.**" if name == "iris.md" else "## Backup")
    backup, _, _ = rest.partition("**Upgrade.**" if name == "iris.md" else "## Upgrade")
    owned = {place for place, uid in OWNED.items() if uid == SECRETS["iris"][0]} - {"log", "tmp"}
    wanted = {f"dur/{place}" for place in owned} | {
        "dur/secrets",
        "dur/iconfig/ct.initialised",
        "dur/iconfig/iris.cpf",
        "dur/iconfig/mgr/messages.log",
    }
    assert wanted <= set(re.findall(r"`(dur/[\w./]+?)`", backup))
    _, _, restore = backup.partition("**Restore.**" if name == "iris.md" else "To restore")
    assert "ct.initialised" in restore
    assert "docker compose run --rm prepare" in restore
