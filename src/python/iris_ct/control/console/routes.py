"""The addresses of the console, and what each asks for. All of them only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from iris_ct import procedures
from iris_ct.bootstrap import Parts
from iris_ct.control.board import Board
from iris_ct.control.console import graph, models, services, site
from iris_ct.control.console.drawing import By
from iris_ct.control.console.mail import Mail
from iris_ct.control.console.paging import paged
from iris_ct.control.console.services import Serving
from iris_ct.core.errors import CTError
from iris_ct.procedures.asker import Asker

ROOT = "/console"
# Sessions of a page, and pages that can be looked through; older ones are asked by their number.
_SESSIONS, _SESSION_PAGES = 25, 20
# Messages of one session that are shown.
_MESSAGES = 500
# Digits of the largest number that a database has for a session.
_MOST_DIGITS = 18

Endpoint = Callable[[Request], Response]


class Console:
    """The pages of one home; used by several threads at once."""

    def __init__(self, parts: Parts, board: Board) -> None:
        self._parts, self._board = parts, board
        self._mail = Mail(parts)

    def overview(self, request: Request) -> Response:
        """Show all models at a glance."""
        content = models.overview(self._parts, self._serving(request), _page(request))
        return site.page(request, "overview.html", **content)

    def model(self, request: Request) -> Response:
        """Show one model and its timeline."""
        name: str = request.path_params["name"]
        by: By = "arrival" if request.query_params.get("by") == "arrival" else "event"
        content = models.model(
            self._parts, self._serving(request), name, by=by, page=_page(request)
        )
        return site.page(request, "model.html", **content)

    def decision(self, request: Request) -> Response:
        """Say a decision, or all of a cycle, in words."""
        subject: str = request.path_params["subject"]
        told = procedures.explain(self._parts, subject)
        return site.page(
            request, "decision.html", subject=subject, told=told, groups=_groups(told)
        )

    def services(self, request: Request) -> Response:
        """Show what is served, and how fast."""
        content = services.services(self._serving(request), _page(request))
        said = services.say_live(content["total"])
        return site.page(request, "services.html", said=said, **content)

    def live(self, request: Request) -> Response:
        """Give live numbers, for the script."""
        return site.numbers(services.live(self._serving(request)))

    def sessions(self, request: Request) -> Response:
        """List the newest sessions, no more than the page needs: each is asked for its messages."""
        page = min(_page(request), _SESSION_PAGES)
        if not self._mail.is_here:
            return site.page(request, "sessions.html", kept_here=False)
        found = procedures.sessions(self._mail, newest=page * _SESSIONS + 1)
        rows, pages = paged(found, page, size=_SESSIONS)
        return site.page(
            request,
            "sessions.html",
            kept_here=True,
            rows=rows,
            pages=replace(pages, last=min(pages.last, _SESSION_PAGES), is_open=True),
            most=_SESSION_PAGES * _SESSIONS,
        )

    def session(self, request: Request) -> Response:
        """Show the messages of one session as a tree; what they say stays out."""
        number: str = request.path_params["number"]
        if not number.isascii() or not number.isdecimal() or len(number) > _MOST_DIGITS:
            return site.missing(request)
        told = procedures.trace(self._mail, int(number))
        shown = told["messages"][:_MESSAGES]
        return site.page(request, "session.html", told=told, shown=shown)

    def production(self, request: Request) -> Response:
        """Show the graph of the production."""
        kept_here = self._mail.is_here
        queues = self._mail.queues() if kept_here else {}
        return site.page(
            request,
            "production.html",
            drawing=graph.drawing(),
            queues=queues,
            strangers=sorted(queues.keys() - {item.name for item in graph.drawing().items}),
            kept_here=kept_here,
            runs=kept_here and self._mail.runs,
        )

    def quarantine(self, request: Request) -> Response:
        """Show what is held back."""
        return site.page(request, "quarantine.html", **models.quarantine(self._parts))

    def _serving(self, request: Request) -> Serving:
        return Serving(self._parts, self._board, _asker(self._parts, request))


def routes(parts: Parts, board: Board) -> list[Route | Mount]:
    """Give the routes of the console of a home.

    Parameters
    ----------
    board : Board
        Has the gateway's statistics of the last minute.
    """
    console = Console(parts, board)
    table: list[tuple[str, Endpoint]] = [
        ("", console.overview),
        ("/models/{name:path}", console.model),
        ("/decisions/{subject:path}", console.decision),
        ("/services", console.services),
        ("/live.json", console.live),
        ("/messages", console.sessions),
        ("/messages/{number}", console.session),
        ("/production", console.production),
        ("/quarantine", console.quarantine),
    ]
    return [
        Route("/", lambda _: RedirectResponse(ROOT, headers=site.HEADERS), methods=["GET"]),
        *(Route(ROOT + path, _guarded(endpoint), methods=["GET"]) for path, endpoint in table),
        Route(f"{ROOT}/assets/{{name}}", site.asset, methods=["GET"]),
        Route(f"{ROOT}/{{rest:path}}", site.missing, methods=["GET"]),
    ]


def make_app(parts: Parts, board: Board) -> Starlette:
    """Make an application of the console alone."""
    return Starlette(routes=routes(parts, board))


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Say the product's own errors as a page."""

    # Not a coroutine, so that Starlette runs it in a thread: the store waits for disks.
    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except CTError as error:
            return site.problem(request, error)

    return answer


def _page(request: Request) -> int:
    """Read which page is asked for; what is no number is the first."""
    said = request.query_params.get("page", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= _MOST_DIGITS else 1


def _asker(parts: Parts, request: Request) -> Asker:
    """Tell who asks; without access everybody may see all."""
    principal: tuple[str, str, list[str]] | None = getattr(request.state, "principal", None)
    if principal is None:
        return Asker(parts.settings.who)
    name, _, domains = principal
    return Asker(name, None if "*" in domains else frozenset(domains))


def _groups(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Part the words into decisions: the headline, sentences, and the checks, which are indented."""
    groups: list[dict[str, Any]] = []
    for line in ["", *told["words"]]:
        if not line:
            groups.append({"head": "", "before": [], "checks": [], "after": []})
        elif not groups[-1]["head"]:
            groups[-1]["head"] = line
        elif line.startswith("  "):
            groups[-1]["checks"].append(line.strip())
        else:
            groups[-1]["after" if groups[-1]["checks"] else "before"].append(line)
    return [group for group in groups if group["head"]]
