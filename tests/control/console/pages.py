"""Asking for pages as the gateway does, and reading their HTML."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from iris_ct.bootstrap import Parts
from iris_ct.control.asgi import answer
from iris_ct.control.board import Board
from iris_ct.control.console import make_app
from iris_ct.serving.frames import Answer, Http

_VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})
ADDRESSES = (
    "/console",
    "/console/models/rentals",
    "/console/models/rentals?by=arrival",
    "/console/decisions/rentals",
    "/console/services",
    "/console/messages",
    "/console/messages/1",
    "/console/production",
    "/console/quarantine",
    "/console/models/nobody",
    "/console/elsewhere",
)
"""Every kind of page, with two that say what is wrong."""


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, blanks joined."""
        return re.sub(r"[ \n\t]+", " ", "".join(self._texts())).strip()

    def find(self, tag: str, **wanted: str) -> list[Element]:
        """List the elements in it with a tag (``*``: any) and attributes."""
        return [
            element
            for element in self.walk()
            if tag in ("*", element.tag)
            and all(
                element.attributes.get(name.strip("_").replace("_", "-")) == value
                for name, value in wanted.items()
            )
        ]

    def one(self, tag: str, **wanted: str) -> Element:
        """Give the only such element."""
        (found,) = self.find(tag, **wanted)
        return found

    def walk(self) -> Iterator[Element]:
        """Give all elements in it, in their order."""
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            yield from child._texts() if isinstance(child, Element) else (child,)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in _VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.here.tag == tag, f"</{tag}> ends <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


def parse(text: str) -> Element:
    """Read a page; every element must be closed where it was opened."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.here is reader.root
    return reader.root


class Pages:
    """The console of a home, asked as the gateway's control process asks it."""

    def __init__(self, parts: Parts, board: Board) -> None:
        self.app = make_app(parts, board)

    def ask(
        self,
        address: str,
        *,
        method: str = "GET",
        principal: tuple[str, str, list[str]] | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> Answer:
        """Give the answer at an address."""
        path, _, query = address.partition("?")
        request = Http(method, unquote(path), query, headers or [], b"", principal)
        return asyncio.run(answer(self.app, request))

    def page(self, address: str, status: int = 200, **more: Any) -> Element:
        """Give a page."""
        told = self.ask(address, **more)
        assert told.status == status, told.body.decode()
        assert told.content_type == "text/html; charset=utf-8"
        return parse(told.body.decode())

    def live(self, **more: Any) -> Any:
        """Give the live numbers."""
        return json.loads(self.ask("/console/live.json", **more).body)


def rows(table: Element) -> list[list[str]]:
    """Give the texts of a table's body."""
    (body,) = table.find("tbody")
    return [
        [cell.text for cell in row.walk() if cell.tag in ("td", "th")] for row in body.find("tr")
    ]
