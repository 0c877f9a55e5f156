"""The gateway of docker-compose.yml beside an IRIS: what its file says, run natively.

One long test on purpose: starting takes most of the time, and each step finds what the step
before left. What the stand-in for IRIS shows and what not is said in `tests.iris_driver`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.cli.conftest import lived
from tests.cli.running import MODEL, copy_home
from tests.cli.test_services import make_keys
from tests.control.test_rest import multipart
from tests.stack.outside import Instance, Serving, prepare

from iris_ct.flow.rollback import roll_back

__all__ = ["lived"]

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_WAIT_S = 120
ROW = {"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False}
ASKED = {"jsonData": ROW}
GUESSED = "ct_guessed"
ENDPOINT = f"/model-endpoints/{MODEL}"
KEYED = {**ROW, "slot": "2024-02-20 05:00:00"}

FOLD = """
from iris_ct import bootstrap
from iris_ct.flow.fold import fold_journal
parts = bootstrap.parts()
print(fold_journal(parts.store, parts.clock))
parts.store.close()
"""
TAKE_BACK = """
from iris_ct import bootstrap
from iris_ct.flow.rollback import roll_back
parts = bootstrap.parts()
store = parts.store
specification = store.specifications.get(store.models.get("rentals", 2).spec_digest)
newest = max(batch.seq for batch in store.batches.arrivals("rentals"))
print(len(store.predictions.outcomes(specification, as_of_seq=newest, version=2).position))
roll_back("rentals", request_id="second", version=2, actor="rollout", reason="as a rollout does",
          store=store, clock=parts.clock)
store.close()
"""


class Clock:
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time."""
        return datetime.now(UTC)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place to which every user gets, as those of pytest's are not."""
    made = Path(tempfile.mkdtemp(prefix="ct-serving-"))
    made.chmod(0o755)
    yield made
    for directory in (made / "dur" / "secrets").iterdir():
        directory.chmod(0o700)
    shutil.rmtree(made)


@pytest.fixture
def dur(lived: Path, folder: Path) -> Path:
    """A home in which everything has happened once, prepared as at each start of the containers."""
    copy = copy_home(lived, folder / "dur")
    prepare(copy)
    return copy


@pytest.fixture
def instance(dur: Path, folder: Path) -> Iterator[Instance]:
    """An IRIS that has the home's catalogue."""
    made = Instance(folder, dur)
    yield made
    made.end()


@pytest.fixture
def serving(instance: Instance, dur: Path, folder: Path) -> Iterator[Serving]:
    """The container, not yet started."""
    made = Serving(folder, dur, instance)
    yield made
    made.program.kill()


def test_predictions_are_answered_beside_an_iris_to_whom_has_a_token(
    serving: Serving, instance: Instance, tmp_path: Path
) -> None:
    before = serving.read_only()
    serving.start()
    nobody_is_let_in_at_first(serving)
    shop, ops = token_of(serving, "shop", "reader"), token_of(serving, "ops", "operator")
    wait_until(lambda: image(serving, shop) == f"{MODEL}:2", serving)
    what_iris_appoints_answers(serving, instance, shop)
    services_are_made_and_deleted(serving, shop, ops)
    models_and_authors_are_listed_and_removed(
        serving, ops, token_of(serving, "boss", "admin"), tmp_path
    )
    answers_and_feedback_reach_the_log(serving, instance, shop)
    a_rollout_may_go_back(serving, shop)
    the_console_says_where_messages_are(serving, shop)
    answers_go_on_while_iris_is_away(serving, instance, shop)
    the_account_may_nothing_else(instance)
    assert serving.strays() == []
    assert serving.read_only() == before


def test_without_the_file_of_tokens_it_does_not_listen(serving: Serving, dur: Path) -> None:
    (dur / "serving" / "tokens.json").unlink()
    said = serving.run(*serving.service.command)
    assert said.returncode == 2
    assert "lets other machines in, and nobody needs a token" in said.stderr


def nobody_is_let_in_at_first(serving: Serving) -> None:
    """There is no token that somebody could know, and health asks for none."""
    assert json.loads((serving.dur / "serving" / "tokens.json").read_text())["tokens"] == []
    assert serving.ask("GET", "/healthz").status == 200
    assert serving.ask("POST", ENDPOINT, ASKED).status == 401
    assert serving.ask("POST", ENDPOINT, ASKED, token=GUESSED).status == 401
    assert serving.ask("GET", "/v1/model-services").status == 401


def token_of(serving: Serving, name: str, role: str) -> str:
    """Create a token as docs/deployment.md says; wait until the gateway knows it."""
    said = serving.run("ct", "token", "create", name, "--role", role)
    assert said.returncode == 0, said.stderr
    token = said.stdout.strip()
    wait_until(lambda: serving.ask("GET", "/v2", token=token).status == 200, serving)
    return token


def what_iris_appoints_answers(serving: Serving, instance: Instance, token: str) -> None:
    """The production inside IRIS changes the catalogue; the gateway follows."""
    roll_back(
        MODEL,
        request_id="first",
        version=1,
        actor="test",
        reason="test",
        store=instance.store,
        clock=Clock(),
    )
    wait_until(lambda: image(serving, token) == f"{MODEL}:1", serving)


def services_are_made_and_deleted(serving: Serving, reader: str, operator: str) -> None:
    pair = {
        "name": "pair",
        "type": "static",
        "replicas": 1,
        "models": [
            {"id": MODEL, "version": "1.0.0", "weight": 0.5},
            {"id": MODEL, "version": "2.0.0", "weight": 0.5},
        ],
    }
    assert serving.ask("POST", "/v1/model-services", pair, token=reader).status == 403
    made = serving.ask("POST", "/v1/model-services", pair, token=operator)
    assert made.status == 201, made.body
    endpoint = "/model-endpoints/pair"
    wait_until(lambda: serving.ask("POST", endpoint, ASKED, token=reader).status == 200, serving)
    said = serving.run("ct", "service", "list", "--json")
    assert said.returncode == 0, said.stderr
    listed = json.loads(said.stdout)
    [pair] = [one for one in listed if one["name"] == "pair"]
    assert pair["status"] == "running"
    assert pair["endpoint"] == f"http://localhost:{serving.port}{endpoint}"
    gone = serving.ask("DELETE", "/v1/model-services/pair", token=operator)
    assert gone.status in {200, 204}, gone.body
    wait_until(lambda: serving.ask("POST", endpoint, ASKED, token=reader).status == 404, serving)


def models_and_authors_are_listed_and_removed(
    serving: Serving, operator: str, admin: str, tmp_path: Path
) -> None:
    image = {"id": "com.iot", "version": "2.0.0", "title": "IoT", "image": "iot:2"}
    [(_, kind)], form = multipart(("modeldata", "", json.dumps(image).encode()))
    assert serving.ask("POST", "/v1/models", form, token=operator, kind=kind).status == 201
    assert serving.ask("DELETE", "/v1/models/com.iot/2.0.0", token=operator).status == 200
    _, public = make_keys(tmp_path, "jane")
    jane = {"name": "jane", "publicKey": public.read_text()}
    assert serving.ask("POST", "/v1/authors", jane, token=operator).status == 403
    assert serving.ask("POST", "/v1/authors", jane, token=admin).status == 201
    assert serving.ask("DELETE", "/v1/authors/jane", token=admin).status == 200


def answers_and_feedback_reach_the_log(serving: Serving, instance: Instance, token: str) -> None:
    """Folded with the gateway's own rights; the labels lie where the Inbox in IRIS takes them."""
    counted = sum(instance.store.predictions.counts(MODEL).values())
    asked = {"meta": {"puid": "order-7"}, "jsonData": KEYED}
    told = serving.ask("POST", ENDPOINT, asked, token=token)
    assert told.status == 200, told.body
    truth = {
        "response": {"meta": {"puid": "order-7"}},
        "truth": {"data": {"ndarray": [[71]]}},
    }
    assert serving.ask("POST", f"/feedback?service={MODEL}", truth, token=token).status == 200
    said = serving.run("python", "-c", FOLD)
    assert said.returncode == 0, said.stderr
    assert sum(instance.store.predictions.counts(MODEL).values()) > counted
    labels = [*(serving.dur / "inbox" / MODEL / "labels").glob("feedback-*.csv")]
    assert [71] in [pl.read_csv(path)["hires"].to_list() for path in labels]


def a_rollout_may_go_back(serving: Serving, token: str) -> None:
    """What was predicted is held against labels, with what that spills, and a version appointed."""
    said = serving.run("python", "-c", TAKE_BACK)
    assert said.returncode == 0, said.stderr
    wait_until(lambda: image(serving, token) == f"{MODEL}:2", serving)


def the_console_says_where_messages_are(serving: Serving, token: str) -> None:
    for place in ("", f"/models/{MODEL}", "/services", "/production", "/quarantine"):
        assert serving.ask("GET", f"/console{place}", token=token).status == 200, place
    page = serving.ask("GET", "/console/messages", token=token)
    assert page.status == 200
    assert b"Management Portal" in page.body
    assert not (serving.dur / "store" / "ct.db").exists(), "no messages of an embedded host"


def answers_go_on_while_iris_is_away(serving: Serving, instance: Instance, token: str) -> None:
    """Also after a start of the gateway: it begins with the last routes."""
    control = serving.dur / "serving" / "logs" / "control.log"
    services = "/v1/model-services"
    instance.away.touch()
    assert serving.ask("GET", services, token=token).status == 503
    assert serving.ask("GET", "/console", token=token).status == 503
    assert image(serving, token) == f"{MODEL}:2"
    serving.program.kill()
    serving.start()
    wait_until(lambda: image(serving, token) == f"{MODEL}:2", serving)
    assert serving.ask("GET", "/readyz").status == 200
    wait_until(lambda: "The database does not answer" in control.read_text(), serving)
    # Where to look is in the container's own log.
    wait_until(lambda: "serving/logs/control.log" in serving.program.log, serving)
    instance.away.unlink()
    wait_until(lambda: serving.ask("GET", services, token=token).status == 200, serving)


def the_account_may_nothing_else(instance: Instance) -> None:
    for statement in (
        "UPDATE ct_store.ct_model_version SET version = 7",
        "DELETE FROM ct_store.ct_champion",
        "DELETE FROM ct_store.ct_decision",
        "INSERT INTO ct_store.ct_batch (batch_id) VALUES ('x')",
        "DROP TABLE ct_store.ct_service",
    ):
        assert instance.refuses(statement), statement


def image(serving: Serving, token: str) -> str:
    """Predict; give the image that answered, or nothing."""
    told = serving.ask("POST", ENDPOINT, ASKED, token=token)
    return "" if told.status != 200 else str(told.json["meta"]["requestPath"][MODEL])


def wait_until(holds: Callable[[], bool], serving: Serving) -> None:
    until = time.monotonic() + _WAIT_S
    while not holds():
        log = serving.dur / "serving" / "logs" / "control.log"
        said = log.read_text()[-3000:] if log.exists() else ""
        assert time.monotonic() < until, f"{serving.program.log}\n{said}"
        time.sleep(0.1)
