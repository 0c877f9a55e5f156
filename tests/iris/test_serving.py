"""The service ``serving``: what the production in IRIS promotes answers over HTTP."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest
from tests.factories import day, rentals
from tests.iris.conftest import MODEL, status, wait_until
from tests.iris.stack import Stack

pytestmark = pytest.mark.iris

ROW = rentals(day(0), 1).row(0, named=True)


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    """A reader's token, made as the documentation says."""
    said = stack.compose(
        *("exec", "-T", "serving", "ct", "token", "create", "test", "--role", "reader")
    )
    found = re.search(r"^ct_\S+$", said, re.MULTILINE)
    assert found, said
    return found[0]


def ask(
    stack: Stack, method: str, path: str, token: str = "", body: Any = None
) -> tuple[int, Any]:
    """Ask the gateway on its published port."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.serving_port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        text = None if body is None else json.dumps(body, default=str)
        connection.request(method, path, text, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(content) if content.startswith(b"{") else content


def predicted(stack: Stack, token: str) -> tuple[int, Any]:
    row = {name: value for name, value in ROW.items() if name not in {"hires", "slot"}}
    return ask(stack, "POST", f"/model-endpoints/{MODEL}", token, {"jsonData": row})


def test_nobody_is_let_in_without_a_token(stack: Stack, champion: dict[str, Any]) -> None:
    assert predicted(stack, "")[0] == 401
    assert ask(stack, "GET", "/healthz")[0] == 200


def test_the_champion_answers_as_it_does_in_sql(
    stack: Stack, champion: dict[str, Any], token: str
) -> None:
    image = f"{MODEL}:{status(stack)['champion_version']}"
    wait_until(lambda: predicted(stack, token)[0] == 200)
    wait_until(lambda: predicted(stack, token)[1]["meta"]["requestPath"] == {MODEL: image})
    _, told = predicted(stack, token)
    given = json.dumps({k: v for k, v in ROW.items() if k != "hires"}, default=str)
    in_sql = stack.value("SELECT CT.Predict(?, ?)", MODEL, given)
    assert told["jsonData"]["prediction"] == float(in_sql)


def test_answers_go_on_while_iris_is_restarted(
    stack: Stack, champion: dict[str, Any], token: str
) -> None:
    wait_until(lambda: predicted(stack, token)[0] == 200)
    stack.compose("stop", "iris")
    assert predicted(stack, token)[0] == 200
    stack.compose("restart", "serving")
    wait_until(lambda: ask(stack, "GET", "/healthz")[0] == 200)
    assert predicted(stack, token)[0] == 200
    stack.compose("up", "--detach", "--wait", "iris")
    wait_until(lambda: ask(stack, "GET", "/v1/model-services", token)[0] == 200)
