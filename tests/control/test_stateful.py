"""Stateful models have their service alone, no rollout, and take their sessions along."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from tests.cli.test_services import enter, opened, refused, service
from tests.control.test_rest import Rest
from tests.serving.real import Serving, serving, wait_for
from tests.serving.test_foreign_worker import packaged
from tests.serving.test_sessions import CLASS

from iris_ct.bootstrap import Parts
from iris_ct.control.keeper import Keeper
from iris_ct.control.plan import route_table
from iris_ct.control.rest import routes
from iris_ct.core.errors import PackageRefusedError
from iris_ct.core.rollout import RolloutPolicy, parse_stages
from iris_ct.core.service import Change, ModelRef, changed, make_service
from iris_ct.core.service.info import parse_info
from iris_ct.procedures.service_sessions import FOLDER, forget_others
from iris_ct.serving.routes import parse_routes

POLICY = RolloutPolicy(stages=parse_stages("shadow,0.5"), min_requests=10, min_stage_s=0.0)
WORDS = 'model "st:1.0.0" is stateful: it keeps the state of sessions, so a service has it alone'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a model that is stateful, in two versions, and one that is not."""
    folder = tmp_path / "dur"
    with opened(folder) as parts:
        for name, version in (("a", "1.0.0"), ("st", "1.0.0"), ("st", "2.0.0")):
            enter(parts, name, version)
        for version in ("1.0.0", "2.0.0"):
            reference = ModelRef("st", version)
            kept = parts.store.packages.get(reference)
            assert kept is not None
            stateful = replace(kept, runtime="seldon+state", place=f"serving/packages/{version}")
            parts.store.packages.replace(reference, stateful)
    return folder


@pytest.fixture
def parts(home: Path) -> Iterator[Parts]:
    with opened(home) as parts:
        yield parts


@pytest.mark.parametrize("models", ["a:1.0.0,st:1.0.0", "st:1.0.0,a:1.0.0", "st:1.0.0,st:1.0.0"])
def test_a_second_model_beside_a_stateful_one_is_refused(home: Path, models: str) -> None:
    refused(service(home, "create", "--name", "s", "--models", models), WORDS)
    alone = service(home, "create", "--name", "s", "--models", "st:1.0.0", "--instances", "2")
    assert alone.code == 0, alone.err
    refused(service(home, "modify", "--name", "s", "--models", models), WORDS)
    assert service(home, "modify", "--name", "s", "--models", "st:2.0.0").code == 0


def test_so_it_is_over_http(parts: Parts) -> None:
    rest = Rest(Starlette(routes=routes(parts)))
    one, other = {"id": "st", "version": "1.0.0"}, {"id": "a", "version": "1.0.0"}
    said = {"name": "s", "models": [one, other]}
    status, told = rest.ask("POST", "/v1/model-services", said)
    assert (status, WORDS in str(told)) == (400, True)
    assert rest.ask("POST", "/v1/model-services", {"name": "s", "models": [one]})[0] == 201
    status, told = rest.ask("PATCH", "/v1/model-services/s", {"models": [other, one]})
    assert (status, WORDS in str(told)) == (400, True)
    assert rest.ask("PATCH", "/v1/model-services/s", {"models": [other]})[0] == 200
    listed = {one["version"]: one.get("type") for one in rest.ask("GET", "/v1/models?id=st")[1]}
    assert listed == dict.fromkeys(("1.0.0", "2.0.0"), "StatefulModel")
    assert "type" not in rest.ask("GET", "/v1/models?id=a")[1][0]


def test_a_new_version_answers_at_once_and_the_route_says_that_it_is_stateful(
    parts: Parts,
) -> None:
    """In the stages of a rollout a session would meet both versions in turn."""
    wished = make_service("s", [ModelRef("st", "1.0.0")])
    at = datetime.now(UTC)
    parts.store.services.create(wished, owner="eva", at=at)
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    then = changed(wished, Change(models=(ModelRef("st", "2.0.0"),)))
    parts.store.services.replace(then, at=at)
    look = keeper.look([])
    assert look.models == {("s", "st")}
    text = route_table(look.services, revision=1, timeout_s=3.0, allow_pickle=False)
    [served] = parse_routes(msgspec.json.encode(text), source="test").services
    [branch] = served.branches
    assert (branch.image, branch.runtime, branch.stateful) == ("st:2.0.0", "seldon", True)
    assert (branch.weight, branch.shadow) == (1.0, False)


def test_sessions_go_with_their_service_and_with_another_model_in_it(tmp_path: Path) -> None:
    forget_others(tmp_path, {("s", "st")})
    for name, model in (("s", "st"), ("s", "old"), ("gone", "st")):
        (tmp_path / FOLDER / name / model).mkdir(parents=True)
        (tmp_path / FOLDER / name / model / "states.db").write_bytes(b"x")
    (tmp_path / FOLDER / ".gone-left" / "x").mkdir(parents=True)
    forget_others(tmp_path, {("s", "st"), ("t", "st")})
    left = [path.relative_to(tmp_path / FOLDER) for path in (tmp_path / FOLDER).rglob("*.db")]
    assert left == [Path("s", "st", "states.db")]
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["s"]


def test_a_gateway_serves_a_stateful_model_until_its_service_is_deleted(
    home: Path, tmp_path: Path
) -> None:
    place = home / "serving" / "packages" / "1.0.0"
    (place / "source").mkdir(parents=True)
    (place / "source" / "Steps.py").write_text(CLASS)
    packaged(place)
    said = json.loads((place / "PACKAGE.json").read_text())
    (place / "PACKAGE.json").write_text(json.dumps({**said, "model_name": "Steps"}))
    made = service(home, "create", "--name", "s", "--models", "st:1.0.0", "--instances", "2")
    assert made.code == 0, made.err
    kept = home / FOLDER / "s" / "st" / "states.db"
    with serving(home) as running:
        assert wait_for(lambda: asked(running, "s")) == 1
        assert [asked(running, "s") for _ in range(3)] == [2, 3, 4]
        assert kept.is_file()
        deleted = service(home, "delete", "--name", "s")
        assert deleted.code == 0, deleted.err
        wait_for(lambda: asked(running, "s") is None)
        wait_for(lambda: not list((home / FOLDER).rglob("*.db")))
        again = service(home, "create", "--name", "s", "--models", "st:1.0.0")
        assert again.code == 0, again.err
        assert wait_for(lambda: asked(running, "s")) == 1


def asked(running: Serving, name: str) -> int | None:
    """Ask a session's next step; None if the service is not there."""
    body = json.dumps({"jsonData": {"mxe-meta": {"sessionId": "x"}}}).encode()
    url = f"{running.address}/model-endpoints/{name}"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            told: int = json.load(response)["jsonData"]["n"]
            return told
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def test_info_says_the_type_or_nothing() -> None:
    said = "Title: T\nId: a\nVersion: 1.0.0\nAuthor: J\n{}Description: d\nType: StatefulModel\n"
    assert not parse_info(said.format("")).is_stateful
    assert not parse_info(said.format("Type: Model\n")).is_stateful
    assert parse_info(said.format("Type: StatefulModel\n")).is_stateful
    with pytest.raises(
        PackageRefusedError, match=r"Type is 'Stateful'. A model with sessions says"
    ):
        parse_info(said.format("Type: Stateful\n"))
