"""The gateway over HTTP: paths, protocols, limits, refusals; with real workers."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.serving.gateways import Gateway, branch, gateway, routes, wait_for, write_routes

from iris_ct.serving.gateway import feedback_images

pytestmark = pytest.mark.integration
ROW = {"data": {"ndarray": [[1.0]]}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two services: one of two models, one with a shadow."""
    home = tmp_path_factory.mktemp("home")
    two = [branch(home, "a", weight=0.8), branch(home, "b", version="2", weight=0.2)]
    one = [branch(home, "c", version="3"), branch(home, "s", version="4", shadow=True)]
    write_routes(home, routes(("two", two), ("one", one), timeout_s=1.5))
    with gateway(
        home, control=True, CT_SERVE_MAX_BODY_MB="1", CT_SERVE_READ_TIMEOUT_S="1"
    ) as started:
        yield started


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/model-endpoints/one", "seldon"),
        ("/model-endpoints/one/", "seldon"),
        ("/model-endpoints/one/api/v1.0/predictions", "seldon"),
        ("/api/v0.1/predictions?service=one", "seldon"),
        ("/v2/models/one/infer", "open_inference"),
        ("/v2/models/one/versions/3/infer", "open_inference"),
        ("/invocations?service=one", "mlflow"),
        ("/model-endpoints/one/feedback", "seldon_feedback"),
    ],
)
def test_each_path_asks_its_protocol(running: Gateway, path: str, protocol: str) -> None:
    told = running.post(path, ROW)
    assert (told.status, told.json["protocol"], told.json["image"]) == (200, protocol, "tiny:3")


def test_a_service_is_named_by_a_header_too(running: Gateway) -> None:
    assert running.post("/invocations", ROW, X_CT_Service="one").json["image"] == "tiny:3"


def test_a_version_in_the_path_is_the_one_that_answers(running: Gateway) -> None:
    images = {running.post("/v2/models/two/versions/2/infer", ROW).json["image"] for _ in range(8)}
    assert images == {"tiny:2"}


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "/model-endpoints/none", 404, b'"status":"FAILURE"'),
        ("POST", "/v2/models/none/infer", 404, b'{"error":'),
        ("GET", "/v2/models/two/versions/9", 404, b'{"error":'),
        ("POST", "/invocations", 404, b'"error_code":"RESOURCE_DOES_NOT_EXIST"'),
        ("POST", "/invocations?service=none", 404, b'"message":"There is no service'),
        ("GET", "/model-endpoints/one", 405, b'"reason":"METHOD_NOT_ALLOWED"'),
        ("PUT", "/v2/models/one/infer", 405, b'{"error":'),
        ("POST", "/healthz", 405, b'{"error":'),
        ("GET", "/v1//model-services", 400, b'{"message":'),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_protocol(
    running: Gateway, method: str, path: str, status: int, body: bytes
) -> None:
    told = running.ask(method, path, "{}")
    assert (told.status, body in told.body) == (status, True)
    assert told.headers["content-type"] == "application/json"


def test_options_and_405_say_what_is_allowed(running: Gateway) -> None:
    assert running.ask("OPTIONS", "/model-endpoints/one").headers["allow"] == "POST, OPTIONS"
    assert running.ask("DELETE", "/metrics").headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_has_no_body(running: Gateway) -> None:
    told = running.ask("HEAD", "/healthz")
    assert (told.status, told.body, told.headers["content-length"]) == (200, b"", "3")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/%2e%2e/one",
        "/v2//models/one",
        "/console/%2e%2e/v1/model-services",
        "/v1/..%2fadmin",
        "/v1/%00",
        "/v1/a%5cb",
        "/v1/%252e",
        "/v1/%ff",
        "//v1/model-services",
    ],
)
def test_paths_that_may_be_read_in_two_ways_are_refused(running: Gateway, path: str) -> None:
    assert running.ask("GET", path).status == 400


def test_what_is_not_here_goes_to_the_control_process(running: Gateway) -> None:
    told = running.ask("PATCH", "/v1/model-services?a=1", "text")
    assert told.headers["x-own"] == "1"
    said = told.json
    assert (said["method"], said["path"]) == ("PATCH", "/v1/model-services")
    assert (said["query"], said["body"]) == ("a=1", "text")
    assert "local" in said["principal"]


def test_the_control_process_is_started_again_while_predictions_go_on(running: Gateway) -> None:
    away = running.ask("GET", "/v1/die")
    assert (away.status, list(away.json)) == (503, ["message"])
    assert running.post("/model-endpoints/one", ROW).status == 200
    wait_for(lambda: running.ask("GET", "/v1/model-services").status == 200)


def test_a_key_always_gets_the_same_branch(running: Gateway) -> None:
    """0.8 of 200 keys: 160; the standard deviation is 5.7, so within 40 it is no accident."""
    found = {}
    for number in range(200):
        told = running.post("/model-endpoints/two", ROW, X_CT_Key=f"client-{number}")
        found[f"client-{number}"] = told.json["branch"]
    assert 120 < list(found.values()).count("a") < 199
    for key in ("client-1", "client-2", "client-3"):
        for _ in range(3):
            told = running.post("/model-endpoints/two", ROW, Seldon_Puid=key)
            assert (told.json["branch"], told.json["puid"]) == (found[key], key)


def test_a_shadow_gets_a_copy_and_never_answers(running: Gateway) -> None:
    told = running.post("/model-endpoints/one", ROW).json
    assert told["branch"] == "c"
    log = running.home / "serving" / "bundles" / "s4" / "answered"
    wait_for(lambda: f"{told['puid']} s 1\n" in log.read_text())


def test_feedback_goes_to_the_branch_that_answered(running: Gateway) -> None:
    for image in ("tiny:1", "tiny:2"):
        said = {"response": {"meta": {"requestPath": {"tiny": image}}}, "reward": 1.0}
        assert running.post("/model-endpoints/two/feedback", said).json["image"] == image


@pytest.mark.parametrize(
    "body", [b'{"x":' + b"[" * 100_000, b'{"response":{"meta":{"requestPath":{"a":"\xff"}}}}']
)
def test_feedback_that_cannot_be_read_is_the_worker_s_to_refuse(body: bytes) -> None:
    assert feedback_images(body) == frozenset()


def test_explanations_are_asked_by_query_or_header(running: Gateway) -> None:
    path = "/model-endpoints/one"
    assert running.post(f"{path}?explain=true", ROW).json["explain"] is True
    assert running.post(path, ROW, X_CT_Explain="true").json["explain"] is True
    assert running.post(f"{path}?explain=false", ROW).json["explain"] is False


def test_the_length_of_a_binary_request_is_passed_on(running: Gateway) -> None:
    told = running.post("/v2/models/one/infer", ROW, Inference_Header_Content_Length="5").json
    assert told["headers"] == {"inference-header-content-length": "5"}


def test_a_model_that_is_too_slow_is_a_504_and_goes_on(running: Gateway) -> None:
    told = running.post("/model-endpoints/one", {"sleep": 2.0})
    assert (told.status, told.json["status"]["reason"]) == (504, "TIMEOUT")
    assert "within 1.5 s" in told.json["status"]["info"]
    wait_for(lambda: running.post("/model-endpoints/one", ROW).status == 200)


# Bodies.


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_read(running: Gateway, name: str, pack: object) -> None:
    body = json.dumps(ROW).encode()
    assert callable(pack)
    told = running.ask("POST", "/v2/models/one/infer", pack(body), {"content-encoding": name})
    assert (told.status, told.json["length"]) == (200, len(body))


def test_a_decompression_bomb_is_refused(running: Gateway) -> None:
    bomb = gzip.compress(b"0" * (64 << 20))
    assert len(bomb) < 100_000
    for path, key in (("/v2/models/one/infer", "error"), ("/v1/model-services", "message")):
        told = running.ask("POST", path, bomb, {"content-encoding": "gzip"})
        assert (told.status, list(told.json)) == (413, [key])


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [("br", b"x", 415), ("gzip", b"no gzip", 400), ("gzip", gzip.compress(b"{}")[:-4], 400)],
    ids=["unknown", "damaged", "cut"],
)
def test_other_and_damaged_encodings_are_refused(
    running: Gateway, encoding: str, body: bytes, status: int
) -> None:
    told = running.ask("POST", "/model-endpoints/one", body, {"content-encoding": encoding})
    assert told.status == status


def test_bodies_count_until_they_are_answered(tmp_path: Path) -> None:
    """A hundred bytes may become a megabyte, of which many could wait for a slow model."""
    write_routes(tmp_path, routes(("one", [branch(tmp_path)]), timeout_s=60))
    bomb = gzip.compress(json.dumps({"sleep": 2, "more": "0" * 900_000}).encode())
    zipped = {"content-encoding": "gzip"}
    with (
        gateway(tmp_path, CT_SERVE_MAX_BODY_MB="1", CT_SERVE_MAX_WAITING_MB="2") as running,
        ThreadPoolExecutor(4) as four,
    ):
        asked = [
            four.submit(running.ask, "POST", "/model-endpoints/one", bomb, zipped)
            for _ in range(4)
        ]
        assert sorted(one.result().status for one in asked) == [200, 200, 503, 503]
        assert running.ask("POST", "/model-endpoints/one", b"{}").status == 200


def test_a_shadow_that_hangs_keeps_no_more_copies_than_fit_and_nobody_out(tmp_path: Path) -> None:
    both = [branch(tmp_path), branch(tmp_path, "s", version="2", shadow=True)]
    write_routes(tmp_path, routes(("one", both), timeout_s=60))
    with gateway(
        tmp_path, control=True, CT_SERVE_MAX_WAITING_MB="1", CT_SERVE_DRAIN_S="0.5"
    ) as running:
        wait_for(lambda: len(running.worker_pids()) == 2)
        os.kill(running.worker_pids()[1], signal.SIGSTOP)
        body = json.dumps({"more": "0" * 300_000})
        for _ in range(6):
            assert running.ask("POST", "/model-endpoints/one", body).status == 200
        told = running.ask("GET", "/metrics").body.decode()
        drops = next(
            line for line in told.splitlines() if 'ct_shadow_drops_total{branch="s"' in line
        )
        assert drops.endswith(" 3.0")


def test_a_long_body_is_refused_by_its_length_or_when_it_has_come(running: Gateway) -> None:
    long = b"0" * (2 << 20)
    assert running.ask("POST", "/model-endpoints/one", long).status == 413
    with _raw(running) as stream:
        stream.sendall(b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\n")
        stream.sendall(b"transfer-encoding: chunked\r\n\r\n")
        # Refused while it still comes, so the rest may find nobody.
        with contextlib.suppress(OSError):
            for _ in range(5):
                stream.sendall(b"40000\r\n" + b"0" * 0x40000 + b"\r\n")
        assert stream.recv(64).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
        b"POST /model-endpoints/one HTTP/1.1\r\nhost: loc",
        b"",
    ],
    ids=["body", "headers", "nothing"],
)
def test_one_who_sends_too_slowly_is_cut_off(running: Gateway, sent: bytes) -> None:
    with _raw(running) as stream:
        stream.sendall(sent)
        assert stream.recv(64).startswith(b"HTTP/1.1 408")


def test_endless_headers_are_cut_off(running: Gateway) -> None:
    with _raw(running) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\n" + b"x: " + b"y" * (80 << 10))
        assert stream.recv(64).startswith(b"HTTP/1.1 431")


def test_two_ways_to_say_the_length_are_refused(running: Gateway) -> None:
    """Else two programs in a row could see two different requests."""
    with _raw(running) as stream:
        stream.sendall(
            b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert stream.recv(64).startswith(b"HTTP/1.1 400")


def test_one_connection_answers_many_requests_in_their_order(running: Gateway) -> None:
    """Pipelined: all are sent before the first answer is read."""
    request = (
        b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\nseldon-puid: p%d\r\n"
        b"content-length: 2\r\n\r\n{}"
    )
    with _raw(running) as stream:
        stream.sendall(b"".join(request % number for number in range(20)))
        text = b""
        while text.count(b'"puid"') < 20:
            text += stream.recv(1 << 16)
    places = [text.index(b'"p%d"' % number) for number in range(20)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("line", "header", "keeps"),
    [
        (b"HTTP/1.1", b"x: y", True),
        (b"HTTP/1.1", b"connection: close", False),
        (b"HTTP/1.0", b"x: y", False),
    ],
)
def test_a_connection_stays_open_as_its_request_says(
    running: Gateway, line: bytes, header: bytes, keeps: bool
) -> None:
    with _raw(running) as stream:
        stream.sendall(b"POST /model-endpoints/one %s\r\nhost: localhost\r\n" % line)
        stream.sendall(header + b"\r\ncontent-length: 2\r\n\r\n{")
        stream.sendall(b"}")
        told = _answer_of(stream)
        assert told.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (b"\r\nconnection: close\r\n" in told) != keeps
        if keeps:
            stream.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert _answer_of(stream).startswith(b"HTTP/1.1 200")
        else:
            assert stream.recv(1) == b""


def test_who_asks_whether_to_send_the_body_is_told_so(running: Gateway) -> None:
    with _raw(running) as stream:
        stream.sendall(
            b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\n"
            b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert stream.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(b"{}")
        assert _answer_of(stream).startswith(b"HTTP/1.1 200")


def test_who_leaves_before_all_was_said_is_counted(running: Gateway) -> None:
    with _raw(running) as stream:
        stream.sendall(b"POST /model-endpoints/one HTTP/1.1\r\nhost: localhost\r\n")
        stream.sendall(b"content-length: 2\r\n\r\n{")
    counted = b'ct_http_total{code="499"}'
    wait_for(lambda: counted in running.ask("GET", "/metrics").body)


def test_who_leaves_many_requests_behind_fills_no_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_routes(tmp_path, routes(("one", [branch(tmp_path)])))
    with gateway(tmp_path) as running:
        with _raw(running) as stream:
            # More than is sent to one who reads nothing of it.
            stream.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 500)
            time.sleep(2)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert running.ask("GET", "/readyz").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_model_cannot_write_headers_of_another_answer(running: Gateway) -> None:
    for evil in ({"x": "1\r\nset-cookie: a=b"}, {"x: 1\r\nset-cookie": "a=b"}):
        told = running.post("/model-endpoints/one", {"answer_headers": evil})
        assert (told.status, told.json["status"]["status"]) == (500, "FAILURE")
        assert "set-cookie" not in told.headers
    told = running.post("/model-endpoints/one", {"answer_headers": {"x-good": "1"}})
    assert (told.status, told.headers["x-good"]) == (200, "1")


@pytest.mark.parametrize("said", [{"status": 999}, {"answer_headers": {"x": "\u20ac"}}])
@pytest.mark.parametrize("more", [0, 100_000], ids=["short", "long"])
def test_what_is_no_answer_in_http_is_a_failure(
    running: Gateway, said: dict[str, object], more: int
) -> None:
    """Also where it goes the long way, as large requests do."""
    assert running.post("/model-endpoints/one", {**said, "more": "x" * more}).status == 500


def _answer_of(stream: socket.socket) -> bytes:
    """Read a short answer: all of its head and body."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += stream.recv(1 << 16)
    head, _, rest = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += stream.recv(1 << 16)
    return head + b"\r\n\r\n" + rest


def _raw(running: Gateway) -> socket.socket:
    parts = urlsplit(running.address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


# Pages.


def test_who_watches_gets_short_answers(running: Gateway) -> None:
    assert running.ask("GET", "/healthz").body == b"ok\n"
    assert running.ask("GET", "/readyz").status == 200
    assert running.ask("GET", "/ping").status == 200
    assert running.ask("GET", "/health/ping").body == b"pong"
    assert running.ask("GET", "/v2/health/live").json == {"live": True}
    assert running.ask("GET", "/v2/health/ready").json == {"ready": True}
    assert running.ask("GET", "/v2/models/one/ready").json == {"name": "one", "ready": True}
    assert running.ask("GET", "/v2").json["extensions"] != []


def test_the_repository_lists_each_version(running: Gateway) -> None:
    rows = running.ask("POST", "/v2/repository/index", "{}").json
    assert {(row["name"], row["version"]) for row in rows} == {
        ("two", "1"),
        ("two", "2"),
        ("one", "3"),
    }


def test_metadata_is_the_workers(running: Gateway) -> None:
    told = running.ask("GET", "/v2/models/two").json
    assert (told["protocol"], told["headers"]) == (
        "open_inference_metadata",
        {"versions": "1,2"},
    )
    told = running.ask("GET", "/model-endpoints/one/metadata").json
    assert told["protocol"] == "seldon_metadata"


def test_openapi_names_the_paths_and_its_page_needs_nobody_else(running: Gateway) -> None:
    paths = running.ask("GET", "/openapi.json").json["paths"]
    assert {"/model-endpoints/one", "/v2/models/two/infer", "/invocations"} <= set(paths)
    page = running.ask("GET", "/openapi")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for asset in ("/openapi.js", "/openapi.css"):
        assert asset.encode() in page.body
        content = running.ask("GET", asset)
        assert (content.status, b"//cdn" in content.body) == (200, False)


def test_metrics_count_by_service_branch_version_and_status(running: Gateway) -> None:
    running.post("/model-endpoints/one", {"status": 418})
    text = running.ask("GET", "/metrics").body.decode()
    place = 'branch="c",code="418",model="tiny",service="one",version="3"'
    assert f"ct_requests_total{{{place}}} 1.0" in text
    assert 'ct_request_seconds_bucket{branch="c",le="+Inf",model="tiny"' in text
    assert 'ct_workers{branch="c",model="tiny",service="one",version="3"} 1.0' in text
    assert running.ask("GET", "/prometheus").body.startswith(b"# HELP")


def test_statistics_tell_the_control_process_what_runs(running: Gateway) -> None:
    running.post("/model-endpoints/one", ROW)
    stats = running.home / "stats.json"

    def of_branch() -> object:
        told = json.loads(stats.read_bytes())
        one = next(row for row in told["branches"] if row["branch"] == "c")
        assert len(one["buckets"]) == len(told["bounds_s"]) + 1
        assert sum(one["buckets"]) == one["requests"]
        return one["requests"] and one["pids"] and one["rows"]

    wait_for(lambda: stats.exists() and of_branch())
