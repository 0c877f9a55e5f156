"""``/v1``: codes, bodies and who may, for services, models and authors."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from tests.cli.test_services import enter, keys, model, opened, refused, service

from iris_ct.control.asgi import answer
from iris_ct.control.rest import REFUSALS, routes, status_of
from iris_ct.core import errors
from iris_ct.serving.frames import Http

__all__ = ["keys"]

EAST = ("erna", "operator", ["east"])
WEST = ("willi", "operator", ["west"])
READER = ("rita", "reader", ["*"])
ADMIN = ("anna", "admin", ["*"])
MODEL = {"id": "a", "version": "1.0.0"}
SERVICE: dict[str, Any] = {"name": "s", "type": "model", "replicas": 1, "models": [MODEL]}


@dataclass
class Rest:
    """Asks the application as the gateway does."""

    app: Starlette
    who: tuple[str, str, list[str]] | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        content = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        request = Http(method, path, query, self.headers, content, self.who)
        told = asyncio.run(answer(self.app, request))
        return told.status, json.loads(told.body) if told.body else None


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    """The application on a home of its own; tests remove what they make."""
    with opened(tmp_path_factory.mktemp("rest") / "dur") as parts:
        for name in ("a", "b"):
            enter(parts, name, "1.0.0")
        enter(parts, "east.only", "1.0.0", domain="east")
        yield Starlette(routes=routes(parts), exception_handlers=REFUSALS)


@pytest.fixture
def rest(app: Starlette) -> Rest:
    """Ask without access being configured."""
    return Rest(app)


@contextmanager
def made(rest: Rest, **fields: Any) -> Iterator[str]:
    """A service for the time of a block."""
    body = {**SERVICE, **fields}
    status, told = Rest(rest.app).ask("POST", "/v1/model-services", body)
    assert status == 201, told
    try:
        yield body["name"]
    finally:
        Rest(rest.app).ask("DELETE", f"/v1/model-services/{body['name']}")


def test_a_service_is_created_read_changed_and_deleted(rest: Rest) -> None:
    two = {
        **SERVICE,
        "type": "static",
        "models": [{**MODEL, "weight": 0.2}, {"id": "b", "version": "1.0.0", "weight": 0.8}],
    }
    assert rest.ask("POST", "/v1/model-services", two) == (
        201,
        {
            "message": 'Model service "s" has been created with models "a:1.0.0,b:1.0.0" with '
            "weights 0.2,0.8, with 1 instance"
        },
    )
    status, told = rest.ask("GET", "/v1/model-services/s")
    assert status == 200
    assert told.pop("created")
    assert told.pop("createdByUserName")
    assert told == {**two, "status": "creating", "endpoint": "/model-endpoints/s"}
    assert rest.ask("GET", "/v1/model-services")[1][0]["name"] == "s"
    status, told = rest.ask("PATCH", "/v1/model-services/s", {"replicas": 2})
    assert (status, told["message"].endswith("with 2 instances")) == (200, True)
    status, told = rest.ask("PATCH", "/v1/model-services/s", {"replicas": 2})
    assert (status, told["message"].startswith("Nothing to do")) == (200, True)
    scaling = {
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [{"name": "cpuMilliCores", "targetAverageValue": 100}],
    }
    assert rest.ask("PATCH", "/v1/model-services/s", {"autoScaling": scaling})[0] == 200
    assert rest.ask("GET", "/v1/model-services/s")[1]["autoScaling"] == scaling
    assert rest.ask("GET", "/v1/model-services/s/logs?lines=3&seconds=5&limit=9") == (200, {})
    assert rest.ask("DELETE", "/v1/model-services/s") == (
        200,
        {"message": 'Model service "s" has been deleted on cluster'},
    )
    assert rest.ask("DELETE", "/v1/model-services/s")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/model-services/none", None, 404),
        ("PATCH", "/v1/model-services/none", {"replicas": 2}, 404),
        ("DELETE", "/v1/model-services/none", None, 404),
        ("GET", "/v1/model-services/none/logs", None, 404),
        (
            "POST",
            "/v1/model-services",
            {**SERVICE, "models": [{"id": "c", "version": "1.0.0"}]},
            422,
        ),
        ("POST", "/v1/model-services", {**SERVICE, "models": [MODEL] * 3}, 400),
        ("POST", "/v1/model-services", {**SERVICE, "name": "S"}, 400),
        ("POST", "/v1/model-services", b"{", 400),
        ("POST", "/v1/model-services", b"[" * 100_000, 400),
        ("POST", "/v1/model-services", b" " * 2_000_000, 400),
        ("PATCH", "/v1/model-services/none", {}, 400),
        ("PATCH", "/v1/model-services/none", {"name": "other", "replicas": 2}, 400),
        ("GET", "/v1/model-services/none/logs?lines=-1", None, 400),
        ("DELETE", "/v1/models/none/1.0.0", None, 404),
        ("POST", "/v1/models", {}, 400),
        ("DELETE", "/v1/authors/none", None, 404),
        ("POST", "/v1/authors", {"name": "x"}, 400),
        ("POST", "/v1/authors", {"name": "x", "publicKey": "no key"}, 422),
        ("GET", "/v1/elsewhere", None, 404),
        ("PUT", "/v1/model-services", SERVICE, 405),
    ],
)
def test_refusals_have_their_codes(
    method: str, path: str, body: object, status: int, rest: Rest
) -> None:
    found, told = rest.ask(method, path, body)
    assert found == status
    assert list(told) == ["message"]


def test_methods_that_a_path_has_are_told(app: Starlette) -> None:
    for method, status in (("PUT", 405), ("OPTIONS", 204)):
        told = asyncio.run(answer(app, Http(method, "/v1/models", "", [], b"", ADMIN)))
        assert (told.status, told.headers["allow"]) == (status, "GET, HEAD, OPTIONS, POST")


def test_a_name_that_is_taken_is_a_conflict(rest: Rest) -> None:
    with made(rest):
        assert rest.ask("POST", "/v1/model-services", SERVICE)[0] == 409
        status, told = rest.ask("DELETE", "/v1/models/a/1.0.0")
        assert (status, "is used by s" in told["message"]) == (409, True)


def test_domains_hide_and_forbid(rest: Rest) -> None:
    erna, willi, rita = (Rest(rest.app, who) for who in (EAST, WEST, READER))
    with made(rest, domain="east"), made(rest, name="open"):
        assert [one["name"] for one in erna.ask("GET", "/v1/model-services")[1]] == ["open", "s"]
        assert [one["name"] for one in willi.ask("GET", "/v1/model-services")[1]] == ["open"]
        assert [one["name"] for one in rita.ask("GET", "/v1/model-services")[1]] == ["open", "s"]
        for method, body in (("GET", None), ("PATCH", {"replicas": 2}), ("DELETE", None)):
            status, told = willi.ask(method, "/v1/model-services/s", body)
            assert status == 403
            assert "There is no permission to" in told["message"]
        assert willi.ask("GET", "/v1/model-services/s/logs")[0] == 403
        assert erna.ask("PATCH", "/v1/model-services/s", {"replicas": 2})[0] == 200
    hers = {**SERVICE, "domain": "east"}
    assert willi.ask("POST", "/v1/model-services", hers)[0] == 403
    other = {**SERVICE, "models": [{"id": "east.only", "version": "1.0.0"}]}
    assert willi.ask("POST", "/v1/model-services", other)[0] == 403
    assert "east.only" not in [one["id"] for one in willi.ask("GET", "/v1/models")[1]]
    assert "east.only" in [one["id"] for one in erna.ask("GET", "/v1/models")[1]]
    assert willi.ask("DELETE", "/v1/models/east.only/1.0.0")[0] == 403


def test_roles_may_what_they_may(rest: Rest) -> None:
    rita, erna = Rest(rest.app, READER), Rest(rest.app, EAST)
    assert rita.ask("GET", "/v1/model-services")[0] == 200
    for method, path in (
        ("POST", "/v1/model-services"),
        ("DELETE", "/v1/model-services/s"),
        ("POST", "/v1/models"),
        ("POST", "/v1/authors"),
    ):
        status, told = rita.ask(method, path, SERVICE)
        assert (status, "it needs the role" in told["message"]) == (403, True)
    assert erna.ask("POST", "/v1/authors", {"name": "x", "publicKey": "y"})[0] == 403


def test_who_created_it_is_told(rest: Rest) -> None:
    erna = Rest(rest.app, EAST)
    assert erna.ask("POST", "/v1/model-services", SERVICE)[0] == 201
    assert erna.ask("GET", "/v1/model-services/s")[1]["createdByUserName"] == "erna"
    assert erna.ask("DELETE", "/v1/model-services/s")[0] == 200


def multipart(*parts: tuple[str, str, bytes]) -> tuple[list[tuple[str, str]], bytes]:
    pieces = [
        f'--x-y\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, file, content in parts
    ]
    return [("content-type", "multipart/form-data; boundary=x-y")], b"".join(
        [*pieces, b"--x-y--\r\n"]
    )


IMAGE = {"id": "com.iot", "version": "2.0.0", "title": "IoT", "image": "iot:2"}


def test_models_are_onboarded_by_one_part(rest: Rest) -> None:
    rest.headers, body = multipart(("modeldata", "", json.dumps(IMAGE).encode()))
    status, told = rest.ask("POST", "/v1/models", body)
    assert (status, told["message"].startswith('Model "iot:2" has been onboarded')) == (201, True)
    assert rest.ask("POST", "/v1/models", body)[0] == 409
    [found] = rest.ask("GET", "/v1/models?id=com.iot")[1]
    assert {key: found[key] for key in IMAGE} == IMAGE
    assert (found["status"], rest.ask("GET", "/v1/models?id=none")[1]) == ("available", [])
    assert rest.ask("DELETE", "/v1/models/com.iot/2.0.0") == (
        200,
        {"message": 'Model "com.iot" version "2.0.0" has been deleted from cluster.'},
    )


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ([], 400, "exactly one of the parts"),
        ([("sourcefile", "a.zip", b""), ("archivefile", "a.tgz", b"")], 400, "exactly one"),
        ([("modeldata", "", b"{}")], 400, "id, version, title, image missing"),
        ([("modeldata", "", b'{"id": 1}')], 400, "Unexpected 'id'"),
        ([("modeldata", "", b"[")], 400, "no JSON"),
        ([("archivefile", "a.tgz", b"no package")], 422, "no gzipped tar"),
    ],
)
def test_wrong_uploads_are_refused(
    parts: list[tuple[str, str, bytes]], status: int, words: str, rest: Rest
) -> None:
    rest.headers, body = multipart(*parts)
    found, told = rest.ask("POST", "/v1/models", body)
    assert (found, words in told["message"]) == (status, True), told
    assert rest.ask("POST", "/v1/models", body[:-6])[0] == 400


def test_authors_are_registered_verified_and_removed(
    rest: Rest, keys: dict[str, tuple[Path, Path]]
) -> None:
    jane, otto = (keys[name][1].read_text() for name in ("jane", "otto"))
    assert rest.ask("POST", "/v1/authors", {"name": "jane", "publicKey": jane})[0] == 201
    assert rest.ask("POST", "/v1/authors", {"name": "jane", "publicKey": otto})[0] == 409
    assert rest.ask("POST", "/v1/authors", {"name": "otto", "publicKey": jane})[0] == 409
    assert rest.ask("GET", "/v1/authors") == (200, [{"name": "jane", "publicKey": jane}])
    for body in (jane.encode(), json.dumps(jane).encode(), {"publicKey": jane}):
        assert rest.ask("POST", "/v1/authors/verify", body) == (
            200,
            {"result": True, "name": "jane"},
        )
    assert rest.ask("POST", "/v1/authors/verify", otto.encode()) == (
        200,
        {"result": False, "name": None},
    )
    assert rest.ask("DELETE", "/v1/authors/jane")[0] == 200
    assert rest.ask("POST", "/v1/authors/verify", jane.encode())[1]["result"] is False


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.UnknownServiceError, 404),
        (errors.NameTakenError, 409),
        (errors.NotReadyError, 409),
        (errors.NotInCatalogueError, 422),
        (errors.PackageRefusedError, 422),
        (errors.NotAllowedError, 403),
        (errors.ServiceRuleError, 400),
        (errors.StoreUnavailableError, 503),
        (errors.IntegrityError, 500),
    ],
)
def test_every_kind_of_error_has_its_code(kind: type[errors.CTError], status: int) -> None:
    assert status_of(kind("why")) == status


# -- the commands with --cluster -------------------------------------------------------------------


@contextmanager
def gateway(app: Starlette, token: str) -> Iterator[str]:
    """Serve the application on a port, as a gateway with tokens does."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size)
            if self.headers.get("authorization") != f"Bearer {token}":
                self.send_response(307)
                self.send_header("Location", "https://login.invalid/")
                self.end_headers()
                return
            headers = [(name.lower(), value) for name, value in self.headers.items()]
            path, _, query = self.path.partition("?")
            asked = Http(self.command, unquote(path), query, headers, body, ADMIN)
            told = asyncio.run(answer(app, asked))
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_the_commands_say_the_same_of_a_gateway(
    app: Starlette,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, tuple[Path, Path]],
) -> None:
    home = tmp_path / "unused"
    with gateway(app, "secret") as url:
        there = ("--cluster", url)
        refused(service(home, *there, "list"), "asks for a log-in (status 307)")
        monkeypatch.setenv("CT_TOKEN", "secret")
        create = ("create", "--name", "r", "--models", "a:1.0.0,b:1.0.0", "--weights", "0.2")
        assert service(home, *there, *create).out == (
            'Success: Model service "r" has been created with models "a:1.0.0,b:1.0.0" with '
            "weights 0.2,0.8, with 1 instance\n"
        )
        refused(service(home, *there, *create), '"r" is already running')
        modified = service(home, *there, "modify", "--name", "r", "--weights", "0.3")
        assert "with weights 0.3,0.7" in modified.out
        assert "0.3,0.7" in service(home, *there, "list").out
        assert service(home, *there, "logs", "--name", "r").code == 0
        assert service(home, *there, "delete", "--name", "r").out == (
            f'Success: Model service "r" has been deleted on cluster "{url}"\n'
        )
        refused(service(home, *there, "delete", "--name", "r"), '"r" does not exist')
        image = ("--docker", "i:1", "--id", "com.i", "--title", "I", "--version", "1.0.0")
        assert model(home, *there, "onboard", *image).out == (
            'Success: Model "i:1" has been onboarded to cluster with ID "com.i" and version '
            '"1.0.0".\n'
        )
        assert "com.i" in model(home, *there, "list").out
        gone = model(home, *there, "delete", "--id", "com.i", "--version", "1.0.0")
        assert gone.out.endswith(f'has been deleted from cluster "{url}".\n')
        trust = ("trust", "--name", "Ö Jane", "--publickey", keys["jane"][1])
        assert model(home, *there, *trust).out == 'Success: Author "Ö Jane" has been registered.\n'
        assert "Ö Jane" in model(home, *there, "authors").out
        assert model(home, *there, "distrust", "--name", "Ö Jane").code == 0
    assert not home.exists()
