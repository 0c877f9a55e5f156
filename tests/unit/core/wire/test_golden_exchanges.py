from __future__ import annotations

import json

import pytest
from tests.unit.core.wire import exchanges

from iris_ct.core.wire import codec
from iris_ct.core.wire.exchange import Served
from iris_ct.core.wire.refusal import WireError, error_body


@pytest.mark.parametrize("name", exchanges.names())
def test_exchange_is_answered_as_written(name: str) -> None:
    exchange = exchanges.load(name)
    request, expected = exchange["request"], exchange["answer"]
    body = exchanges.body_of(request)
    headers = request.get("headers", {})
    if expected["status"] != 200:
        with pytest.raises(WireError) as refused:
            codec.decode(exchange["protocol"], body, request["content_type"], headers)
        error = refused.value
        assert error.status == expected["status"]
        answer = error_body(exchange["protocol"], error.status, error.text)
        assert json.loads(answer) == expected["json"]
        return
    asked = codec.decode(exchange["protocol"], body, request["content_type"], headers)
    assert exchanges.cells_of(asked.inputs) == exchange["rows"]
    assert asked.n_rows == len(exchange["rows"]["cells"])
    said = exchange.get("encode", {})
    assert asked.explain == ("contributions" in said)
    reply = codec.encode(
        asked,
        exchanges.outputs_of(exchange["outputs"]),
        Served(**exchange["served"]),
        puid="made-1",
        routing=said.get("routing"),
        tags=said.get("tags"),
        metrics=said.get("metrics", ()),
        contributions=exchanges.contributions_of(said),
    )
    assert reply.content_type == expected["content_type"]
    assert dict(reply.headers) == expected.get("headers", {})
    if "base64" in expected:
        assert reply.body == exchanges.body_of(expected)
    else:
        assert json.loads(reply.body) == expected["json"]


def test_every_exchange_says_where_its_values_come_from() -> None:
    assert all(exchanges.load(name)["origin"] for name in exchanges.names())
    assert len(exchanges.names()) >= 40
