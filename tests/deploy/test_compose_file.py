"""docker-compose.yml: the schema, and what must hold beyond it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.deploy.compose_checks import findings
from tests.deploy.files import BIN, COMPOSE, DEPLOY, EXAMPLE, ROOT, run

from iris_ct.doctor.compose import IRIS_UID, SECRETS
from iris_ct.doctor.compose_file import filled

TEXT = COMPOSE.read_text(encoding="utf-8")
SERVICES = yaml.safe_load(filled(TEXT, {}))["services"]

# What is broken on purpose, how, and what must be said about it.
BROKEN = {
    "a port for everybody": (
        "${PUBLISH_ADDRESS:-127.0.0.1}:${MLFLOW_PORT:-5000}",
        "${MLFLOW_PORT:-5000}",
        "mlflow: port 5000:5000 is open beyond this machine",
    ),
    "another address by default": (
        "PUBLISH_ADDRESS:-127.0.0.1",
        "PUBLISH_ADDRESS:-0.0.0.0",
        "iris: port 0.0.0.0:1972:1972 is open beyond this machine",
    ),
    "a secret in the file": (
        "POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password",
        "POSTGRES_PASSWORD: mlflow",
        "postgres: POSTGRES_PASSWORD holds a secret",
    ),
    "a secret in an address": (
        "DATABASE_ADDRESS: postgres:5432",
        "DATABASE_ADDRESS: postgresql://mlflow:mlflow@postgres:5432",
        "mlflow: DATABASE_ADDRESS holds a password",
    ),
    "a floating tag": (
        "busybox:1.37.0",
        "busybox:latest",
        "prepare: image 'busybox:latest' has no fixed tag",
    ),
    "no tag": ("busybox:1.37.0", "busybox", "prepare: image 'busybox' has no fixed tag"),
    "a dependency that is not there": (
        "postgres: {condition: service_healthy}",
        "database: {condition: service_healthy}",
        "mlflow: depends on database, which is not there",
    ),
    "a job that is waited for as if it were a server": (
        "bucket: {condition: service_completed_successfully}",
        "bucket: {condition: service_healthy}",
        "mlflow: depends on bucket by service_healthy, which bucket does not give",
    ),
    "IRIS that waits for MLflow": (
        "    command:\n      - --check-caps",
        "      mlflow: {condition: service_healthy}\n    command:\n      - --check-caps",
        "iris waits for mlflow",
    ),
    "the gateway for everybody": (
        "${PUBLISH_ADDRESS:-127.0.0.1}:${SERVING_PORT:-8080}",
        "${SERVING_PORT:-8080}",
        "serving: port 8080:8080 is open beyond this machine",
    ),
    "a gateway that waits for IRIS": (
        "    entrypoint: [ct]\n",
        "      iris: {condition: service_healthy}\n    entrypoint: [ct]\n",
        "serving waits for iris",
    ),
    "a gateway that sees the databases": (
        "- ./dur/serving:/dur/serving",
        "- ./dur:/dur",
        "serving: sees all of ./dur",
    ),
    "no limit": ("    mem_limit: ${IRIS_MEMORY:-6g}\n", "", "iris: no mem_limit"),
    "no health check": (
        "      test: [CMD, mc, ready, local]",
        "      test: []",
        "storage: no health check",
    ),
    "a log without end": (
        'options: {max-size: 10m, max-file: "5"}',
        "options: {}",
        "postgres: its log grows without bound",
    ),
    "no restart": ("  restart: unless-stopped\n", "", "iris: no restart policy"),
    "state outside dur": (
        "./dur/sandbox/mlflow/s3:/data",
        "/var/lib/s3:/data",
        "storage: /var/lib/s3 is kept elsewhere than in dur/",
    ),
    "secrets that can be written": (
        "./dur/secrets/iris:/run/secrets:ro",
        "./dur/secrets/iris:/run/secrets",
        "iris: ./dur/secrets/iris can be written",
    ),
    "an open back": (
        "    internal: true\n",
        "    internal: false\n",
        "network state can be left and entered",
    ),
    "an unexplained variable": (
        "${IRIS_PORT:-1972}",
        "${IRIS_SQL_PORT:-1972}",
        "IRIS_SQL_PORT is not explained in .env.example",
    ),
    "another default": (
        "${IRIS_PORT:-1972}",
        "${IRIS_PORT:-1973}",
        "IRIS_PORT is '1973' in one file and '1972' in the other",
    ),
    "a variable that must be set": (
        "${IRIS_PORT:-1972}",
        "${IRIS_PORT:?set it}",
        "IRIS_PORT must be set, so a copied .env does not do",
    ),
}


def schema(path: Path) -> tuple[int, str]:
    said = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)
    return said.returncode, said.stdout


def test_it_is_valid_by_the_compose_specification() -> None:
    code, said = schema(COMPOSE)
    assert code == 0, said


def test_a_misspelt_key_is_no_compose_file(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text(TEXT.replace("depends_on:", "depend_on:", 1), encoding="utf-8")
    code, said = schema(path)
    assert code != 0
    assert "depend_on" in said


def test_nothing_is_wrong_with_it() -> None:
    assert findings(TEXT, EXAMPLE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_on_purpose_is_found(name: str) -> None:
    right, wrong, said = BROKEN[name]
    assert right in TEXT
    found = findings(TEXT.replace(right, wrong), EXAMPLE.read_text(encoding="utf-8"))
    assert said in found


def test_all_five_and_their_two_jobs_are_there() -> None:
    servers = {"iris", "serving", "mlflow", "postgres", "storage"}
    assert set(SERVICES) == servers | {"prepare", "bucket"}
    assert SERVICES["iris"]["container_name"] == "iris-experimentation"


def test_the_settings_that_a_copied_env_may_hold_cannot_move_the_instance() -> None:
    """``env_file`` brings .env into the container; what must not change is said again."""
    places = ("CT_HOME", "CT_MODELS", "CT_STORE_URL")
    wanted = {
        "iris": (*places, "CT_PYTHON", "MLFLOW_TRACKING_URI"),
        "serving": (*places, "CT_STORE_PASSWORD_FILE", "CT_SERVE_HOST", "CT_SERVE_PORT"),
    }
    for service, names in wanted.items():
        assert SERVICES[service]["env_file"] == [{"path": ".env", "required": False}]
        assert all(SERVICES[service]["environment"][name] for name in names)


def test_the_gateway_reads_the_store_that_iris_keeps() -> None:
    """As the account that CT.Setup makes with the password of a file that both have."""
    inside = SERVICES["iris"]["environment"]
    outside = SERVICES["serving"]["environment"]
    namespace = inside["CT_STORE_URL"].removeprefix("iris+emb:///")
    assert namespace == inside["IRIS_NAMESPACE"]
    setup = (ROOT / "src/cls/CT/Setup.cls").read_text()
    said = dict(re.findall(r'^Parameter (GATEWAY\w*) = "(.+)";$', setup, re.MULTILINE))
    assert outside["CT_STORE_URL"] == f"iris://{said['GATEWAY']}@iris:1972/{namespace}"
    assert outside["CT_STORE_PASSWORD_FILE"] == said["GATEWAYPASSWORD"]
    assert {outside[name] for name in ("CT_HOME", "CT_MODELS")} == {"/dur", "/dur/models"}
    for service in ("iris", "serving"):
        assert f"./dur/secrets/{service}:/run/secrets:ro" in SERVICES[service]["volumes"]
        assert Path(said["GATEWAYPASSWORD"]).name in SECRETS[service][1]


def test_the_gateway_has_its_share_of_the_home_and_neither_databases_nor_secrets_of_iris() -> None:
    places = {str(line).partition(":")[0] for line in SERVICES["serving"]["volumes"]}
    shared = {"serving", "store", "inbox", "tmp", "artifacts", "models", "secrets/serving"}
    assert places == {f"./dur/{place}" for place in shared}
    assert SERVICES["serving"]["user"] == f"{IRIS_UID}:{IRIS_UID}", "they write the same files"


def test_a_processor_is_enough_for_every_limit_but_that_of_iris() -> None:
    """The engine refuses a limit above what the machine has."""
    assert {name for name, said in SERVICES.items() if float(said["cpus"]) > 1} == {"iris"}


def test_no_container_runs_as_root_but_the_one_that_gives_away_directories() -> None:
    users = {name: str(said.get("user", "")) for name, said in SERVICES.items()}
    assert [name for name, user in users.items() if user.startswith("0")] == ["prepare"]
    # The image names its own user: Dockerfile.
    assert [name for name, user in users.items() if not user] == ["iris"]


def test_another_s3_server_is_one_file_away() -> None:
    """Merged as compose merges: mappings by key, mounts by their place in the container."""
    code, said = schema(DEPLOY / "compose.rustfs.yml")
    assert code == 0, said
    document = yaml.safe_load(TEXT)
    other = yaml.safe_load((DEPLOY / "compose.rustfs.yml").read_text())["services"]
    storage, rustfs = document["services"]["storage"], other["storage"]
    assert set(other) == {"storage"}
    places = {str(line).split(":")[1]: line for line in storage["volumes"] + rustfs["volumes"]}
    storage |= rustfs | {
        "environment": storage["environment"] | rustfs["environment"],
        "healthcheck": storage["healthcheck"] | rustfs["healthcheck"],
        "volumes": [*places.values()],
    }
    found = findings(yaml.safe_dump(document), EXAMPLE.read_text(encoding="utf-8"))
    # Its image is fixed by the file, so the variable for MinIO's is not read.
    assert found == ["STORAGE_IMAGE of .env.example is read by nobody"]
