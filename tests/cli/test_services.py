"""``ct service`` and ``ct model``, also as ``mxe-service`` and ``mxe-model``: every line they say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.cli.running import MODEL, Said, copy_home, ct, wait_until

from iris_ct.adapters.gateway_lock import only_gateway
from iris_ct.bootstrap import Parts, build
from iris_ct.cli.catalogue import package_table
from iris_ct.cli.mxe import mxe
from iris_ct.cli.services import service_table
from iris_ct.cli.when import say_when
from iris_ct.config import load_settings
from iris_ct.core.service import ModelRef
from iris_ct.procedures import packages
from iris_ct.procedures.asker import Asker

INFO = "Title: Wine\nId: {id}\nVersion: {version}\nAuthor: Jane Doe\nDescription: Tells wines\napart.\n"
BASH, GIT = (shutil.which(name) or name for name in ("bash", "git"))
TODAY = re.compile(r"^\d\d:\d\d$")


def said(home: Path, program: str, *arguments: object) -> Said:
    """Run ``mxe-service ...`` or ``mxe-model ...`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    words = ["--home", str(home), *map(str, arguments)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = mxe(program, words)
    return Said(code, out.getvalue(), err.getvalue())


def service(home: Path, *arguments: object) -> Said:
    return said(home, "service", *arguments)


def model(home: Path, *arguments: object) -> Said:
    return said(home, "model", *arguments)


def rows(table: str) -> list[dict[str, str]]:
    """Read a table whose columns are separated by two or more blanks."""
    head, *lines = [re.split(r" {2,}", line) for line in table.splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def refused(answer: Said, words: str) -> None:
    assert answer.code != 0
    assert answer.out == ""
    assert answer.err.startswith("Error: "), answer.err
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose catalogue has two models, as if they had been packaged; read only."""
    home = tmp_path_factory.mktemp("stocked") / "dur"
    with opened(home) as parts:
        for name in ("a", "b"):
            enter(parts, name, "1.0.0")
    return home


@pytest.fixture
def home(stocked: Path, tmp_path: Path) -> Path:
    """A copy of that home, to change."""
    return copy_home(stocked, tmp_path / "dur")


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Parts]:
    parts = build(load_settings(home))
    try:
        yield parts
    finally:
        parts.store.close()


def enter(parts: Parts, identifier: str, version: str, **fields: Any) -> None:
    """Enter a package that can be served."""
    packages.onboard_image(
        parts,
        Asker("anna"),
        image=f"{identifier}:{version}",
        id=identifier,
        version=version,
        title="T",
        **fields,
    )
    reference = ModelRef(identifier, version)
    kept = parts.store.packages.get(reference)
    assert kept is not None
    parts.store.packages.replace(reference, replace(kept, runtime="seldon"))


# -- M5: create ------------------------------------------------------------------------------------

AUTO = ("--instances", "auto", "--minReplicas", 1, "--maxReplicas", 3, "--metric", "cpu")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--models", "a:1.0.0"], 'with model "a:1.0.0", with 1 instance'),
        (["--models", "a:1.0.0", "--instances", "2"], 'with model "a:1.0.0", with 2 instances'),
        (
            ["--models", "a:1.0.0,b:1.0.0", "--weights", "0.2", "--instances", "2"],
            'with models "a:1.0.0,b:1.0.0" with weights 0.2,0.8, with 2 instances',
        ),
        (
            ["--models", "a:1.0.0,b:1.0.0"],
            'with models "a:1.0.0,b:1.0.0" with weights 0.5,0.5, with 1 instance',
        ),
        (
            ["--models", "a:1.0.0,b:1.0.0", "--weights", "0.1,0.9"],
            'with models "a:1.0.0,b:1.0.0" with weights 0.1,0.9, with 1 instance',
        ),
        (
            ["--models", "a:1.0.0", *AUTO, "--targetAverageValue", "100"],
            'with model "a:1.0.0", with 1-3 instances, with autoscaling metrics cpu:100m',
        ),
        (
            ["--models", "a:1.0.0", *AUTO[:-1], "memory", "--targetAverageValue", "64"],
            'with model "a:1.0.0", with 1-3 instances, with autoscaling metrics memory:64Mi',
        ),
        (
            ["--models", "a:1.0.0", "--domain", "east"],
            'with model "a:1.0.0", with 1 instance in domain east',
        ),
    ],
)
def test_a_service_is_created(options: list[object], words: str, home: Path) -> None:
    answer = service(home, "create", "--name", "iris-1", *options)
    assert answer == Said(0, f'Success: Model service "iris-1" has been created {words}\n', "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--models", "a:1.0.0,b:1.0.0", "--weights", "0.6,0.6"], "sum 1, found 0.6,0.6"),
        (["--models", "a:1.0.0,b:1.0.0", "--weights", "-0.1"], "between 0 and 1, found -0.1"),
        (["--models", "a:1.0.0,b:1.0.0", "--weights", "0.2,0.3,0.5"], "found 3"),
        (["--models", "a:1.0.0", "--weights", "0.5"], "for two models, found one"),
        (["--models", "a:1.0.0,b:1.0.0,a:1.0.0"], "one model or two, found 3"),
        (["--models", "a:1.0.0", "--instances", "0"], "positive whole number or auto"),
        (["--models", "a:1.0.0", "--instances", "-1"], "positive whole number or auto"),
        (["--models", "a:1.0.0", "--instances", "auto"], "missing: minReplicas"),
        (["--models", "a:1.0.0", *AUTO], "missing: targetAverageValue"),
        (
            ["--models", "a:1.0.0", "--minReplicas", "1"],
            "only be given together with instances auto",
        ),
        (
            ["--models", "a:1.0.0", "--instances", "2", "--metric", "cpu"],
            "only be given together with instances auto",
        ),
        (
            [
                *("--models", "a:1.0.0", "--instances", "auto", "--minReplicas", 4),
                *AUTO[4:],
                "--targetAverageValue",
                1,
            ],
            "minReplicas (4) must not be larger than maxReplicas (3)",
        ),
        (
            ["--models", "a:1.0.0", *AUTO[:6], "--metric", "disk", "--targetAverageValue", 1],
            'Metric "disk" is unknown. Expected cpu or memory',
        ),
        (["--models", "c:1.0.0"], 'model "c:1.0.0" is not onboarded'),
        (["--models", "a:1.0.1"], 'model "a:1.0.1" is not onboarded'),
        (["--models", "a:1.0"], "version of model reference"),
        (["--models", "A:1.0.0"], 'Model reference "A:1.0.0" is wrong'),
        ([], "--models"),
    ],
)
def test_a_wrong_service_is_refused(options: list[object], words: str, home: Path) -> None:
    refused(service(home, "create", "--name", "iris", *options), words)


@pytest.mark.parametrize("name", ["Iris", "iris--1", "-iris", "iris-", "iris_1", "ir is", ""])
def test_a_wrong_name_is_refused(name: str, home: Path) -> None:
    refused(service(home, "create", f"--name={name}", "--models", "a:1.0.0"), "service name")


def test_a_name_is_used_once(home: Path) -> None:
    assert service(home, "create", "--name", "s", "--models", "a:1.0.0").code == 0
    refused(
        service(home, "create", "--name", "s", "--models", "b:1.0.0"), '"s" is already running'
    )


# -- M6: modify ------------------------------------------------------------------------------------


@pytest.fixture
def shared(home: Path) -> Path:
    """A home with a service of two models."""
    answer = service(
        home, "create", "--name", "ab", "--models", "a:1.0.0,b:1.0.0", "--weights", "0.2"
    )
    assert answer.code == 0
    return home


BOTH = 'models "a:1.0.0,b:1.0.0"'


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--models", "a:1.0.0"], 'model "a:1.0.0", with 1 instance'),
        (
            ["--models", "b:1.0.0,a:1.0.0"],
            'models "b:1.0.0,a:1.0.0" with weights 0.2,0.8, with 1 instance',
        ),
        (["--weights", "0.3"], f"{BOTH} with weights 0.3,0.7, with 1 instance"),
        (["--instances", "3"], f"{BOTH} with weights 0.2,0.8, with 3 instances"),
        (
            ["--weights", "0.4,0.6", "--instances", "2", "--models", "b:1.0.0,b:1.0.0"],
            'models "b:1.0.0,b:1.0.0" with weights 0.4,0.6, with 2 instances',
        ),
        (
            [*AUTO, "--targetAverageValue", "100m"],
            f"{BOTH} with weights 0.2,0.8, with 1-3 instances, with autoscaling metrics cpu:100m",
        ),
    ],
)
def test_a_service_is_modified(options: list[object], words: str, shared: Path) -> None:
    answer = service(shared, "modify", "--name", "ab", *options)
    assert answer == Said(0, f'Success: Model service "ab" has been updated to use {words}\n', "")


def test_what_changes_nothing_is_told_as_such(shared: Path) -> None:
    answer = service(shared, "modify", "--name", "ab", "--weights", "0.2,0.8", "--instances", 1)
    assert answer == Said(
        0,
        f'Success: Nothing to do, model service "ab" already contains {BOTH} with weights 0.2,0.8, '
        "and has 1 instance\n",
        "",
    )


def test_the_method_of_scaling_is_changed_both_ways(shared: Path) -> None:
    service(shared, "modify", "--name", "ab", *AUTO, "--targetAverageValue", "100")
    [row] = rows(service(shared, "list").out)
    assert (row["INSTANCES"], row["AUTOSCALING"]) == ("1-3", "cpu:100m")
    service(shared, "modify", "--name", "ab", "--instances", "2")
    [row] = rows(service(shared, "list").out)
    assert row["INSTANCES"] == "2"
    assert "AUTOSCALING" not in row


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "at least one of models, weights, instances"),
        (["--models", "a:1.0.0", "--weights", "0.2"], "for two models, found one"),
        (["--weights", "0.6,0.6"], "sum 1"),
        (["--models", "c:1.0.0"], "not onboarded"),
        (["--instances", "auto"], "missing"),
    ],
)
def test_a_wrong_change_is_refused(options: list[object], words: str, shared: Path) -> None:
    refused(service(shared, "modify", "--name", "ab", *options), words)
    [row] = rows(service(shared, "list").out)
    assert (row["MODEL_A"], row["WEIGHTS"], row["INSTANCES"]) == ("a:1.0.0", "0.2,0.8", "1")


def test_a_service_that_is_not_there_cannot_be_modified(shared: Path) -> None:
    refused(
        service(shared, "modify", "--name", "abc", "--instances", "2"),
        'Model service "abc" does not exist. There are: ab.',
    )


# -- M7: list --------------------------------------------------------------------------------------


def test_services_of_one_model_have_the_base_columns(home: Path) -> None:
    service(home, "create", "--name", "s", "--models", "a:1.0.0", "--instances", "3")
    table = service(home, "list").out
    assert table.splitlines()[0].split() == [
        *("STARTED", "NAME", "INSTANCES", "TYPE", "STATUS", "USER", "MODEL", "ENDPOINT")
    ]
    [row] = rows(table)
    assert TODAY.match(row.pop("STARTED"))
    assert row == {
        "NAME": "s",
        "INSTANCES": "3",
        "TYPE": "model",
        "STATUS": "creating",
        "USER": row["USER"],
        "MODEL": "a:1.0.0",
        "ENDPOINT": "/model-endpoints/s",
    }


def test_columns_come_with_the_services_that_need_them(shared: Path) -> None:
    service(
        shared, "create", "--name", "auto", "--models", "a:1.0.0", *AUTO, "--targetAverageValue", 9
    )
    table = service(shared, "list").out
    assert table.splitlines()[0].split() == [
        *("STARTED", "NAME", "INSTANCES", "AUTOSCALING", "TYPE", "STATUS", "USER"),
        *("MODEL_A", "MODEL_B", "WEIGHTS", "ENDPOINT"),
    ]
    two, auto = rows(table)
    assert [two[name] for name in ("TYPE", "AUTOSCALING", "MODEL_B", "WEIGHTS")] == [
        *("static", "-", "b:1.0.0", "0.2,0.8")
    ]
    assert [auto[name] for name in ("INSTANCES", "AUTOSCALING", "MODEL_B", "WEIGHTS")] == [
        *("1-3", "cpu:9m", "-", "-")
    ]


def test_the_status_is_what_the_gateway_says(shared: Path) -> None:
    state = shared / "serving" / "state.json"
    state.parent.mkdir(exist_ok=True)

    def tell(status: str) -> dict[str, str]:
        services = {"ab": {"status": status, "instances": 2}}
        content = {"address": "http://127.0.0.1:8080", "pid": os.getpid(), "services": services}
        state.write_text(json.dumps(content))
        [row] = rows(service(shared, "list").out)
        return row

    with only_gateway(shared):
        for status in ("creating", "running", "error"):
            row = tell(status)
            assert row["STATUS"] == status
            assert row["ENDPOINT"] == "http://127.0.0.1:8080/model-endpoints/ab"
    # This process lives, as another one with the number of a gateway that has ended may.
    assert tell("running")["STATUS"] == "creating", "nothing serves any more"


def test_what_an_earlier_gateway_wrote_is_not_believed(shared: Path) -> None:
    content = {"address": "http://127.0.0.1:1", "pid": os.getpid() + 1, "services": {"ab": {}}}
    (shared / "serving").mkdir(exist_ok=True)
    (shared / "serving" / "state.json").write_text(json.dumps(content))
    with only_gateway(shared):
        [row] = rows(service(shared, "list").out)
    assert row["STATUS"] == "creating"
    assert "127.0.0.1:1/" not in row["ENDPOINT"]


def test_dates_are_short() -> None:
    now = datetime(2026, 11, 21, 15, tzinfo=UTC)
    told = {
        "created": "2026-08-28T13:02:00+00:00",
        "name": "s",
        "type": "model",
        "replicas": 1,
        "models": [{"id": "a", "version": "1.0.0"}],
        "status": "running",
        "createdByUserName": "anna",
        "endpoint": "/model-endpoints/s",
    }
    _, [row] = service_table([told], now)
    assert row[0] == "Aug28 13:02"
    assert say_when("2026-11-21T13:02:00+00:00", now) == "13:02"
    assert say_when("2018-02-15T13:45:00+00:00", now) == "2018 Feb15 13:45"


# -- M8, M9: delete, logs --------------------------------------------------------------------------


def test_a_service_is_deleted_once(shared: Path) -> None:
    answer = service(shared, "delete", "--name", "ab")
    assert answer == Said(
        0, 'Success: Model service "ab" has been deleted on cluster "local"\n', ""
    )
    refused(service(shared, "delete", "--name", "ab"), 'Model service "ab" does not exist')
    assert service(shared, "list").out.count("\n") == 1


def test_logs_are_shown_process_by_process(shared: Path) -> None:
    folder = shared / "serving" / "logs" / "ab"
    folder.mkdir(parents=True)
    (folder / "a-1.log").write_text("".join(f"line {n} é\n" for n in range(200)))
    (folder / "b-1.log").write_text("2020-01-01 00:00:00 old\n  more\n2999-01-01 00:00:00 new\n")
    usual = service(shared, "logs", "--name", "ab").out
    assert usual.count("\nLogs for container <") == 2
    assert usual.startswith("\nLogs for container <ab-a-1>:\nline 100 é\n")
    assert service(shared, "logs", "--name", "ab", "--lines", 1).out == (
        "\nLogs for container <ab-a-1>:\nline 199 é\n"
        "\nLogs for container <ab-b-1>:\n2999-01-01 00:00:00 new\n"
    )
    young = service(shared, "logs", "--name", "ab", "--seconds", 60).out
    assert "new" in young
    assert "old" not in young
    assert "more" not in young
    assert "line 199" in young
    short = service(shared, "logs", "--name", "ab", "--limit", 5).out
    assert "<ab-a-1>:\n99 é\n" in short


def test_logs_of_nothing_and_wrong_numbers_are_refused(shared: Path) -> None:
    refused(service(shared, "logs", "--name", "abc"), '"abc" does not exist')
    refused(service(shared, "logs", "--name", "ab", "--lines", "-1"), "must not be negative")
    assert service(shared, "logs", "--name", "ab") == Said(
        0, "", 'Model service "ab" has no logs yet.\n'
    )


# -- M1, M2, M4: onboard, list, delete -------------------------------------------------------------

IMAGE = ("--docker", "iotdd:1.0.0", "--id", "com.iot", "--title", "IoT", "--version", "1.0.0")


def test_an_image_is_onboarded_listed_and_deleted(tmp_path: Path) -> None:
    home = tmp_path / "dur"
    assert model(home, "onboard", *IMAGE, "--author", "Jane") == Said(
        0,
        'Success: Model "iotdd:1.0.0" has been onboarded to cluster with ID "com.iot" and version '
        '"1.0.0".\n',
        "",
    )
    [row] = rows(model(home, "list").out)
    assert TODAY.match(row.pop("ONBOARDED"))
    assert row.pop("USER")
    assert row == {
        "ID": "com.iot",
        "VERSION": "1.0.0",
        "IMAGE_NAME": "iotdd:1.0.0",
        "TITLE": "IoT",
        "AUTHOR": "Jane",
        "STATUS": "available",
    }
    refused(model(home, "onboard", *IMAGE), "already been onboarded")
    other = ("--id", "com.other", *IMAGE[:2], *IMAGE[4:])
    refused(model(home, "onboard", *other), 'image "iotdd:1.0.0" has already been onboarded')
    refused(
        service(home, "create", "--name", "s", "--models", "com.iot:1.0.0"),
        "is a container image (iotdd:1.0.0), and no container engine is driven here",
    )
    gone = ("delete", "--id", "com.iot", "--version", "1.0.0")
    assert model(home, *gone) == Said(
        0, 'Success: Model "com.iot" version "1.0.0" has been deleted from cluster "local".\n', ""
    )
    refused(model(home, *gone), 'Model "com.iot" version "1.0.0" not found!')
    refused(model(home, "delete", "--id", "com.iot", "--version", "1"), "Expected a.b.c")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "At least one of the following flags should be set: archive, docker, source"),
        (["--docker", "a", "--source", "b"], "only one of them can be used"),
        (["--archive", "a", "--source", "b"], "only one of them can be used"),
        (["--archive", "a", "--docker", "c", "--source", "b"], "only one of them can be used"),
        (["--docker", "a:1"], "Required flag(s) id, title, version not set"),
        (["--source", "b", "--docker-registry-secret-name", "s"], "together with docker flag"),
        (["--source", "b", "--title", "s"], "together with docker flag"),
        (["--source", "nowhere"], "must be a directory"),
        (["--archive", "nowhere.tgz"], "No such file: nowhere.tgz"),
        ([*IMAGE[:2], "--id", "Com", *IMAGE[4:]], "lower-case letters, digits and dots"),
        ([*IMAGE[:2], "--id", "c" * 33, *IMAGE[4:]], "33 characters; expected at most 32"),
        ([*IMAGE, "--description", "d" * 121], "121 characters; expected at most 120"),
        ([*IMAGE[:-1], "1.0"], "Expected a.b.c"),
    ],
)
def test_wrong_onboarding_is_refused(options: list[str], words: str, tmp_path: Path) -> None:
    refused(model(tmp_path / "dur", "onboard", *options), words)


def test_a_used_model_is_not_deleted(shared: Path) -> None:
    refused(model(shared, "delete", "--id", "a", "--version", "1.0.0"), "is used by ab")


def make_source(folder: Path, **said: str) -> Path:
    """Write a model of the Seldon kind."""
    words = {"id": "com.wine", "version": "1.2.0", **said}
    (folder / "MXE-META-INF").mkdir(parents=True)
    (folder / ".s2i").mkdir()
    (folder / "MXE-META-INF" / "INFO").write_text(INFO.format(**words))
    (folder / ".s2i" / "environment").write_text("MODEL_NAME=Wine\nAPI_TYPE=REST\n")
    (folder / "Wine.py").write_text(
        "class Wine:\n    def predict(self, X, names):\n        return X\n"
    )
    (folder / "requirements.txt").write_text("")
    return folder


def test_a_source_is_onboarded_and_waits_under_a_name_of_its_own(tmp_path: Path) -> None:
    home, source = tmp_path / "dur", make_source(tmp_path / "wine")
    answer = model(home, "onboard", "--source", source)
    assert answer == Said(
        0,
        "Compressing the given model source -\n"
        "Archive wine.zip created from model source.\n"
        "Sending the model source to the server -\n"
        "Success: Packaging has been started\n",
        "",
    )

    def is_done() -> bool:
        [one] = json.loads(model(home, "list", "--json").out)
        return bool(one["status"] != "packaging")

    wait_until(is_done)
    [row] = rows(model(home, "list").out)
    assert (row["ID"], row["VERSION"], row["TITLE"]) == ("com.wine", "1.2.0", "Wine")
    assert (row["IMAGE_NAME"], row["STATUS"]) == ("com.wine:1.2.0", "available")
    assert service(home, "create", "--name", "wine", "--models", "com.wine:1.2.0").code == 0


def test_what_is_not_read_yet_has_a_row_too(tmp_path: Path) -> None:
    home = tmp_path / "dur"
    with opened(home) as parts:
        told = packages.onboard_source(
            parts, Asker("anna"), "wine.zip", b"", launch=lambda _parts, _package: None
        )
        assert told["message"] == "Packaging has been started"
        columns, [cells] = package_table(
            packages.packages(parts, Asker("anna")), datetime.now(UTC)
        )
    row = dict(zip(columns, cells, strict=True))
    assert re.fullmatch(r"wine\.zip-[0-9a-f-]{36}", row["ID"])
    assert (row["VERSION"], row["STATUS"], row["USER"]) == ("unknown", "packaging", "anna")
    refused(model(home, "delete", "--id", row["ID"], "--version", "unknown"), "being onboarded")


def test_a_source_without_info_is_refused_at_once(tmp_path: Path) -> None:
    source = make_source(tmp_path / "wine")
    (source / "MXE-META-INF" / "INFO").write_text("Title: x\n")
    answer = model(tmp_path / "dur", "onboard", "--source", source)
    assert answer.code == 1
    assert answer.err == "Error: model Id is missing from MXE-META-INF/INFO.\n"


# -- M3, R12: package, authors ---------------------------------------------------------------------


def make_keys(folder: Path, name: str, *, bits: int = 2048) -> tuple[Path, Path]:
    """Write an author's keys as other tools do."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_keys(folder, name) for name in ("jane", "otto")}


def pack(source: Path, keys: tuple[Path, Path], home: Path) -> Said:
    return model(
        home, "package", "--source", source, "--privatekey", keys[0], "--publickey", keys[1]
    )


def test_a_package_is_signed_and_taken_from_a_registered_author_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, tuple[Path, Path]]
) -> None:
    monkeypatch.chdir(tmp_path)
    home, source = tmp_path / "dur", make_source(tmp_path / "wine")
    assert pack(source, keys["jane"], home) == Said(
        0,
        "Python model is detected. Model main class: Wine\n"
        "Success: model archive created:\n"
        "com.wine_1.2.0.tgz\n",
        "",
    )
    package = tmp_path / "com.wine_1.2.0.tgz"
    refused_at(model(home, "onboard", "--archive", package), "no registered author")
    trusted = model(home, "trust", "--name", "Jane Doe", "--publickey", keys["jane"][1])
    assert trusted.out == 'Success: Author "Jane Doe" has been registered.\n'
    refused(
        model(home, "trust", "--name", "Joe", "--publickey", keys["jane"][1]),
        "already been registered",
    )
    assert rows(model(home, "authors").out)[0]["NAME"] == "Jane Doe"
    with opened(home) as parts:
        taken = packages.onboard_archive(
            parts, Asker("anna"), package.name, package.read_bytes(), launch=lambda *_: None
        )
        assert taken["message"] == "Packaging has been started"
        [waiting] = packages.packages(parts, Asker("anna"))
        assert waiting["signedByName"] == "Jane Doe"
    gone = model(home, "distrust", "--name", "Jane Doe")
    assert gone.out == 'Success: Author "Jane Doe" has been removed.\n'
    refused_at(model(home, "onboard", "--archive", package), "no registered author")


def refused_at(answer: Said, words: str) -> None:
    """Refused by the other side, after what was told on the way there."""
    assert answer.code == 1
    assert answer.err.startswith("Error: ")
    assert words in answer.err


def test_only_what_is_committed_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, tuple[Path, Path]]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_source(tmp_path / "project" / "wine")

    def git(*words: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
        subprocess.run([GIT, *who, *words], cwd=source.parent, check=True, capture_output=True)

    git("init", "-q")
    refused(pack(source, keys["jane"], tmp_path / "dur"), "nothing of it is committed")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (source / "Wine.py").write_text("broken\n")
    (source / "new.py").write_text("")
    assert pack(source, keys["jane"], tmp_path / "dur").code == 0
    from iris_ct.adapters.signing import read_signed_package

    signed = read_signed_package((tmp_path / "com.wine_1.2.0.tgz").read_bytes())
    with zipfile.ZipFile(io.BytesIO(signed.archive)) as zipped:
        assert b"class Wine" in zipped.read("Wine.py")
        assert "new.py" not in zipped.namelist()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (
            lambda s: (s / ".s2i/environment").write_text("API_TYPE=REST\n"),
            "MODEL_NAME is missing",
        ),
        (lambda s: (s / "Wine.py").unlink(), "no supported source file with name Wine"),
        (lambda s: (s / "MXE-META-INF/INFO").unlink(), "MXE-META-INF/INFO is missing"),
        (
            lambda s: (s / "MXE-META-INF/INFO").write_text(INFO.format(id="A B", version="1.0.0")),
            "lower-case letters, digits and dots",
        ),
    ],
)
def test_a_source_that_is_no_model_is_not_packed(
    break_it: Any, words: str, tmp_path: Path, keys: dict[str, tuple[Path, Path]]
) -> None:
    source = make_source(tmp_path / "wine")
    break_it(source)
    refused(pack(source, keys["jane"], tmp_path / "dur"), words)


def test_keys_must_be_a_pair(tmp_path: Path, keys: dict[str, tuple[Path, Path]]) -> None:
    source = make_source(tmp_path / "wine")
    mixed = (keys["jane"][0], keys["otto"][1])
    answer = pack(source, mixed, tmp_path / "dur")
    assert answer.code == 1
    assert "do not belong together" in answer.err


def test_options_for_containers_are_said_to_be_unused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, tuple[Path, Path]]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_source(tmp_path / "wine")
    words = ("--source", source, "--privatekey", keys["jane"][0], "--publickey", keys["jane"][1])
    answer = model(tmp_path / "dur", "package", *words, "--network", "host")
    assert answer.code == 0
    assert answer.err == "Warning: --network is not used: no container is built.\n"
    refused(
        model(tmp_path / "dur", "package", *words, "--obfuscate"), "--obfuscate is not offered"
    )


# -- the rest --------------------------------------------------------------------------------------


def test_ct_and_the_other_names_say_the_same(home: Path) -> None:
    """`mxe-service` is `ct service`."""
    assert ct(home, "service", "create", "--name", "s", "--models", "a:1.0.0").out == (
        'Success: Model service "s" has been created with model "a:1.0.0", with 1 instance\n'
    )
    assert ct(home, "service", "list").out == service(home, "list").out
    assert ct(home, "model", "list").out == model(home, "list").out
    refused(ct(home, "service", "delete", "--name", "t"), '"t" does not exist')
    refused(ct(home, "service", "delete"), "--name")


def test_version_help_and_completion(tmp_path: Path) -> None:
    for program in ("service", "model"):
        assert re.fullmatch(
            rf"mxe-{program} version: \S+\n", said(tmp_path, program, "version").out
        )
        for ask in (["--help"], ["-h"], ["help"], []):
            assert f"Usage: mxe-{program}" in said(tmp_path, program, *ask).out
        assert "--name" in said(tmp_path, "service", "help", "create").out
        script = said(tmp_path, program, "completion", "bash")
        checked = subprocess.run([BASH, "-n"], input=script.out, text=True, check=False)
        assert (script.code, checked.returncode) == (0, 0)
        refused(said(tmp_path, program, "completion", "fish"), "completion bash")
        refused(said(tmp_path, program, "creat"), 'unknown command "creat"')


def test_completion_offers_the_options_of_a_command(tmp_path: Path) -> None:
    script = said(tmp_path, "service", "completion", "bash").out
    asked = f"{script}\nCOMP_WORDS=(mxe-service create --max) COMP_CWORD=2; _mxe_service; echo $COMPREPLY"
    done = subprocess.run([BASH, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "--maxReplicas\n"


def test_a_cluster_that_is_no_address_does_not_exist(home: Path) -> None:
    refused(service(home, "list", "--cluster", "production"), "Cluster does not exist: production")
    assert service(home, "--cluster", "local", "list").code == 0


def test_a_gateway_that_is_away_is_told(home: Path) -> None:
    refused(service(home, "list", "--cluster", "http://127.0.0.1:9"), "No connection to cluster")


def test_verbose_tells_more_on_standard_error(home: Path) -> None:
    answer = service(home, "-v", "list")
    assert answer.out.startswith("STARTED")
    assert answer.err == f"Verbose: The home is {home.resolve()}\n"


# -- models that are trained here ------------------------------------------------------------------


def test_models_trained_here_are_served_by_name_and_number(copied: Path) -> None:
    [row] = rows(service(copied, "list").out)
    assert (row["NAME"], row["MODEL"], row["USER"]) == (MODEL, f"{MODEL}:champion", "-")
    answer = service(copied, "create", "--name", "r", "--models", f"{MODEL}:1,{MODEL}")
    assert f'models "{MODEL}:1.0.0,{MODEL}:champion" with weights 0.5,0.5' in answer.out
    assert [one["NAME"] for one in rows(service(copied, "list").out)] == ["r", MODEL]
    refused(
        service(copied, "create", "--name", "t", "--models", f"{MODEL}:9"),
        f'model "{MODEL}:9.0.0" is not there. Versions of {MODEL}: 1, 2.',
    )
    refused(service(copied, "delete", "--name", MODEL), "Create it to change it")
    assert service(copied, "create", "--name", MODEL, "--models", f"{MODEL}:1").code == 0
    own = next(one for one in rows(service(copied, "list").out) if one["NAME"] == MODEL)
    assert own["MODEL"] if "MODEL" in own else own["MODEL_A"] == f"{MODEL}:1.0.0"
    refused(model(copied, "onboard", *IMAGE[:2], "--id", MODEL, *IMAGE[4:]), "is trained here")
