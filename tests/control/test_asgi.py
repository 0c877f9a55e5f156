"""HTTP requests as frames, answered by a real Starlette application."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from iris_ct.control.asgi import answer
from iris_ct.serving.frames import Answer, Http


async def _said(request: Request) -> Response:
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.path_params["rest"],
            "query": dict(request.query_params),
            "header": request.headers["x-one"],
            "body": body.decode(),
            "who": request.scope["state"]["principal"],
        },
        status_code=201,
        headers={"X-Two": "2"},
    )


def ask(request: Http) -> Answer:
    app = Starlette(routes=[Route("/v1/{rest:path}", _said, methods=["POST"])])
    return asyncio.run(answer(app, request))


def test_the_application_sees_the_request_and_its_response_comes_whole() -> None:
    told = ask(
        Http("POST", "/v1/ä b", "a=1&b=%20", [("x-one", "1")], b"hello", ("eva", "admin", ["x"]))
    )
    assert (told.status, told.content_type, told.headers) == (
        201,
        "application/json",
        {"x-two": "2"},
    )
    assert (
        told.body.decode() == '{"method":"POST","path":"ä b","query":{"a":"1","b":" "},'
        '"header":"1","body":"hello","who":["eva","admin",["x"]]}'
    )


def test_what_is_not_there_is_a_404() -> None:
    assert ask(Http("GET", "/elsewhere", "", [], b"", None)).status == 404
