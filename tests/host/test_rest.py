"""The plain ``iop`` command against a host, as against IRIS: the command's own exit codes and words.

The shapes are those of the documented REST interface of iop 4.1.1 (docs/rest-api.md of its
repository, and ``IOP.Service.Remote.Rest.v1``, which the package holds); what is expected here is
what ``iop`` prints of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from tests.host import productions
from tests.host.productions import Task, notes

from iris_ct.host import Host, HostClient, HostError, HostKeeper, UploadCheck, Uploads
from iris_ct.host.rest import MAX_BODY_BYTES, make_app
from iris_ct.host.rest_server import RestServer, check_exposure

SAID = "a pass:word"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")

# Stands for the production of a customer, which `iop --migrate` sends.
SETTINGS = """
from iop import Production
from {module} import Greeter

prod = Production("{name}")
greeter = prod.operation("Greeter", Greeter, settings={settings})
PRODUCTIONS = [prod]
"""
GREETER = """
from contextlib import closing
from dataclasses import dataclass
from iop import BusinessOperation, Message

@dataclass
class Greeting(Message):
    text: str = ""

class Greeter(BusinessOperation):
    Word: str = "{word}"

    def on_init(self):
        {init}

    def on_greeting(self, request: Greeting) -> Greeting:
        return Greeting(self.Word + " " + request.text)
"""


@dataclass(frozen=True)
class Served:
    """A host that is reached by its address."""

    keeper: HostKeeper
    server: RestServer
    folder: Path

    def is_running(self) -> bool:
        return self.keeper.host.is_running

    def iop(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the real command."""
        reached = {"IOP_URL": self.server.url, "IOP_USERNAME": "x", "IOP_PASSWORD": SAID}
        return iop(*arguments, **{**reached, **environment})

    def printed(self, *arguments: str) -> str:
        """Give what the command prints when all is well."""
        done = self.iop(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refused(self, *arguments: str, **environment: str) -> str:
        """Give what the command says when it fails."""
        done = self.iop(*arguments, **environment)
        assert done.returncode == 1
        return done.stderr

    def http(
        self, method: str, path: str, body: bytes = b"", /, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request that iop would not send."""
        connection = HTTPConnection(self.server.host, self.server.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, f"/api/iop{path}", body or None, named)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, said, answer.read()


def iop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iop", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


def serve(
    tmp_path: Path, *, password: str = SAID, uploads: bool = True, processes: bool = False
) -> Iterator[Served]:
    store_url, lock_path = f"sqlite:///{tmp_path / 'store.sqlite'}", tmp_path / "host.lock"
    folder = tmp_path / "production"
    folder.mkdir()

    def make(reference: str | None) -> Host:
        return Host(
            reference or "tests.host.productions:pair",
            store_url=store_url,
            lock_path=lock_path,
            processes=processes,
        )

    path, modules = list(sys.path), set(sys.modules)
    keeper = HostKeeper(make, Uploads(folder, UploadCheck({})) if uploads else None)
    keeper.start()
    with HostClient(store_url, lock_path) as client:
        server = RestServer(make_app(keeper, client, password=password), host="127.0.0.1", port=0)
        yield Served(keeper, server, folder)
        server.close()
    keeper.stop(drain_timeout_s=0.0)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", "") or ""):
            del sys.modules[name]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield from serve(tmp_path)


@pytest.fixture
def open_served(tmp_path: Path) -> Iterator[Served]:
    """A host without a password, which takes no uploads."""
    yield from serve(tmp_path, password="", uploads=False)


@pytest.fixture
def strict_served(tmp_path: Path) -> Iterator[Served]:
    """A host in strict mode, whose items' processes import the production by themselves."""
    yield from serve(tmp_path, processes=True)


def write_settings(folder: Path, *, word: str = "hello", **changes: str) -> Path:
    """Write the customer's folder; gives its settings file."""
    folder.mkdir(exist_ok=True)
    values = {"module": "greeter_parts", "name": "Greet.Production", "settings": "{}"} | changes
    (folder / "greeter_parts.py").write_text(
        GREETER.format(word=word, init=changes.get("init", "pass"))
    )
    path = folder / "settings.py"
    path.write_text(SETTINGS.format(**{k: v for k, v in values.items() if k != "init"}))
    return path


def test_iop_looks_at_a_host_as_at_iris(served: Served) -> None:
    """One host for all looks: each costs the start of a Python."""
    assert served.printed("--status") == (
        '{\n    "production": "Test.Pair",\n    "status": "running"\n}\n'
    )
    assert served.printed("--default") == "Test.Pair\n"
    listed = json.loads(served.printed("--list"))
    assert TIME.fullmatch(listed["Test.Pair"].pop("LastStartTime"))
    assert listed == {"Test.Pair": {"Status": "Running", "LastStopTime": "", "AutoStart": 0}}
    assert json.loads(served.printed("--queue")) == {
        "production": "Test.Pair",
        "items": [
            {
                "item": item,
                "queue_name": item,
                "class_name": f"Python.tests.host.productions.{kind}",
                "exists": 1,
                "count": 0,
            }
            for item, kind in (("Direct", "Entry"), ("Worker", "Worker"))
        ],
        "warnings": [],
    }
    assert json.loads(served.printed("--queue", "Other.Production")) == {
        "production": "Other.Production",
        "items": [],
        "warnings": ["Production could not be loaded: Other.Production"],
    }
    bindings = json.loads(served.printed("--bindings"))
    assert [entry["used_by"] for entry in bindings] == [
        [{"production": "Test.Pair", "item": item}] for item in ("Direct", "Worker")
    ]
    assert json.loads(served.printed("--bindings", "--unused")) == []
    assert served.printed("--version") == "4.1.1\n", "of the command; that of the API is below"
    assert json.loads(served.http("GET", "/version", **basic())[2]) == {
        "version": "1.0.0",
        "description": "Interoperability Embedded Python Service API",
    }


def test_iop_exports_the_production_and_its_connections(served: Served) -> None:
    assert json.loads(served.printed("--export")) == productions.pair.to_dict()
    graph = served.printed("--export", "--format", "mermaid")
    assert re.search(r"Direct.*-->.*Worker", graph)


def test_iop_prints_the_event_log_oldest_first(served: Served) -> None:
    served.keeper.host.call("Direct", Task("log"), 60)
    lines = served.printed("--log", "4").splitlines()
    assert [TIME.match(line) is not None for line in lines] == [True] * 3
    kinds = [line.split()[2] for line in lines]
    assert kinds == ["Info", "Info", "Alert"]
    assert lines[-1].endswith("Worker do_log wake somebody")
    assert f" Worker {os.getpid()} " in lines[-1]
    everything = json.loads(served.http("GET", "/log?since_id=0", **basic())[2])
    assert [entry["id"] for entry in everything] == sorted(entry["id"] for entry in everything)
    assert everything[-1]["text"] == "wake somebody"


def test_iop_stops_and_starts_the_production_while_the_interface_stays(served: Served) -> None:
    assert served.printed("--stop") == "Production Test.Pair stopped\n"
    assert not served.is_running()
    assert json.loads(served.printed("--status"))["status"] == "stopped"
    stopped = json.loads(served.printed("--list"))["Test.Pair"]
    assert stopped["Status"] == "Stopped"
    assert TIME.fullmatch(stopped["LastStopTime"])
    assert served.printed("--start", "-D") == "Production Test.Pair started\n"
    assert served.is_running()
    since = served.keeper.host.since
    assert served.printed("--restart") == ""
    assert served.keeper.host.since != since
    assert served.printed("--update") == ""
    assert served.printed("--kill") == ""
    assert not served.is_running()
    assert "does not run" in served.refused("--test", "Worker")


def test_iop_tests_an_item(served: Served) -> None:
    said = served.printed(
        "--test",
        "Worker",
        "--classname",
        "tests.host.productions.Task",
        "--body",
        '{"wish": "double", "number": 4}',
    )
    assert said == (
        'classname: tests.host.productions.Result\nbody:\n{\n    "number": 8,\n    "text": ""\n}\n'
    )
    failing = ("--classname", "tests.host.productions.Task", "--body", '{"wish": "fail"}')
    assert "ValueError: cannot do 0" in served.refused("--test", "Worker", *failing)
    assert "'Nobody' is no item of production 'Test.Pair'" in served.refused("--test", "Nobody")


def test_a_test_imports_nothing_and_names_only_messages(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "never_imported.py").write_text("class A: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    wrong = ("never_imported.A", "subprocess.Popen", "tests.host.productions.Worker", "Task", ".")
    for name in wrong:
        content = json.dumps({"target": "Worker", "classname": name, "body": "{}"}).encode()
        headers = {"Content_Type": "application/json", **basic()}
        status, _, answer = served.http("POST", "/test", content, **headers)
        assert (status, "is no message class" in answer.decode()) == (500, True), name
        assert "tests.host.productions.Task" in answer.decode()
    assert "never_imported" not in sys.modules


def test_items_are_switched_off_and_on(served: Served) -> None:
    def switch(what: str, item: str) -> tuple[int, Any]:
        body = json.dumps({"component": item}).encode()
        json_type = {"Content_Type": "application/json"}
        status, _, content = served.http(
            "POST", f"/component/{what}", body, **json_type, **basic()
        )
        return status, json.loads(content)

    assert switch("stop", "Worker") == (200, {"status": "stopped", "component": "Worker"})
    served.keeper.host.send("Direct", Task("async-pass", 3))
    assert served.keeper.host.wait_session(1, 0.5) is False
    assert switch("start", "Worker") == (200, {"status": "started", "component": "Worker"})
    assert served.keeper.host.wait_session(1, 60)
    assert notes()[-1] == "worker 3"
    assert switch("restart", "Worker")[0] == 200
    status, answer = switch("restart", "")
    assert (status, answer["error"].partition(":")[0]) == (500, "NoComponentSpecified")
    status, answer = switch("stop", "Nobody")
    assert (status, answer["error"]) == (500, "There is no item 'Nobody' to switch on or off.")


def test_what_iop_asks_in_vain_is_answered_with_a_reason(served: Served) -> None:
    assert "runs production 'Test.Pair', not 'Other.P'" in served.refused(
        "--start", "Other.P", "-D"
    )
    assert "runs production 'Test.Pair'" in served.refused("--default", "Other.P")
    assert "NamespaceDoesNotExist: 'HERE'" in served.refused("-n", "HERE", "--status")
    assert "There is no proxy class 'A.B'" in served.refused("--unbind", "A.B")
    assert json.loads(served.printed("-n", "EMBEDDED", "--status"))["status"] == "running"


def test_a_wrong_password_is_401(served: Served) -> None:
    other = {"IOP_PASSWORD": "another"}
    assert served.refused("--status", **other) == (
        "Error: 401 Unauthorized: The password is missing or wrong.\n"
    )
    status, headers, _ = served.http("GET", "/status")
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="iop", charset="UTF-8"')
    for wrong in ("Basic", "Basic %%%", "Bearer x", "Basic " + "eA==", basic("")["Authorization"]):
        assert served.http("GET", "/status", Authorization=wrong)[0] == 401


def test_an_absent_host_is_named() -> None:
    url = "http://127.0.0.1:9"
    done = iop("--status", IOP_URL=url)
    assert done.returncode == 1
    assert done.stderr == f"Error: Connection error: could not reach {url!r}\n"


def test_an_oversize_body_is_not_read(served: Served) -> None:
    headers = {"Content_Type": "application/json", **basic()}
    body = b'{"production": "' + b"x" * MAX_BODY_BYTES + b'"}'
    status, _, content = served.http("POST", "/start", body, **headers)
    assert (status, json.loads(content)) == (
        413,
        {"error": "The request is larger than 1,000,000 bytes."},
    )
    for wrong in (b"{", b"[1]", b"\xff", b"[" * 200_000, b'{"a": ' + b"9" * 5_000 + b"}"):
        status, _, content = served.http("POST", "/start", wrong, **headers)
        assert (status, "The request's body is no JSON" in content.decode()) == (400, True)
    assert served.http("GET", "/log?since_id=" + "9" * 30, **headers)[0] == 500
    assert served.http("GET", "/log?top=-1", **headers)[0] == 500
    assert served.http("GET", "/nothing", **headers)[0] == 404
    assert served.http("GET", "/stop", **headers)[0] == 405
    assert served.is_running()


def test_pages_of_a_browser_change_nothing(open_served: Served) -> None:
    """Without a password, whoever can make a browser on this machine ask would be in."""
    host = f"localhost:{open_served.server.port}"
    assert open_served.http("GET", "/status", Host=host)[0] == 200
    assert (
        open_served.http("GET", "/status", Host=f"evil.example:{open_served.server.port}")[0]
        == 403
    )
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert open_served.http("POST", "/stop", b"a=b", **form)[0] == 415
    json_type = {"Content_Type": "application/json", "Origin": "https://evil.example"}
    assert open_served.http("POST", "/stop", b"{}", **json_type)[0] == 403
    assert open_served.http("POST", "/stop", Origin="null")[0] == 403
    assert open_served.is_running()


def test_other_machines_need_a_password() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_exposure(host, password="")
    everywhere = str(IPv4Address(0))
    check_exposure(everywhere, password=SAID)
    for host in (everywhere, "::", "192.0.2.7", "example.org"):
        with pytest.raises(HostError, match="no password"):
            check_exposure(host, password="")


def test_a_taken_port_is_told(served: Served) -> None:
    with pytest.raises(HostError, match=f"cannot listen on 127.0.0.1 port {served.server.port}"):
        RestServer(
            make_app(served.keeper, None, password=""),  # type: ignore[arg-type]  # never asked
            host="127.0.0.1",
            port=served.server.port,
        )


def test_a_migrated_production_is_taken_up_by_a_restart(served: Served, tmp_path: Path) -> None:
    settings = write_settings(tmp_path / "customer")
    said = served.printed("--migrate", str(settings), "--strict-production-validation")
    assert f"Migration succeeded in namespace USER: {settings}" in said
    assert json.loads(served.printed("--status"))["production"] == "Test.Pair", "not before"
    assert served.printed("--update") == ""
    assert json.loads(served.printed("--status"))["production"] == "Greet.Production"
    greeting = ("--classname", "greeter_parts.Greeting", "--body", '{"text": "there"}')
    assert '"text": "hello there"' in served.printed("--test", "Greeter", *greeting)
    # A second one: the same module with other content replaces the first one's.
    write_settings(tmp_path / "customer", word="good day")
    served.printed("--migrate", str(settings))
    served.printed("--restart")
    assert '"text": "good day there"' in served.printed("--test", "Greeter", *greeting)
    assert served.keeper.uploads is not None
    kept = served.keeper.uploads.current
    assert kept is not None
    assert sorted(path.name for path in served.keeper.uploads.folder_of(kept).glob("*.py")) == [
        "greeter_parts.py",
        "settings.py",
    ]


def test_strict_mode_imports_a_migrated_production_anew(
    strict_served: Served, tmp_path: Path
) -> None:
    for word in ("hello", "good day"):
        settings = write_settings(tmp_path / "customer", word=word)
        assert migrate(strict_served, as_body(settings)) == (200, "")
        strict_served.keeper.update()
        greeting = ("--classname", "greeter_parts.Greeting", "--body", '{"text": "there"}')
        assert f'"text": "{word} there"' in strict_served.printed("--test", "Greeter", *greeting)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"module": "nowhere_to_be_found"}, "nowhere_to_be_found"),
        ({"settings": '{"Wrod": "x"}'}, "Wrod"),
    ],
)
def test_a_production_that_cannot_run_changes_nothing(
    served: Served, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    body = as_body(write_settings(tmp_path / "customer", **changes))
    status, error = migrate(served, body)
    assert status == 400
    assert "The uploaded production cannot run here" in error
    assert reason in error
    assert list(served.folder.iterdir()) == []
    served.keeper.restart()
    assert served.keeper.host.plan.production_name == "Test.Pair"


def test_a_production_that_does_not_start_gives_way_to_the_former(
    served: Served, tmp_path: Path
) -> None:
    init = 'raise OSError("the licence server is away")'
    settings = write_settings(tmp_path / "customer", init=init)
    assert migrate(served, as_body(settings))[0] == 200
    said = served.refused("--restart")
    assert "did not start; the former one runs again" in said
    assert "the licence server is away" in said
    assert json.loads(served.printed("--status")) == {
        "production": "Test.Pair",
        "status": "running",
    }
    assert served.keeper.host.call("Direct", Task("double", 4), 60).number == 8
    served.keeper.restart()
    assert served.keeper.host.plan.production_name == "Test.Pair", "it is not tried again"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "a/../../evil.py",
        "/etc/evil.py",
        "C:\\evil.py",
        "a\\evil.py",
        "./evil.py",
        "a//evil.py",
        ".hidden/evil.py",
        "evil.pth",
        "evil.py/",
        "evil\n.py",
        "evil\0.py",
        "a/" * 20 + "evil.py",
        "x" * 200 + ".py",
        "",
    ],
)
def test_file_names_that_leave_the_folder_are_refused(
    served: Served, tmp_path: Path, name: str
) -> None:
    body = as_body(write_settings(tmp_path / "customer"))
    body["body"].append({"name": name, "data": "raise SystemExit"})
    status, error = migrate(served, body)
    assert status == 400
    assert "is refused. Expected a relative path" in error
    assert list(served.folder.iterdir()) == []


def test_an_upload_must_be_whole_and_new(served: Served, tmp_path: Path) -> None:
    good = as_body(write_settings(tmp_path / "customer"))
    nested = [{"name": "a.py/b.py", "data": ""}]
    changes: list[tuple[dict[str, Any], str]] = [
        ({"body": []}, "0 files"),
        ({"body": None}, "must be an array"),
        ({"body": [{"name": "a.py"}]}, "must be an array"),
        ({"settings_file": "other.py"}, "not among the files"),
        ({"settings_file": "../settings.py"}, "not among the files"),
        ({"body": [*good["body"], {"name": "SETTINGS.py", "data": ""}]}, "sent twice"),
        ({"body": [*good["body"], {"name": "json/x.py", "data": ""}]}, "json/x.py"),
        ({"body": [*good["body"], {"name": "iris_ct/core/span.py", "data": "pass"}]}, "span.py"),
        ({"body": [*good["body"], {"name": "A.py", "data": ""}, *nested]}, "sent as a file"),
        ({"body": [*good["body"], {"name": "b.py", "data": "\ud800"}]}, "surrogate"),
        ({"body": [{"name": "json.py", "data": ""}], "settings_file": "json.py"}, "Rename it"),
        ({"body": [{"name": "iop.py", "data": ""}], "settings_file": "iop.py"}, "Rename it"),
    ]
    for wrong, reason in changes:
        status, error = migrate(served, good | wrong)
        assert (status, reason in error) == (400, True), error
    assert migrate(served, good | {"namespace": "%SYS"})[0] == 500
    assert list(served.folder.iterdir()) == []


def test_what_the_host_has_already_is_not_kept_twice(served: Served, tmp_path: Path) -> None:
    import iris_ct.core.span

    same = Path(iris_ct.core.span.__file__).read_text()
    body = as_body(write_settings(tmp_path / "customer"))
    body["body"] += [
        {"name": "iris_ct/core/span.py", "data": same},
        {"name": "CT/Any.cls", "data": "Class CT.Any {}"},
    ]
    assert migrate(served, body) == (200, "")
    assert served.keeper.uploads is not None
    kept = served.keeper.uploads.next
    assert kept is not None
    found = served.keeper.uploads.folder_of(kept).rglob("*")
    assert sorted(path.name for path in found if path.is_file()) == [
        "greeter_parts.py",
        "settings.py",
    ]


def test_migration_needs_to_be_allowed(open_served: Served, tmp_path: Path) -> None:
    settings = write_settings(tmp_path / "customer")
    said = open_served.refused("--migrate", str(settings))
    assert said.startswith("Error: 403 Forbidden: Migration runs the code that is sent")
    assert list(open_served.folder.iterdir()) == []


def basic(password: str = SAID) -> dict[str, str]:
    import base64

    return {"Authorization": "Basic " + base64.b64encode(f"u:{password}".encode()).decode()}


def as_body(settings: Path) -> dict[str, Any]:
    """Make the upload as iop does."""
    return {
        "namespace": "USER",
        "package": "python",
        "remote_folder": "",
        "settings_file": settings.name,
        "body": [
            {"name": path.name, "data": path.read_text()}
            for path in sorted(settings.parent.glob("*.py"))
        ],
    }


def migrate(served: Served, body: dict[str, Any]) -> tuple[int, str]:
    """Send an upload; gives the status and the error."""
    content = json.dumps(body).encode()
    json_type = {"Content_Type": "application/json"}
    status, _, answer = served.http("PUT", "/migrate", content, **json_type, **basic())
    return status, json.loads(answer)["error"] if answer else ""
