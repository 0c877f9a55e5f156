"""The gateway as a raw ASGI application: a path, a body, a branch, a call, an answer.

What POSTs to a model takes the short way: one look into a dictionary, one frame there and back,
most of it without ASGI (see `connections`). Everything else is in `pages` or, forwarded, in the
control process.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from iris_ct.core.wire.refusal import WireError
from iris_ct.serving.access import LOCAL, Access, Principal, Refusal
from iris_ct.serving.body import GoneError, Receive, Waiting, read_body
from iris_ct.serving.control import ControlLine
from iris_ct.serving.frames import FEEDBACK, Answer, Call
from iris_ct.serving.metrics import Metrics
from iris_ct.serving.options import GatewayOptions
from iris_ct.serving.paths import check_path, protocol_of, refuse
from iris_ct.serving.pool import Failure, into
from iris_ct.serving.table import Branch, Service, Table

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = Mapping[bytes, bytes]

JSON = "application/json"
_LINE_END = re.compile(rb"[\r\n\0]")
_HEADER_LENGTH = b"inference-header-content-length"
_KEY = b"x-ct-key"
_PUID = b"seldon-puid"
_SERVICE = b"x-ct-service"
_EXPLAIN = b"x-ct-explain"
# Longer names would be kept with every prediction.
_MAX_PUID = 256
_YES = frozenset({"1", "true", "yes"})
_NO_HEADERS: dict[str, str] = {}
# Seconds after which one who was refused may try again.
_RETRY = {429: b"1", 503: b"1"}


class Pages(Protocol):
    """Answers what is not a POST to a model."""

    async def answer(self, gateway: Gateway, request: Request) -> Answer | None:
        """Answer a request; None if the page is not here."""
        ...


class Request:
    """What was asked, for everything that may take its time."""

    __slots__ = ("_receive", "gateway", "headers", "method", "path", "principal", "query", "scope")

    def __init__(
        self,
        gateway: Gateway,
        scope: Mapping[str, Any],
        headers: Headers,
        receive: Receive,
        principal: Principal = LOCAL,
    ) -> None:
        self.gateway, self.scope, self.headers, self._receive = gateway, scope, headers, receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.principal = principal

    async def body(self) -> bytes:
        """Read the body."""
        gateway = self.gateway
        return await read_body(
            self._receive,
            self.headers,
            limit=gateway.options.max_body,
            waiting=gateway.waiting,
        )


class Gateway:
    """The ASGI application; belongs to one event loop.

    Attributes
    ----------
    table
        What is served; replaced as a whole.
    """

    def __init__(
        self,
        options: GatewayOptions,
        *,
        metrics: Metrics,
        control: ControlLine,
        pages: Pages,
        access: Access,
        clock: Callable[[], float],
    ) -> None:
        self.options, self.metrics, self.control = options, metrics, control
        self.pages, self.access = pages, access
        self.table = Table(0, ())
        self.waiting = Waiting(options.max_waiting)
        # Bytes that wait for those who look on, who must not keep others out.
        self._mirrored = 0
        self._clock = clock
        self._max_body = options.max_body
        # Predictions are named by this process and a number: unique, and cheap to make.
        self._named = os.urandom(8).hex()
        self._n_named = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        endpoint = self.table.endpoints.get(scope["path"])
        headers: Headers = dict(scope["headers"])
        try:
            checked = self.access.check(scope, headers)
            decided = checked if isinstance(checked, Principal | Refusal) else await checked
            if isinstance(decided, Refusal):
                await self._send(send, self._refused(scope["path"], decided))
            elif endpoint is not None and scope["method"] == "POST":
                body = await read_body(
                    receive, headers, limit=self._max_body, waiting=self.waiting
                )
                answer = asyncio.get_running_loop().create_future()
                with self.waiting.holding(len(body)):
                    self._ask(scope, headers, decided, body, into(answer))
                    told = await answer
                await self._send(send, told)
            else:
                request = Request(self, scope, headers, receive, decided)
                await self._send(send, self._counted(await self._answer(request)))
        except WireError as error:
            await self._send(send, self._told(scope["path"], error))
        except GoneError:
            self.gone()

    # A call to a model.

    def knows(self, target: bytes) -> bool:
        """Say whether a request's target is a model's, and needs not to be read more closely."""
        return target in self.table.targets

    def ask(
        self,
        scope: Mapping[str, Any],
        headers: Headers,
        body: bytes,
        done: Callable[[Answer], None],
    ) -> Awaitable[None] | None:
        """Answer a POST to a model.

        Parameters
        ----------
        scope
            ``method``, ``path``, ``headers`` and ``query_string``, as ASGI has them.
        body
            As it came.
        done
            Gets the answer, now or later, once.

        Returns
        -------
        Awaitable or None
            To be awaited where the issuer of tokens must be asked first.
        """
        checked = self.access.check(scope, headers)
        if not isinstance(checked, Principal | Refusal):
            return self._ask_later(checked, scope, headers, body, done)
        self._ask_as(checked, scope, headers, body, done)
        return None

    async def _ask_later(
        self,
        checked: Awaitable[Principal | Refusal],
        scope: Mapping[str, Any],
        headers: Headers,
        body: bytes,
        done: Callable[[Answer], None],
    ) -> None:
        self._ask_as(await checked, scope, headers, body, done)

    def _ask_as(
        self,
        decided: Principal | Refusal,
        scope: Mapping[str, Any],
        headers: Headers,
        body: bytes,
        done: Callable[[Answer], None],
    ) -> None:
        if isinstance(decided, Refusal):
            done(self._refused(scope["path"], decided))
            return
        try:
            self._ask(scope, headers, decided, body, done)
        except WireError as error:
            done(self._told(scope["path"], error))

    def gone(self) -> None:
        """Count one who went away before all was said."""
        self.metrics.other(499)

    def _ask(
        self,
        scope: Mapping[str, Any],
        headers: Headers,
        principal: Principal,
        body: bytes,
        done: Callable[[Answer], None],
    ) -> None:
        began = self._clock()
        # Only now: the routes may have changed while the body came, and the old ones have ended.
        endpoint = self.table.endpoints.get(scope["path"])
        if endpoint is None:
            raise WireError(404, "The service was deleted meanwhile.")
        query = scope["query_string"]
        asked = parse_qs(query.decode("latin-1")) if query else {}
        service = endpoint.service or self._named_service(asked, headers, principal)
        if not principal.may(service.domain):
            raise WireError(404, f"There is no service {service.name!r}.")
        key = headers.get(_KEY) or headers.get(_PUID, b"")
        branch = service.choose(key)
        if endpoint.protocol == FEEDBACK:
            branch = self._answered_by(service, body) or branch
        explain = bool(asked and is_yes(asked.get("explain"))) or (
            _EXPLAIN in headers and is_yes([headers[_EXPLAIN].decode("latin-1")])
        )
        call = Call(
            endpoint.protocol,
            scope["path"],
            body,
            headers.get(b"content-type", b"").decode("latin-1"),
            self._name(headers),
            {_HEADER_LENGTH.decode(): headers[_HEADER_LENGTH].decode("latin-1")}
            if _HEADER_LENGTH in headers
            else _NO_HEADERS,
            False,
            service.name,
            branch.name,
            branch.image,
            explain,
            branch.route.log,
        )

        def pass_on(answer: Answer | Failure) -> None:
            if isinstance(answer, Failure):
                answer = refuse(endpoint.protocol, answer.status, answer.text)
            elif not is_http(answer):
                text = f"What {branch.image} answered is no answer in HTTP."
                answer = refuse(endpoint.protocol, 500, text)
            counts = branch.counts
            counts.add(answer.status, self._clock() - began, answer.n_rows)
            if answer.metrics:
                self.metrics.models.add(counts.place, answer.metrics)
            done(answer)

        branch.pool.ask(call, pass_on)
        if service.shadows and endpoint.protocol != FEEDBACK:
            self._mirror(service, call)

    def named_service(self, request: Request) -> Service:
        """Find the service that a request names, or the only one.

        Raises
        ------
        WireError
            404 if there is none, or none in the domains of who asks.
        """
        return self._named_service(parse_qs(request.query), request.headers, request.principal)

    def _named_service(
        self, asked: Mapping[str, Sequence[str]], headers: Headers, principal: Principal
    ) -> Service:
        services = {
            name: service
            for name, service in self.table.services.items()
            if principal.may(service.domain)
        }
        said = asked.get("service", [headers.get(_SERVICE, b"").decode("latin-1")])[0]
        if said:
            service = services.get(said)
            if service is None:
                raise WireError(404, f"There is no service {said!r}.")
            return service
        if len(services) == 1:
            return next(iter(services.values()))
        raise WireError(
            404,
            "Nothing is served yet."
            if not services
            else "Several services are there: name one by ?service=NAME, by the header "
            "X-CT-Service, or in the path.",
        )

    def _answered_by(self, service: Service, body: bytes) -> Branch | None:
        """Find who gave the answer that feedback is about."""
        images = feedback_images(body)
        return next((one for one in service.branches if one.image in images), None)

    def _mirror(self, service: Service, call: Call) -> None:
        """Send copies to those that look on; nobody waits for what they say."""
        n_bytes = len(call.body)
        for shadow in service.shadows:
            if (
                shadow.pool.n_waiting >= shadow.pool.limits.max_queue
                or self._mirrored + n_bytes > self.waiting.limit
            ):
                shadow.counts.shadow_drops += 1
                continue
            copy = Call(
                call.protocol,
                call.path,
                call.body,
                call.content_type,
                call.puid,
                call.headers,
                True,
                call.service,
                shadow.name,
                shadow.image,
                False,
                shadow.route.log,
            )
            began = self._clock()

            def count(
                answer: Answer | Failure, shadow: Branch = shadow, began: float = began
            ) -> None:
                self._mirrored -= n_bytes
                n_rows = 0 if isinstance(answer, Failure) else answer.n_rows
                shadow.counts.add(answer.status, self._clock() - began, n_rows)

            self._mirrored += n_bytes
            shadow.pool.ask(copy, count)

    def _name(self, headers: Headers) -> str:
        given = headers.get(_PUID)
        if given:
            name = given.decode("latin-1")
            if len(name) <= _MAX_PUID and name.isprintable():
                return name
        self._n_named += 1
        return f"{self._named}{self._n_named:012x}"

    # Everything else.

    async def _answer(self, request: Request) -> Answer:
        check_path(request.path, request.scope.get("raw_path", b""))
        told = await self.pages.answer(self, request)
        if told is None:
            told = await self.control.forward(request)
        return told

    # What goes out.

    async def _send(self, send: Send, answer: Answer) -> None:
        headers = headers_of(answer)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _refused(self, path: str, refusal: Refusal) -> Answer:
        told = refuse(protocol_of(path), refusal.status, refusal.text)
        return self._counted(msgspec.structs.replace(told, headers=refusal.headers))

    def _told(self, path: str, error: WireError) -> Answer:
        return self._counted(refuse(protocol_of(path), error.status, error.text))

    def _counted(self, answer: Answer) -> Answer:
        """Count what no model answered."""
        self.metrics.other(answer.status)
        return answer


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Give the headers of an answer."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
    ]
    if answer.headers:
        headers += [
            (name.encode("latin-1"), text.encode("latin-1"))
            for name, text in answer.headers.items()
        ]
    if answer.status in _RETRY and "retry-after" not in answer.headers:
        headers.append((b"retry-after", _RETRY[answer.status]))
    return headers


def is_http(answer: Answer) -> bool:
    """Say whether what a model answered can be sent: it may not write what follows its headers."""
    if answer.status == 200 and answer.content_type == JSON and not answer.headers:
        return True
    try:
        said = b"".join(name + text for name, text in headers_of(answer))
    except UnicodeEncodeError:
        return False
    return 200 <= answer.status < 600 and not _LINE_END.search(said)


def is_yes(said: Sequence[str] | None) -> bool:
    """Say whether a switch is on."""
    return said is not None and said[0].strip().lower() in _YES


class _Meta(msgspec.Struct, rename="camel"):
    request_path: dict[str, str] = {}


class _Response(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Feedback(msgspec.Struct):
    response: _Response = msgspec.field(default_factory=_Response)


_read_feedback = msgspec.json.Decoder(_Feedback).decode


def feedback_images(body: bytes) -> frozenset[str]:
    """Give the images that the answer within a feedback message went through.

    A message that cannot be read goes to any branch, whose worker refuses it.
    """
    try:
        return frozenset(_read_feedback(body).response.meta.request_path.values())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()
